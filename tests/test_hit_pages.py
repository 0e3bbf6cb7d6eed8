"""Hits as a page, as CSV and as SDF: complete, the same every time, and safe whatever objects are called."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from metricvae.core.errors import InputError
from metricvae.core.hits import FoundObject, PageAbout
from metricvae.core.hits_table import csv_records, safe_cell, write_hits_csv
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.drawing import flat_svg
from metricvae.kinds.molecule.kind import MoleculeKind
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.page import overlay_page as overlay_page_module
from metricvae.kinds.molecule.page.overlay_page import SURFACE_LEVEL, FeatureSphere, feature_spheres, overlay_page
from metricvae.kinds.molecule.pharmacophore import TYPES
from metricvae.metrics.overlap.layers_page import layers, layers_page
from metricvae.metrics.overlap.metric import OverlapMetric
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.metrics.shape.metric import ShapeMetric
from metricvae.plotting.page.hits import as_json, as_script, column_of

HOSTILE = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&"
"""A name that breaks out of whatever is not escaped."""

ABOUT = PageAbout(
    f"query {HOSTILE}", "INDEX", "molecules", f"metricvae search INDEX '{HOSTILE}'", {"Filter": "mw < 450"}
)

SMILES = ("CC(=O)Oc1ccccc1C(=O)O", "c1ccc2[nH]ccc2c1", "O=[N+]([O-])c1ccc(Br)cc1")

VOID = {"meta", "link", "input", "br", "img", "path", "rect", "circle", "ellipse"}


class Page(HTMLParser):
    """Elements of a page, and whether each that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.text += data


@pytest.fixture(scope="module")
def found() -> list[FoundObject]:
    names = (HOSTILE, "=cmd|' /C calc'!A0", "plain")
    fields: tuple[dict[str, Any], ...] = ({"mw": 180.16, "note": "a\nb"}, {"mw": np.float32(117.15)}, {"mw": math.nan})
    solver = ShapeMetric().solver
    query = solver.prepare(conform(SMILES[0], 1)[0])
    hits = []
    for name, smiles, more in zip(names, SMILES, fields, strict=True):
        value = conform(smiles, 1, name=name)[0]
        solved = solver.solve(query, solver.prepare(value))
        hits.append(FoundObject(name, value, solved.pose, "tanimoto", solved.score, 0.5, f"lib.smi#{name}", more))
    return hits


@pytest.fixture(scope="module")
def page(found: list[FoundObject]) -> str:
    return overlay_page(conform(SMILES[0], 1, name=HOSTILE)[0], found, ABOUT)


def squares() -> tuple[np.ndarray, list[FoundObject]]:
    query = np.zeros((40, 40), np.uint8)
    query[10:30, 10:30] = 1
    away = np.roll(query, 7, axis=1)
    hits = [FoundObject("away", away, Pose(0.0, -7.0, 0.0), "overlap", 400.0, 391.0)]
    return query, [*hits, FoundObject("same", query, Pose(90.0, 0.0, 0.0), "overlap", 400.0, 390.0)]


def data_of(text: str) -> Any:
    return json.loads(next(script for script in Page(text).scripts if script.startswith('{"query"')))


# The page


