"""The report folder: whole or absent, readable by programs and people, and quiet on the network."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metricvae.core.errors import InputError
from metricvae.evaluation.baselines import LabelledMagnitudes
from metricvae.metrics.overlap import drawing as pairs
from metricvae.metrics.overlap.drawing import ExamplePair
from metricvae.metrics.overlap.solver.records import Pose
from metricvae.plotting import charts
from metricvae.plotting.drawing import blend
from metricvae.reproduction import table_1, table_1_report
from metricvae.reproduction.report import (
    Fact,
    Figure,
    Report,
    Section,
    Table,
    as_document,
    as_html,
    as_markdown,
    environment_facts,
    format_cell,
    write_report,
)


def draw_example(number: int = 0) -> ExamplePair:
    rows, columns = np.mgrid[:200, :200]
    first = ((rows - 100) ** 2 + (columns - 100) ** 2 < (40 + 5 * number) ** 2).astype(np.uint8)
    second = ((abs(rows - 90) < 30) & (abs(columns - 80) < 50)).astype(np.uint8)
    moved = np.roll(second, (10, 20), axis=(0, 1)).astype(np.float64)
    value = float((first * moved).sum())
    pose = Pose(angle_deg=0.0, dx=20.0, dy=10.0)
    return ExamplePair(f"disc-{number}", "box", first, second, moved, pose, value, value + 30, value - 60, value + 90)


@pytest.fixture(scope="module")
def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), 255).save(buffer, format="png")
    return buffer.getvalue()


@pytest.fixture
def small(png: bytes) -> Report:
    table = Table(
        "A <b>caption</b> | pipe", ("name", "value"), (("one|two", 1.5), ("nan", float("nan")), ("none", None))
    )
    figure = Figure("dot", "a `dot`", 'alt "text"', png)
    section = Section("Numbers", "First paragraph.\n\nSecond with `code` & <tag>.", (table,), (figure,))
    return Report("Title", "Summary.", (section,), (Fact("seed", "7"), Fact("cost", 1.25)), ("assumed",), ("deviated",))


@pytest.fixture(scope="module")
def full() -> Report:
    generator = np.random.default_rng(0)
    first, second = generator.uniform(500, 9000, size=(2, 400))
    labels = LabelledMagnitudes(np.minimum(first, second) * generator.uniform(0.6, 1, size=400), first, second)
    batches, large = table_1.draw_batches(400, seed=0)
    predicted = labels.value + generator.normal(scale=40, size=400)
    data = table_1.Table1Data(labels, labels, batches, large, seed=0)
    table = table_1.table_1(data, overlap=predicted, paper=labels.value[::-1])
    true = labels.value[large]
    agreement = table_1_report.Agreement(true, predicted[large], predicted[large] - 66, predicted[large] + 66)
    examples = [draw_example(number) for number in range(3)]
    return table_1_report.report_table_1(table, examples=examples, agreement=agreement, facts=environment_facts())


class Loads(HTMLParser):
    """Collects every address a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"src", "href", "srcset", "data", "action", "poster", "background"} and value:
                self.addresses.append(value)


def loads_of(html: str) -> list[str]:
    parser = Loads()
    parser.feed(html)
    return parser.addresses + re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", html)


def test_the_page_loads_nothing_from_outside(full):
    addresses = loads_of(as_html(full))
    assert len(addresses) == 1 + len(full.figures)
    assert all(address.startswith("data:") for address in addresses)


def test_the_test_for_outside_loads_can_fail():
    assert loads_of('<img src="https://example.org/x.png"><style>@import "y.css"; a{background:url(z)}</style>')


def test_the_folder_holds_all_that_it_names(full, tmp_path):
    page = write_report(full, tmp_path / "report")
    names = {path.name for path in page.parent.iterdir()}
    assert names == {"index.html", "report.md", "report.json", *(f"{figure.name}.png" for figure in full.figures)}
    for figure in full.figures:
        with Image.open(page.parent / f"{figure.name}.png") as image:
            assert min(image.size) > 300
    markdown = (page.parent / "report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([^)]+\.png)\)", markdown)) == {f"{figure.name}.png" for figure in full.figures}
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_json_round_trips_and_holds_no_nan(small, tmp_path):
    write_report(small, tmp_path)
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    document = json.loads(text)
    assert document == as_document(small)
    assert document["sections"][0]["tables"][0]["rows"] == [["one|two", 1.5], ["nan", None], ["none", None]]
    assert document["sections"][0]["figures"][0]["file"] == "dot.png"


def test_html_escapes_what_it_is_given(small):
    html = as_html(small)
    assert "A &lt;b&gt;caption&lt;/b&gt; | pipe" in html
    assert "<p>Second with <code>code</code> &amp; &lt;tag&gt;.</p>" in html
    assert 'alt="alt &#34;text&#34;"' in html


