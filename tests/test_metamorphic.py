"""Laws between two answers: what changes nothing of the objects (their order, names, company, the number of threads, a
motion, a mirror for both) changes nothing of the answers. No answer has to be known.

Small networks of random weights stand for every registered kind and metric; models that ship have the same laws in the
slow tier. How far two answers may differ is said at each law, as a share of how far codes of different objects differ.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metricvae.core.importing.request import request_of
from metricvae.core.importing.run import read_pairs
from metricvae.core.kind import KINDS, ObjectKind
from metricvae.core.metric import METRICS, Metric
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.points.records import PointCloud
from metricvae.kinds.volume.records import DensityMap
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.prediction.predictor import Predictor
from metricvae.runtime.precision import threads_of
from metricvae.training.checkpoint import LoadedModel, shipped_models
from test_contracts import EXAMPLES, LONG, kind_of, metric_of

ROUNDING = 5e-5
"""Share of the spread of codes by which sums in another order may differ: single precision, some ten layers deep."""

ENCODED = [name for name in KINDS.names() if KINDS.get(name)().encoders]

MOVED = {
    **dict.fromkeys(("molecule", "molecule-2d", "molecule-described"), ROUNDING),
    **dict.fromkeys(("molecule-fingerprint", "molecule-descriptors"), ROUNDING),
    **{"points": ROUNDING, "sequence-words": 0.0, "pocket-lining": 0.0},
    **{"silhouette": 0.1, "pocket": 0.15, "volume": 0.3},
}
"""Shares for moved objects: rounding where codes are made of what motions keep, and what rasters and grids lose."""


def model_of(config: ModelConfig) -> Predictor:
    return Predictor(LoadedModel(build(config, 1).eval(), config, {}, {}, "", Path()))


@functools.cache
def encoder_of(name: str) -> tuple[Predictor, list[Any]]:
    """A small model of objects of a kind, and some."""
    objects = EXAMPLES[name]()
    kind: ObjectKind = kind_of(name).adapt(objects)
    metric = METRICS.get("tabular")("value").of_kinds(name)
    return model_of(ModelConfig(metric, TowerConfig.of_kind(kind), latent=8)), objects


def assert_codes(found: Tensor, expected: Tensor, share: float = ROUNDING) -> None:
    """Codes that differ by at most a share of their spread over objects."""
    spread = float(expected.std(0).mean())
    assert spread > 0
    assert float((found - expected).abs().max()) <= share * spread


kinds = pytest.mark.parametrize("name", ENCODED)


# Codes


@kinds
def test_the_same_objects_have_the_same_bytes_of_codes(name: str) -> None:
    predictor, objects = encoder_of(name)
    assert torch.equal(predictor.encode(objects).codes, predictor.encode(objects).codes)


@kinds
def test_neither_order_nor_company_nor_threads_change_a_code(name: str) -> None:
    predictor, objects = encoder_of(name)
    expected = predictor.encode(objects).codes
    assert_codes(predictor.encode(objects[::-1]).codes.flip(0), expected)
    assert_codes(torch.cat([predictor.encode([one]).codes for one in objects]), expected)
    with threads_of(2):
        assert_codes(predictor.encode(objects).codes, expected)
    twice = predictor.encode([*objects, *objects]).codes
    assert_codes(twice[len(objects) :], expected)


@kinds
def test_names_of_objects_change_no_byte_of_a_code(name: str) -> None:
    predictor, objects = encoder_of(name)
    renamed = [_renamed(one, f"\u00e9 {number}") for number, one in enumerate(objects)]
    assert torch.equal(predictor.encode(renamed).codes, predictor.encode(objects).codes)


def _renamed(value: Any, name: str) -> Any:
    names = [one.name for one in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
    named = {key: name for key in ("id", "name") if key in names}
    return dataclasses.replace(value, **named) if named else value


@pytest.mark.parametrize("name", MOVED)
def test_a_motion_changes_a_code_by_no_more_than_its_kind_loses(name: str) -> None:
    predictor, objects = encoder_of(name)
    x = predictor.kind().collate(objects)
    moved = predictor.kind().move(x, torch.Generator().manual_seed(3))
    assert_codes(predictor.encode_tensor(moved).codes, predictor.encode_tensor(x).codes, MOVED[name])


def test_every_kind_that_moves_has_its_share() -> None:
    """Halves are left out: weights of chance see which pixels of the cut a motion gives to its other side."""
    assert {name for name in ENCODED if encoder_of(name)[0].kind().moves} == {*MOVED, "half"}


@pytest.mark.parametrize("name", ["points", "molecule"])
def test_a_mirror_image_has_another_code(name: str) -> None:
    predictor, objects = encoder_of(name)
    chosen = [one for one in objects if len(_positions(one)) >= 5]
    mirrored = [_placed(one, _positions(one) * (-1, 1, 1)) for one in chosen]
    there, other = predictor.encode(chosen).codes, predictor.encode(mirrored).codes
    assert ((there - other).abs().amax(1) > 100 * ROUNDING * float(there.std(0).mean())).all()


def _positions(value: Any) -> Any:
    return value.positions


def _placed(value: Any, positions: Any) -> Any:
    return dataclasses.replace(value, positions=positions.astype(value.positions.dtype))


def test_a_cloud_of_one_point_is_encoded_alone_as_in_company() -> None:
    predictor, _ = encoder_of("points")
    point, line = PointCloud.of([[1.0, 2.0, 3.0]]), PointCloud.of([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    alone, together = predictor.encode([point]).codes, predictor.encode([point, line]).codes
    torch.testing.assert_close(alone[0], together[0], atol=1e-5, rtol=1e-5)


# Values


def _head_values(metric: Metric) -> Any:
    if metric.task == "binary":
        return np.array([0.0, 1.0, 1.0, 0.0])
    top = metric.limits(np.ones(1), np.ones(1))[1][0]
    return np.array([3.0, 1.0, 2.0, 9.0]) / (10 if top <= 1 else 1)


PAIRED = [name for name in METRICS.names() if {metric_of(name).left, metric_of(name).right} <= set(ENCODED)]


@functools.cache
def model_of_metric(name: str) -> tuple[Predictor, list[Any], list[Any]]:
    """A small model of a metric, and objects of both sides."""
    metric = metric_of(name)
    sides = [EXAMPLES[side]() for side in (metric.left, metric.right)]
    towers = [
        TowerConfig.of_kind(kind_of(side).adapt(objects))
        for side, objects in zip((metric.left, metric.right), sides, strict=True)
    ]
    if metric.left == metric.right:
        towers = towers[:1]
    config = ModelConfig(metric, *towers, latent=8, head=metric.default_head(_head_values(metric)))
    return model_of(config), *sides


def values_of(predictor: Predictor, left: list[Any], right: list[Any]) -> Any:
    """Values (n, m) of all pairs."""
    first, second = np.divmod(np.arange(len(left) * len(right)), len(right))
    codes = predictor.encode(left, "left"), predictor.encode(right, "right")
    return predictor.values(*codes, first, second).reshape(len(left), len(right))


def assert_values(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def check_values(predictor: Predictor, left: list[Any], right: list[Any]) -> None:
    """Order, company, names and threads change no value; of a symmetric metric, neither does the order of a pair."""
    expected = values_of(predictor, left, right)
    assert np.array_equal(values_of(predictor, left, right), expected)
    assert_values(values_of(predictor, left[::-1], right[::-1])[::-1, ::-1], expected)
    assert_values(values_of(predictor, left[:1], right)[0], expected[0])
    renamed = [[_renamed(one, "x") for one in side] for side in (left, right)]
    assert np.array_equal(values_of(predictor, *renamed), expected)
    with threads_of(2):
        assert_values(values_of(predictor, left, right), expected)
    if predictor.metric.symmetric:
        assert_values(values_of(predictor, right, left).T, expected)


@pytest.mark.parametrize("name", PAIRED)
def test_values_are_of_the_pairs_alone(name: str) -> None:
    check_values(*model_of_metric(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_values_of_shipped_models_are_of_the_pairs_alone(name: str) -> None:
    if name == "affinity":
        pytest.skip("it has no codes of objects")
    predictor = Predictor.load(name)
    sides = [EXAMPLES[predictor.kind(side).name]() for side in ("left", "right")]
    check_values(predictor, *sides)


# Exact answers

SOLVED = [name for name in METRICS.names() if METRICS.get(name)().solver is not None]


def mirrored(value: Any) -> Any:
    """The mirror image of an object."""
    match value:
        case np.ndarray():
            return np.ascontiguousarray(value[:, ::-1])
        case Molecule() | PointCloud():
            return _placed(value, _positions(value) * (-1, 1, 1))
        case DensityMap():
            return dataclasses.replace(value, values=np.ascontiguousarray(value.values[::-1]))
    pytest.skip("objects of the kind have no mirror image")


def turned(value: Any) -> Any:
    """An object after a quarter turn, and a shift where it lies in space."""
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    match value:
        case np.ndarray():
            return np.ascontiguousarray(np.rot90(value))
        case Molecule() | PointCloud():
            return _placed(value, _positions(value) @ quarter.T + (3.0, -2.0, 1.0))
        case DensityMap():
            values = np.ascontiguousarray(value.values.transpose(1, 0, 2)[::-1])
            return dataclasses.replace(value, values=values, origin=value.origin + 5.0)
    pytest.skip("objects of the kind are moved elsewhere")


def reordered(value: Any) -> Any:
    """An object whose atoms stand in another order."""
    if not isinstance(value, Molecule):
        return value
    order = np.arange(len(value.elements))[::-1]
    bonds = value.bonds.copy()
    bonds[:, :2] = len(order) - 1 - bonds[:, :2]
    return dataclasses.replace(value, elements=value.elements[order], positions=value.positions[order], bonds=bonds)


@functools.cache
def solved(name: str, change: Callable[[Any], Any] | None, both: bool) -> float:
    """The exact answer of two objects, of which one or both were changed."""
    metric = metric_of(name)
    solver = metric.solver
    assert solver is not None
    left, right = EXAMPLES[metric.left]()[0], EXAMPLES[metric.right]()[1]
    if change is not None:
        left, right = change(left) if both else left, change(right)
    return float(solver.solve(solver.prepare(left), solver.prepare(right)).value)


solvers = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in {*LONG, "correlation", "pocket-similarity"}))
        for name in SOLVED
    ],
)
SEARCHED = 0.02
"""Share of an answer by which a search from another beginning may miss it."""


@solvers
@pytest.mark.parametrize(("change", "both"), [(turned, False), (reordered, False), (mirrored, True), (turned, True)])
def test_the_exact_answer_is_of_the_shapes_alone(name: str, change: Callable[[Any], Any], both: bool) -> None:
    assert solved(name, change, both) == pytest.approx(solved(name, None, False), rel=SEARCHED, abs=SEARCHED)


@solvers
def test_names_change_no_byte_of_an_exact_answer(name: str) -> None:
    assert solved(name, functools.partial(_renamed, name="other"), True) == solved(name, None, False)


# Data


def test_the_order_of_rows_changes_nothing_of_a_data_set() -> None:
    random = np.random.default_rng(5)
    first, second = random.integers(0, 40, 160), random.integers(0, 40, 160)
    objects = random.normal(size=(40, 3)).astype(np.float32)
    values = np.abs(objects[first] - objects[second]).sum(1)
    request = request_of("vector", "value", None, symmetric=True)

    def rows(order: Any) -> set[tuple[bytes, bytes, float]]:
        chosen = first[order], second[order]
        data = read_pairs(
            *([objects[place] for place in some] for some in chosen), {"value": values[order].tolist()}, request
        )
        packed = data.left.packed
        ends = zip(data.first.tolist(), data.second.tolist(), data.value.tolist(), strict=True)
        return {(*sorted((packed[a].tobytes(), packed[b].tobytes())), value) for a, b, value in ends}

    assert rows(np.arange(160)) == rows(random.permutation(160))