def test_the_page_is_whole_and_loads_nothing(page):
    parsed = Page(page)
    assert parsed.open == []
    for tag, attributes in parsed.elements:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    policy = next(one["content"] for _, one in parsed.elements if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_names_are_text_and_never_markup(page):
    parsed = Page(page)
    assert HOSTILE in parsed.text
    assert parsed.text.count(HOSTILE) == 4  # its title, its heading, the command line, the hit
    assert [tag for tag, _ in parsed.elements].count("img") == 0
    assert len(parsed.scripts) == 4  # data, 3Dmol.js, viewer, page
    assert not any(script.startswith("alert") for script in parsed.scripts)


def test_the_data_of_the_page_are_complete(page, found):
    data = data_of(page)
    assert [hit["id"] for hit in data["hits"]] == [hit.name for hit in found]
    assert [hit["path"] for hit in data["hits"]] == [hit.path for hit in found]
    for shown, hit in zip(data["hits"], found, strict=True):
        assert shown["values"]["tanimoto"] == hit.exact
        assert shown["values"]["predicted"] == hit.predicted
    assert data["hits"][1]["values"]["mw"] == pytest.approx(117.15)
    assert data["hits"][2]["values"]["mw"] is None
    everything = [data["query"], *data["hits"]]
    assert "".join(one["records"]["csv"] for one in everything) == "".join(csv_records(found))
    supplier = Chem.SDMolSupplier()
    supplier.SetData("".join(one["records"]["sdf"] for one in everything))
    read = list(supplier)
    assert [Chem.MolToSmiles(one) for one in read] == [hit.value.smiles for hit in (found[0], *found)]
    assert float(read[1].GetProp("tanimoto")) == pytest.approx(1.0, abs=1e-4)
    assert read[1].GetConformer().GetPositions() == pytest.approx(read[0].GetConformer().GetPositions(), abs=0.02)


def test_the_same_hits_give_the_same_bytes(page, found):
    assert overlay_page(conform(SMILES[0], 1, name=HOSTILE)[0], found, ABOUT) == page


def test_the_licence_goes_with_the_viewer(page):
    assert "Copyright (c) 2014, University of Pittsburgh and contributors" in page


def test_features_lie_where_the_molecules_lie(found):
    def first_atom(molecule):
        return [FeatureSphere("donor", *molecule.positions[0], 1.5)]

    data = data_of(overlay_page(found[0].value, found, ABOUT, first_atom))
    for one in (data["query"], *data["hits"]):
        first = Chem.MolFromMolBlock(one["records"]["sdf"]).GetConformer().GetPositions()[0]
        assert one["view"]["features"] == [["donor", *(pytest.approx(x, abs=1e-3) for x in first), 1.5]]


def test_every_type_of_feature_has_a_colour(found):
    view = data_of(overlay_page(found[0].value, found, ABOUT))["query"]["view"]
    assert {kind for kind, *_ in view["features"]} == {"donor", "acceptor", "anion", "ring"}
    script = Path(overlay_page_module.__file__).with_name("overlay_viewer.js").read_text("utf-8")
    listed = re.search(r"FEATURES = {(.*)}", script)
    assert listed is not None
    assert set(re.findall(r"(\w+): \"#", listed[1])) == set(TYPES)


def test_a_molecule_that_rdkit_refuses_is_shown_all_the_same(found):
    good = found[0].value
    five = np.array([[0, 1, 3], [0, 2, 3]], np.int32)
    odd = dataclasses.replace(good, smiles="", bonds=five, charges=np.zeros((0, 2), np.int32))
    assert flat_svg(odd) == ""
    assert feature_spheres(odd) == []
    assert Page(overlay_page(odd, found, ABOUT)).open == []


def test_the_surface_of_a_lone_atom_is_its_van_der_waals_sphere(page):
    gaussians = data_of(page)["query"]["view"]["gaussians"]
    *_, radius = gaussians["atoms"][0]
    alpha = gaussians["kappa"] / radius**2
    assert gaussians["amplitude"] * math.exp(-alpha * radius**2) == pytest.approx(SURFACE_LEVEL)


def test_no_hits_are_bad_input(found):
    with pytest.raises(InputError, match="no hit"):
        overlay_page(found[0].value, [], ABOUT)


def test_a_page_of_silhouettes_lays_them_on_the_query():
    query, hits = squares()
    first, *others = layers(query, hits)
    for other in others:
        assert other == pytest.approx(first, abs=1e-6)
    text = layers_page(query, hits, ABOUT)
    assert Page(text).open == []
    assert text == layers_page(query, hits, ABOUT)
    data = data_of(text)
    assert data["hits"][0]["view"]["layer"].startswith("data:image/png;base64,")
    assert list(data["query"]["records"]) == ["csv"]


def test_metrics_whose_hits_can_be_laid_on_a_query_have_a_page():
    assert ShapeMetric().hit_page is overlay_page
    assert OverlapMetric().hit_page is layers_page


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.5, 1.0], ["0.500", "1.000"]),
        ([2.5, None], ["2.50", "–"]),
        ([250.25, 7], ["250.2", "7.0"]),
        ([1234.5, 1], ["1234", "1"]),
        ([3, 4.0], ["3", "4"]),
        ([math.nan, math.inf], ["–", "–"]),
        (["a", None], ["a", ""]),
    ],
)
def test_numbers_of_a_column_have_decimals_alike(values, shown):
    assert [text for text, _ in column_of("x", values).cells] == shown


@given(st.text())
def test_nothing_ends_a_script_element(text):
    assert json.loads(str(as_json({"x": text}))) == {"x": text}
    assert not re.search("[<>&]", str(as_json({"x": text})))
    assert "</script" not in as_script(text + "</script></SCRIPT>").lower()
    assert "<!--" not in as_script(text + "<!--")


def test_a_structure_is_drawn_in_the_colour_of_the_text(found):
    drawn = flat_svg(found[0].value)
    assert "currentColor" in drawn
    assert "#000000" not in drawn
    assert "#FFFFFF" not in drawn


# CSV


def test_a_csv_is_read_again(found, tmp_path):
    write_hits_csv(tmp_path / "hits.csv", found)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "hits.csv").read_text("utf-8"))))
    assert list(rows[0]) == ["id", "path", "predicted", "tanimoto", "mw", "note"]
    assert [row["id"] for row in rows] == [HOSTILE, "'" + found[1].name, "plain"]
    assert [row["mw"] for row in rows] == ["180.16", "117.15", ""]
    assert float(rows[1]["tanimoto"]) == pytest.approx(found[1].exact, rel=1e-6)
    assert rows[0]["note"] == "a\nb"
    assert rows[1]["note"] == ""