def test_markdown_tables_are_tables(small):
    lines = as_markdown(small).splitlines()
    start = lines.index("| name | value |")
    assert lines[start + 1 : start + 5] == ["| --- | ---: |", r"| one\|two | 1.500 |", "| nan | – |", "| none | – |"]
    assert lines[start + 5] == ""
    assert "- assumed" in lines
    assert "| seed | 7 |" in lines


def test_an_earlier_report_is_replaced_and_nothing_else_touched(small, png, tmp_path):
    write_report(small, tmp_path / "r")
    (tmp_path / "r" / "notes.txt").write_text("mine")
    renamed = replace(small, sections=(Section("Other", figures=(Figure("ring", "", "", png),)),))
    write_report(renamed, tmp_path / "r")
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert names == {"index.html", "report.md", "report.json", "ring.png", "notes.txt"}


def test_a_folder_of_something_else_is_refused(small, tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose")
    with pytest.raises(InputError, match="not a report"):
        write_report(small, tmp_path)
    with pytest.raises(InputError, match="is a file"):
        write_report(small, tmp_path / "thesis.txt")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "report.json").write_text("[1]")
    with pytest.raises(InputError, match="was not written by metricvae"):
        write_report(small, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "thesis.txt"]


def test_a_fault_leaves_the_earlier_report_whole(small, tmp_path, monkeypatch):
    write_report(small, tmp_path / "r")
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()}

    def full_disk(path: Path, content: object) -> None:
        raise InputError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr("metricvae.reproduction.report.write_json", full_disk)
    with pytest.raises(InputError, match="disk is full"):
        write_report(replace(small, title="New"), tmp_path / "r")
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_figures_need_names_of_their_own(small, png, tmp_path):
    twice = Section("Twice", figures=(Figure("a", "", "", png), Figure("a", "", "", png)))
    with pytest.raises(InputError, match="two figures"):
        write_report(replace(small, sections=(twice,)), tmp_path / "r")
    outside = Section("Outside", figures=(Figure("../a", "", "", png),))
    with pytest.raises(InputError, match="cannot be a file name"):
        write_report(replace(small, sections=(outside,)), tmp_path / "r")
    ragged = Section("Ragged", tables=(Table("t", ("a", "b"), (("x",),)),))
    with pytest.raises(InputError, match="do not fit"):
        write_report(replace(small, sections=(ragged,)), tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (float("nan"), "–"), (float("inf"), "∞"), (0.0, "0"), (24, "24"), (2000, "2,000"),
        ("word", "word"),
        (0.048966, "0.04897"), (1783.04, "1,783"), (6.39e6, "6.39e6"), (2e-7, "2e-7"), (-12.3456, "-12.35"),
    ],
)  # fmt: skip
def test_numbers_read_well(value, text):
    assert format_cell(value) == text


def test_blend_tells_first_second_and_both_apart():
    first, second = np.array([[1.0, 0.0, 1.0, 0.0]]), np.array([[0.0, 1.0, 1.0, 0.0]])
    image = blend(first, second)
    assert image.shape == (1, 4, 4)
    assert image[0, :, 3].tolist() == [1.0, 1.0, 1.0, 0.0]
    assert len({tuple(colour) for colour in image[0, :3, :3].round(3).tolist()}) == 3
    luminance = image[0, :3, :3] @ [0.2126, 0.7152, 0.0722]
    assert luminance[2] < luminance[:2].min() - 0.3


def test_pictures_are_the_same_bytes_each_time():
    assert pairs.draw_pair(draw_example()) == pairs.draw_pair(draw_example())


def test_a_pair_without_a_prediction_can_be_drawn():
    plain = replace(draw_example(), predicted=None, low=None, high=None)
    assert pairs.draw_pair(plain, title="Figure 1.3").startswith(b"\x89PNG")


def test_reconstructions_are_laid_over_their_shapes():
    shape = draw_example().first
    sheet = pairs.draw_reconstructions([shape] * 4, [shape.astype(float)] * 4, [1.0, 0.9, 0.5, 0.0], columns=3)
    assert sheet.startswith(b"\x89PNG")


def test_pictures_refuse_what_they_cannot_draw():
    with pytest.raises(InputError, match="no shapes"):
        pairs.draw_reconstructions([], [], [])
    with pytest.raises(InputError, match="no pairs"):
        pairs.draw_pairs([])
    with pytest.raises(InputError, match="one length"):
        charts.draw_scatter([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="one per batch"):
        charts.draw_errors(["1", "2"], [charts.Series("a", [1.0])])
    with pytest.raises(InputError, match="unequal number"):
        charts.draw_trade_off([charts.TradeOff("a", [1.0], [1.0, 2.0])])


def test_a_trade_off_is_drawn_a_shortfall_of_zero_too():
    curves = [charts.TradeOff(name, [0.1, 1.0], [1.0, 0.0]) for name in "abcdefghij"]
    assert charts.draw_trade_off(curves).startswith(b"\x89PNG")


def test_environment_facts_name_the_versions():
    names = [fact.name for fact in environment_facts()]
    assert {"Python version", "torch version", "metricvae version"} <= set(names)
