"""Requirements as they are written, and what is refused because nothing can meet it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest

from generate_problem import Area
from metricvae.core.constraints import (
    Closeness,
    Constraint,
    Match,
    Plausible,
    Span,
    ValueWith,
    near,
    parse_constraint,
)
from metricvae.core.errors import InputError
from metricvae.core.generation import Bounds
from metricvae.generation.bounds import bounds_of, objects_of
from metricvae.kinds.silhouette.kind import SilhouetteKind
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.generation import MOST_AREA
from metricvae.metrics.overlap.metric import OverlapMetric


def rectangle(high: int, wide: int) -> Mask:
    mask = np.zeros((200, 200), np.uint8)
    mask[20 : 20 + high, 20 : 20 + wide] = 1
    return mask


SHAPES = {"A.png": rectangle(40, 40), "B.png": rectangle(10, 160), "odd=>name.png": rectangle(30, 30)}
"""A and B have 1,600 pixels each, and overlap most along a diagonal: 516 pixels."""


def parsed(text: str) -> Constraint:
    return parse_constraint(text, SHAPES.__getitem__, "area")


def bounded(*texts: str) -> Bounds:
    return bounds_of([parsed(text) for text in texts], OverlapMetric(), SilhouetteKind())


WRITTEN = {
    "A.png=1000": ValueWith("A.png", SHAPES["A.png"], Span(950.0, 1050.0, 1000.0)),
    "A.png>=1000": ValueWith("A.png", SHAPES["A.png"], Span(1000.0, math.inf)),
    "A.png<=1000.5": ValueWith("A.png", SHAPES["A.png"], Span(0.0, 1000.5)),
    "A.png=900..1100": ValueWith("A.png", SHAPES["A.png"], Span(900.0, 1100.0)),
    "odd=>name.png<=700": ValueWith("odd=>name.png", SHAPES["odd=>name.png"], Span(0.0, 700.0)),
    "area=4000": Area(near(4000.0)),
    "area>=4000": Area(Span(4000.0, math.inf)),
    "area<=4000": Area(Span(0.0, 4000.0)),
    "area=3000..5000": Area(Span(3000.0, 5000.0)),
    "like:A.png>=0.7": Closeness("A.png", SHAPES["A.png"], Span(0.7, 1.0)),
    "like:A.png=0.5": Closeness("A.png", SHAPES["A.png"], near(0.5)),
    "like:A.png<=0.6": Closeness("A.png", SHAPES["A.png"], Span(0.0, 0.6)),
    "match:B.png": Match("B.png", SHAPES["B.png"]),
    "plausible": Plausible(),
}


@pytest.mark.parametrize("text", WRITTEN)
def test_a_requirement_is_read_and_written_alike(text: str) -> None:
    assert parsed(text) == WRITTEN[text]
    assert str(parsed(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    {
        "nothing": "cannot be read: expected FILE=1783",
        "": "cannot be read",
        "=1000": "cannot be read",
        "A.png=": "has '' for a number",
        "A.png=many": "has 'many' for a number",
        "A.png=0": "has the number 0: expected one above 0",
        "A.png>=-5": "has the number -5: expected one above 0",
        "A.png<=nan": "has the number nan",
        "area=inf": "has the number inf",
        "A.png=1500..1200": "ends before it begins",
        "A.png>=1000..1200": "has a range behind >=: write =",
        "area=0..100": "has the number 0",
        "like:A.png>=1.2": "a closeness of 1.2: expected at most 1",
        "like:A.png=0.5..1.2": "a closeness of 1.2: expected at most 1",
        "like:=0.7": "names no file",
        "match:": "names no file",
    }.items(),
)
def test_what_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(InputError, match="the requirement") as caught:
        parsed(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_span_says_how_far_off_a_number_is() -> None:
    span = near(1000.0)
    assert [span.holds(value) for value in (949.9, 950.0, 1050.0, 1050.1)] == [False, True, True, False]
    assert (span.violation(1000.0), span.violation(1155.0), span.violation(475.0)) == (
        0.0,
        pytest.approx(0.1),
        pytest.approx(0.5),
    )


INFEASIBLE: dict[str, tuple[Sequence[str], str]] = {
    "nothing asked": ((), "got no requirement"),
    "more than the shape": (("A.png=1700",), "A.png has 1,600 pixels, and no overlap is above that"),
    "a range above the shape": (("A.png>=1601",), "has 1,600 pixels"),
    "more than the area": (("A.png>=1500", "area<=1400"), "above the largest area that is allowed, 1400"),
    "two areas": (("area>=4000", "area<=3000"), "area is required to be both"),
    "two overlaps": (("A.png>=1500", "A.png<=1200"), "the overlap with A.png is required to be both"),
    "two closenesses": (("like:A.png>=0.8", "like:A.png<=0.6"), "closeness to A.png is required to be both"),
    "closeness and area": (("like:A.png>=0.8", "area>=2500"), "area is required to be both"),
    "closeness and overlap": (("like:A.png>=0.9", "A.png<=900"), "the overlap with A.png is required to be both"),
    "the canvas": (("area=40000..50000",), "the canvas has 40,000 pixels"),
    "a speck": (("area=20",), "whatever is made has at least 300 pixels"),
    "a speck at most": (("area<=0.5",), "whatever is made has at least 300 pixels"),
    "two shapes, little area": (
        ("A.png>=1500", "B.png>=1500", "area<=2400"),
        "overlap by 51[5-9] pixels at most, so overlaps of 1500 and 1500 need an area of at least 247[0-9],",
    ),
    "one overlap forces another": (
        ("A.png=1000..1600", "B.png>=1590", "A.png<=300"),
        "the overlap with A.png is required to be both",
    ),
    "all of one, little of the other": (("B.png>=1600", "A.png<=300"), "brings one of at least 512 with A.png"),
    "two halves": (("match:A.png", "match:B.png"), "got two halves to match"),
}


@pytest.mark.parametrize("name", INFEASIBLE)
def test_what_nothing_can_meet_is_refused_before_any_search(name: str) -> None:
    texts, words = INFEASIBLE[name]
    with pytest.raises(InputError) as caught:
        bounded(*texts)
    assert re.search(words, str(caught.value))  # processors round the sums of the solver in ways of their own
    assert "\n" not in str(caught.value)


def test_what_can_be_met_is_not_refused() -> None:
    """The union of the two shapes where they overlap most, 2,684 pixels, satisfies the first."""
    for texts in (
        ("A.png>=1500", "B.png>=1500", "area=2700..2800"),
        ("A.png=1600",),
        ("area>=39000",),
        ("B.png>=1600", "A.png<=520"),
        ("like:A.png>=0.7", "area=1500"),
        ("match:A.png", "area=150..200"),
        ("plausible",),
    ):
        bounded(*texts)


def test_requirements_on_one_shape_are_joined() -> None:
    bounds = bounded("A.png>=1000", "A.png<=1200", "like:A.png>=0.5", "B.png=500")
    assert [one.name for one in bounds.required] == ["A.png", "B.png"]
    assert (bounds.required[0].value.low, bounds.required[0].value.high) == (1000, 1200)
    assert (bounds.magnitude.low, bounds.magnitude.high, bounds.asked) == (800, 3200, True)
    assert bounds.place_of(SHAPES["B.png"]) == 1
    constraints = [parsed("A.png>=1"), parsed("area=400"), parsed("match:A.png")]
    assert [name for name, _ in objects_of(constraints, SilhouetteKind())] == ["A.png"]
    assert bounded("A.png=1000").magnitude == Span(300, MOST_AREA)