@pytest.mark.parametrize("text", ["=1", "+x", "-x", "@x", "\tx", "\rx", "-1+cmd", "+1\n=2"])
def test_formulas_are_texts(text):
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "x", "-1", "+2.5", "-1e-5", "1=2", "[NH4+]", "C=C"])
def test_numbers_and_other_texts_stay(text):
    assert safe_cell(text) == text


def test_a_field_with_the_name_of_a_column_is_bad_input(found):
    twice = FoundObject("a", found[0].value, None, "tanimoto", 1.0, 1.0, fields={"tanimoto": 2.0})
    with pytest.raises(InputError, match="called tanimoto"):
        csv_records([twice])


def test_a_name_that_is_no_unicode_is_written(found, tmp_path):
    odd = FoundObject("\udcff", found[0].value, found[0].pose, "tanimoto", 1.0, 1.0)
    write_hits_csv(tmp_path / "hits.csv", [odd])
    assert "?" in (tmp_path / "hits.csv").read_text("utf-8")
    assert "?" in overlay_page(found[0].value, [odd], ABOUT)


# SDF


def test_rdkit_reads_scores_as_data_items(found, tmp_path):
    fields = [
        {"predicted": 0.8129131794, "rank": 1, "bad<>\nname": "a\n\n$$$$\nb\n> <x>", "": "x", "empty": ""},
        {},
        {},
    ]
    MoleculeKind().write_posed(tmp_path / "hits.sdf", [hit.value for hit in found], [hit.pose for hit in found], fields)
    first, second, _ = Chem.SDMolSupplier(str(tmp_path / "hits.sdf"))
    assert first.GetPropsAsDict()["predicted"] == pytest.approx(0.8129132)
    assert set(first.GetPropNames()) == {"smiles", "predicted", "rank", "bad name"}
    assert first.GetProp("rank") == "1"
    assert first.GetProp("bad name") == "a $$$ b > <x>"
    assert set(second.GetPropNames()) == {"smiles"}


def test_fields_for_other_molecules_are_refused(found, tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_sdf(tmp_path / "hits.sdf", [hit.value for hit in found], [{}])
    assert list(tmp_path.iterdir()) == []


# In a browser

ACTIONS = """
const press = (row, key) => row.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const ids = () => [...document.querySelectorAll("tbody tr")].map((row) => Number(row.dataset.hit));
const ticked = () => [...document.querySelectorAll("tbody tr")].filter((row) => row.querySelector("input").checked)
  .map((row) => Number(row.dataset.hit));
const seen = {};
const row = (hit) => document.querySelector(`[data-hit="${hit}"]`);
seen.first = ticked();
press(row(0), "ArrowDown"); seen.down = ticked(); seen.focus = document.activeElement === row(1);
press(row(1), " "); seen.space = ticked();
row(2).querySelector("input").click(); row(0).querySelector("input").click(); seen.several = ticked();
row(1).click(); seen.click = ticked();
const heads = [...document.querySelectorAll("thead button")];
const head = (name) => heads.find((button) => button.textContent === name);
head("mw").click(); seen.mw = ids(); head("mw").click(); seen.up = ids();
head("id").click(); seen.id = ids();
seen.sort = head("id").closest("th").getAttribute("aria-sort");
seen.legend = document.getElementById("legend").children.length;
seen.drawn = document.querySelectorAll("#box canvas, #box .message, #box .layer").length > 0;
document.body.dataset.seen = JSON.stringify(seen);
"""


def browser() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for path in map(shutil.which, names) if path), None)


@pytest.mark.slow
def test_the_page_in_a_browser(page, tmp_path):
    if browser() is None:
        pytest.skip("no Chromium here: install one to test the page in a browser")
    seen = seen_in_browser(page, tmp_path)
    assert seen["first"] == [0]
    assert (seen["down"], seen["focus"], seen["space"]) == ([1], True, [])
    assert seen["several"] == [0, 2]
    assert seen["click"] == [1]
    assert (seen["mw"], seen["up"]) == ([0, 1, 2], [1, 0, 2])  # what has no number comes last, either way
    assert sorted(seen["id"]) == [0, 1, 2]
    assert seen["sort"] == "ascending"
    assert seen["legend"] == 2
    assert seen["drawn"]


def seen_in_browser(page: str, folder: Path) -> Any:
    """What `ACTIONS` saw in a page, opened from a file without a network."""
    path = folder / "page.html"
    path.write_text(page.replace("</body>", f"<script>{ACTIONS}</script></body>"), encoding="utf-8")
    program = browser()
    assert program is not None
    flags = ["--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run([program, *flags, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    body = next(attributes for tag, attributes in Page(done.stdout).elements if tag == "body")
    assert body.get("data-seen"), done.stderr
    return json.loads(body["data-seen"] or "")
