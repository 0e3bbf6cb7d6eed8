"""Results show themselves in notebooks: small tables and pictures, escaped, with nothing to load."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import metricvae as mv
from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.display import cell_of, columns_html, picture_html, table_html
from metricvae.core.kind import kind_from_json
from metricvae.core.metric import Solution, metric_from_json
from metricvae.prediction.records import Predictions
from metricvae.search.hit_list import HitList

EVIL = '<script>alert("1")</script>'


def square(side: int) -> np.ndarray:
    return np.pad(np.ones((side, side), np.uint8), (200 - side) // 2)


def assert_safe(html: str) -> None:
    """No script, and no address but data."""
    assert "<script" not in html
    assert all(address.startswith("data:image/png;base64,") for address in re.findall(r'(?:src|href)="([^"]*)"', html))


def test_texts_and_titles_are_escaped() -> None:
    html = table_html(EVIL, [{EVIL: EVIL, "n": 3}])
    assert_safe(html)
    assert html.count("&lt;script&gt;") == 3


def test_cells() -> None:
    @dataclass
    class Pose:
        angle: float
        note: str

    numbers = [cell_of(each) for each in (0.123456, 12345.6, 7, True, np.float64(2), np.bool_(False))]
    assert numbers == ["0.1235", "12,346", "7", "yes", "2", "no"]
    assert cell_of(Pose(1.5, "<b>")) == "angle 1.5, note &lt;b&gt;"
    assert cell_of(None) == "None"


def test_long_tables_say_what_is_left_out() -> None:
    html = columns_html("rows", {"x": np.arange(25), "nothing": None})
    assert html.count("<tr>") == 11
    assert "and 15 more" in html
    assert "nothing" not in html


def test_pictures_are_small_and_inside(tmp_path: Path) -> None:
    html = picture_html(np.zeros((400, 200), np.uint8), alt='"x"')
    assert_safe(html)
    assert 'alt="&#34;x&#34;"' in html
    assert len(html) < 1_000


def test_predictions_and_solutions_show_their_numbers() -> None:
    one = np.array([1.0, 2.0])
    assert "2 predictions" in Predictions(one, one, one, 0.9, one)._repr_html_()
    assert "<th>verdict</th>" in Predictions(one, one, one, 0.9, one, match=one > 1)._repr_html_()
    assert "120 to 140" in mv.Prediction(130.0, 120.0, 140.0, 0.5)._repr_html_()
    assert "exact answer" in Solution(2.0, 1.0)._repr_html_()


def test_an_exact_answer_draws_both_shapes() -> None:
    solved = mv.solve(square(60), square(80))
    html = solved._repr_html_()
    assert_safe(html)
    assert "<img" in html
    assert "<td>3,600</td>" in html
    assert "&lt;" not in html
    assert repr(solved).count("array") == 0  # the objects are not part of what is printed


def test_a_data_set_shows_its_first_pairs() -> None:
    table = ObjectTable.from_objects(kind_from_json("silhouette"), [square(20), square(40)])
    data = PairDataset.from_objects(metric_from_json("overlap"), table, [0, 1, 0], [1, 1, 0], [400.0, 1600.0, 400.0])
    html = data._repr_html_()
    assert_safe(html)
    assert html.count("<img") == 6
    assert "&lt;" not in html
    assert "train 3" in html


def test_objects_without_pictures_are_named() -> None:
    rows = [np.ones(3), np.zeros(3)]
    vectors = ObjectTable.from_objects(kind_from_json("vector").adapt(rows), rows, ids=[EVIL, "b"])
    data = PairDataset.from_objects(mv.metrics.Tabular("d").of_kinds("vector"), vectors, [0], [1], [1.0])
    assert_safe(data._repr_html_())
    assert "&lt;script&gt;" in data._repr_html_()


def test_hits_show_thumbnails_and_stay_a_list(tmp_path: Path) -> None:
    for side in (20, 40, 80):
        Image.fromarray(255 * square(side)).save(tmp_path / f"{side}.png")
    model = mv.load("overlap")
    index = model.index(tmp_path)
    hits = index.search(tmp_path / "40.png", k=2)
    assert isinstance(hits, list)
    assert len(hits) == 2
    for shown in (hits, index, model):
        assert_safe(shown._repr_html_())
        assert "&lt;" not in shown._repr_html_()
    assert hits._repr_html_().count("<img") == 2
    (tmp_path / "80.png").unlink()
    assert index.search(tmp_path / "40.png", k=3)._repr_html_().count("<img") == 2


def test_hits_without_pictures() -> None:
    hits = HitList([{"id": EVIL, "value": 1.0}], lambda place: None)
    assert_safe(hits._repr_html_())
    assert hits == [{"id": EVIL, "value": 1.0}]


def test_a_molecule_is_drawn() -> None:
    pytest.importorskip("rdkit")
    from metricvae.kinds.molecule.conformers import conform

    molecule = conform("CC(=O)Oc1ccccc1C(=O)O", seed=1)[0]
    html = molecule._repr_html_()
    assert_safe(html)
    assert "<svg" in html
    assert kind_from_json("molecule").thumbnail(molecule) == html


def test_a_docked_pose_shows_what_it_is_judged_by() -> None:
    pytest.importorskip("rdkit")
    from metricvae.kinds.molecule.conformers import conform
    from metricvae.metrics.docking.described import DockedPose

    molecule = conform("Cc1ccccc1", seed=1)[0]
    html = DockedPose(molecule, -7.4, -6.0, 1.0, {}, {}, 0, None, (EVIL,), None)._repr_html_()
    assert_safe(html)
    assert "-7.4" in html
    assert "&lt;script&gt;" in html
