"""Laws that every registered kind and metric obeys. A kind without examples here fails: none escapes."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from metricvae.core.compatibility import check_compatible, check_kind
from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.core.kind import KINDS, ObjectKind, kind_from_json
from metricvae.core.metric import METRICS, Metric, metric_from_json
from metricvae.core.registry import Registry
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.points.records import PointCloud
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.kinds.volume.records import DensityMap
from metricvae.nn.autoencoder import ModelConfig, TowerConfig, build
from metricvae.nn.heads import HEADS
from metricvae.training.presets import general_preset
from pocket_problem import pockets as made_pockets


def masks() -> list[Any]:
    return [shape.mask for shape in draw("procedural", 4, seed=3)]


def halves() -> list[Any]:
    kept = [mask.copy() for mask in masks()]
    for mask in kept:
        mask[:, 100:] = 0
    return kept


def molecules(*, flat: bool = False) -> list[Any]:
    random = np.random.default_rng(0)
    found = []
    for atoms in (6, 9, 4, 7):
        bonds = np.array([[i, i + 1, 1] for i in range(atoms - 1)], np.int32)
        places = np.zeros((atoms, 3)) if flat else np.cumsum(random.normal(size=(atoms, 3)), axis=0)
        elements = random.choice([6, 7, 8], atoms).astype(np.uint8)
        found.append(Molecule(f"m{atoms}", "C" * atoms, elements, places, bonds, np.empty((0, 2), np.int32)))
    return found


def volumes() -> list[Any]:
    """Blobs of several Gaussians, in boxes of several sizes."""
    random = np.random.default_rng(0)
    found = []
    for shape in ((24, 20, 22), (18, 26, 20), (24, 20, 22)):
        points = np.stack(np.indices(shape), -1)
        middles = np.array(shape) / 2 + random.normal(size=(6, 3)) * [3, 2, 1]
        square = ((points[..., None, :] - middles) ** 2).sum(-1)
        values = np.exp(-square / 6).sum(-1).astype(np.float32)
        found.append(DensityMap(values, np.full(3, 1.2), np.array([1.0, -2.0, 0.5])))
    return found


def clouds() -> list[Any]:
    random = np.random.default_rng(0)
    return [PointCloud.of(random.normal(size=(n, 3)) * (3, 2, 1)) for n in (7, 1, 40, 12)]


def sequences() -> list[Any]:
    return ["straight", "a road", "Straße", "x"]


def vectors() -> list[Any]:
    return [np.array([number], np.float32) for number in (0.5, -2.0, 3e8, 0.0)]


@functools.cache
def pockets() -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        return made_pockets(Path(folder))


def images() -> list[Any]:
    random = np.random.default_rng(0)
    return list(random.integers(0, 256, (4, 28, 28, 1), np.uint8))


EXAMPLES: dict[str, Callable[[], list[Any]]] = {
    "silhouette": masks,
    "half": halves,
    "molecule": molecules,
    "molecule-2d": functools.partial(molecules, flat=True),
    "molecule-descriptors": functools.partial(molecules, flat=True),
    "molecule-fingerprint": functools.partial(molecules, flat=True),
    "molecule-described": molecules,
    "pocket": pockets,
    "pocket-lining": pockets,
    "points": clouds,
    "sequence": sequences,
    "sequence-words": sequences,
    "vector": vectors,
    "image": images,
    "volume": volumes,
}
"""Objects of every kind."""

kinds = pytest.mark.parametrize("name", KINDS.names())
encoded_kinds = pytest.mark.parametrize("name", [name for name in KINDS.names() if KINDS.get(name)().encoders])
metrics = pytest.mark.parametrize("name", METRICS.names())


def kind_of(name: str) -> ObjectKind:
    return KINDS.get(name)()


def metric_of(name: str) -> Metric:
    metric = METRICS.get(name)()
    return metric if metric.left else metric.of_kinds("silhouette")


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, str):
        return one == other
    return all(_equal(getattr(one, key), value) for key, value in vars(other).items() if not isinstance(value, str))


def _equal(one: Any, other: Any) -> bool:
    """Whether two fields are: arrays of numbers or of names, records, mappings."""
    if isinstance(other, Mapping):
        return bool(one == other)
    if hasattr(other, "__dataclass_fields__"):
        return same(one, other)
    array = np.asarray(other)
    return np.array_equal(one, array) if array.dtype.kind == "U" else np.allclose(one, other, atol=1e-5)


# Kinds


@kinds
def test_a_kind_says_what_it_is(name: str) -> None:
    kind = kind_of(name)
    assert kind.name == name
    assert kind.title
    assert kind_from_json(kind.to_json()) == kind == kind_from_json(name)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in kind.suffixes)
    assert all(accepted in KINDS.names() for accepted in kind.accepts)
    with pytest.raises(InputError, match="cannot be read"):
        kind_from_json({"name": name, "colour": "blue"})


@kinds
def test_objects_come_back_from_a_table(name: str) -> None:
    kind, objects = kind_of(name), EXAMPLES[name]()
    columns = kind.to_columns(objects)
    assert list(columns) == kind.schema.names
    table = pa.table({"id": [str(i) for i in range(len(objects))], **columns})
    back = kind.from_table(table)
    assert len(back) == len(objects)
    assert all(same(one, other) for one, other in zip(back, objects, strict=True))
    assert all(table.schema.field(field.name).type == field.type for field in kind.schema)
    assert np.array_equal(kind.pack_table(table), kind.pack(back))


@kinds
def test_an_index_keeps_what_its_schema_says(name: str) -> None:
    kind, objects = kind_of(name), EXAMPLES[name]()
    for some in (objects, objects[:0]):
        table = pa.table({"id": pa.array(map(str, range(len(some))), pa.string()), **kind.index_columns(some)})
        assert table.schema == pa.schema([("id", pa.string()), *kind.index_schema])
    assert not set(kind.index_schema.names) & {*kind.schema.names, "magnitude", "novelty", "length", "code", "path"}
    if kind.fingerprinted:
        table = pa.table(kind.to_columns(objects))
        assert len(kind.fingerprints(table.select(list(kind.fingerprinted)))) == len(objects)


@kinds
def test_objects_in_memory_are_the_objects(name: str) -> None:
    kind, objects = kind_of(name), EXAMPLES[name]()
    packed = kind.pack(objects)
    assert packed.dtype == np.uint8
    assert len(packed) == len(objects)
    x = kind.unpack(packed)
    assert x.dtype == torch.float32
    assert torch.equal(x, kind.collate(objects))
    parts = kind.concatenate([kind.pack(objects[:1]), kind.pack(objects[1:])])
    assert torch.equal(kind.unpack(parts), x)


@kinds
def test_magnitudes_are_positive_and_do_not_change_under_motions(name: str) -> None:
    kind = kind_of(name)
    x = kind.collate(EXAMPLES[name]())
    moved = kind.move(x, torch.Generator().manual_seed(0))
    assert moved.shape == x.shape
    magnitudes = kind.magnitudes(x)
    assert magnitudes.shape == (len(x),)
    assert (magnitudes > 0).all()
    torch.testing.assert_close(kind.magnitudes(moved), magnitudes, rtol=0.05, atol=0)
    again = kind.move(x, torch.Generator().manual_seed(0))
    assert torch.equal(moved, again)
    assert kind.moves or moved is x


@kinds
def test_a_file_that_is_none_of_the_kind_is_refused(name: str, tmp_path: Path) -> None:
    kind = kind_of(name)
    for suffix in kind.suffixes or (".bin",):
        (tmp_path / f"wrong{suffix}").write_bytes(b"no object \x00\xff")
        with pytest.raises(InputError) as caught:
            kind.read(tmp_path / f"wrong{suffix}")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        kind.read(tmp_path / f"missing{(kind.suffixes or ('.bin',))[0]}")
    with pytest.raises(InputError, match=r"is not a folder|there is no file"):
        kind.open_library(tmp_path / "nowhere", tmp_path)


@encoded_kinds
def test_default_networks_read_the_kind(name: str) -> None:
    kind = kind_of(name)
    tower = TowerConfig.of_kind(kind)
    assert TowerConfig.from_json(tower.to_json()) == tower
    metric = METRICS.get("tabular")("value").of_kinds(name)
    model = build(ModelConfig(metric, tower, latent=8)).left.eval()
    codes = model.encode(kind.collate(EXAMPLES[name]()), torch.Generator().manual_seed(0))
    assert codes.mean.shape == codes.sample.shape == (len(EXAMPLES[name]()), 8)
    assert torch.isfinite(codes.sample).all()
    if tower.decoder is not None:
        pictures = model.picture(codes.mean)
        assert ((pictures >= 0) & (pictures <= 1)).all()


@encoded_kinds
def test_there_is_a_preset_for_any_kind(name: str) -> None:
    kind = kind_of(name)
    chosen = general_preset(METRICS.get("tabular")("value").of_kinds(name), (kind, kind), np.arange(600.0))
    assert chosen.model.kinds == (kind, kind)
    assert ModelConfig.from_json(chosen.model.to_json()) == chosen.model


# Metrics


@metrics
def test_a_metric_says_what_it_is(name: str) -> None:
    metric = metric_of(name)
    assert metric.name == name
    assert metric_from_json(metric.to_json()) == metric
    assert {metric.left, metric.right} <= set(KINDS.names())
    assert metric.task in ("regression", "binary", "ranking")
    description = metric.description
    assert all((description.predicts, description.value, description.labels))
    with pytest.raises(InputError, match="cannot be read"):
        metric_from_json({"name": name, "colour": "blue"})


@metrics
def test_limits_and_orders_are_consistent(name: str) -> None:
    metric = metric_of(name)
    left, right = np.array([1.0, 50.0, 900.0]), np.array([2.0, 50.0, 30.0])
    low, high = metric.limits(left, right)
    assert low.shape == high.shape == (3,)
    assert (low < high).all()
    value = np.clip(np.array([0.2, 0.5, 0.9]), low, high)
    score = metric.retrieval_score(value, left, right)
    assert score.shape == (3,)
    more = metric.retrieval_score(np.minimum(value * 1.01, high), left, right)
    assert ((more >= score) if metric.similarity else (more <= score)).all()
    for column in metric.answers(value, left, right).values():
        assert column.shape == (3,)
    assert metric.representative({}, 4).tolist() == [True] * 4


@metrics
def test_the_default_head_answers_for_the_metric(name: str) -> None:
    metric = metric_of(name)
    values = np.array([0.0, 1.0, 1.0, 0.0]) if metric.task == "binary" else np.array([3.0, 1.0, 2.0, 9.0])
    head = metric.default_head(values)
    assert HEADS[head.name] is type(head)
    assert metric.task in head.tasks
    magnitudes = torch.full((4,), 20.0)
    value = torch.tensor(values / 10 if metric.limits(np.ones(1), np.ones(1))[1][0] <= 1 else values).float()
    torch.testing.assert_close(head.value(head.target(value, magnitudes, magnitudes), magnitudes, magnitudes), value)


@metrics
def test_presets_are_of_the_metric_and_come_back_from_json(name: str) -> None:
    metric = metric_of(name)
    for make in metric.presets.values():
        made = make()
        assert made.model.metric == metric
        assert ModelConfig.from_json(made.model.to_json()) == made.model


SOLVED = [name for name in METRICS.names() if METRICS.get(name)().solver is not None]
LONG = {"correlation", "match", "pocket-fit", "pocket-similarity", "shape", "shape+colour"}
"""Metrics whose solvers compile for seconds."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in SOLVED])
def test_the_exact_answer_is_symmetric_and_best_with_itself(name: str) -> None:
    metric = metric_of(name)
    solver, objects = metric.solver, EXAMPLES[metric.left]()[:2]
    assert solver is not None
    a, b = (solver.prepare(one) for one in objects)
    if metric.left != metric.right:
        others = [solver.prepare(one) for one in EXAMPLES[metric.right]()[:2]]
        assert all(math.isfinite(solver.solve(left, right).score) for left in (a, b) for right in others)
        return
    there, back, itself = solver.solve(a, b), solver.solve(b, a), solver.solve(a, a)
    assert all(math.isfinite(found.score) for found in (there, back, itself))
    if metric.symmetric:
        assert there.value == pytest.approx(back.value, rel=0.02, abs=0.02)
    if metric.self_is_magnitude:
        kind = kind_of(metric.left)
        size = float(kind.magnitudes(kind.collate(objects[:1]))[0])
        assert itself.value == pytest.approx(size, rel=0.01)
        assert there.value <= metric.limits(*(np.array([size]), np.array([1e9])))[1][0] * 1.001


# The gate


def test_every_kind_is_refused_where_another_is_taken() -> None:
    for taken in KINDS.names():
        for held in KINDS.names():
            if held in kind_of(taken).family:
                check_kind(kind_of(taken), kind_of(held), "they")
            else:
                with pytest.raises(InputError, match=f"of the kind {held}, and the model takes"):
                    check_kind(kind_of(taken), kind_of(held), "they")


def test_a_model_is_refused_data_of_another_metric_or_kind() -> None:
    table = ObjectTable.from_objects(kind_of("silhouette"), masks())
    overlap = PairDataset.from_objects(metric_of("overlap"), table, [0, 1], [2, 3], [5.0, 6.0])
    chosen = general_preset(overlap.metric, overlap.kinds, overlap.value)
    check_compatible(chosen.model, overlap)
    other = METRICS.get("tabular")("distance").of_kinds("silhouette")
    with pytest.raises(InputError, match="values of the metric tabular, and the model predicts overlap"):
        check_compatible(chosen.model, PairDataset.from_objects(other, table, [0, 1], [2, 3], [5.0, 6.0]))
    small = PairDataset.from_objects(
        metric_of("overlap"),
        ObjectTable.from_objects(KINDS.get("silhouette")(20, 20), [np.ones((20, 20), np.uint8)] * 2),
        [0],
        [1],
        [1.0],
    )
    with pytest.raises(InputError, match="of other settings"):
        check_compatible(chosen.model, small)


# Registries


def test_a_name_that_is_not_registered_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match="there is no kind 'pebble': expected one of silhouette, half"):
        KINDS.get("pebble")
    with pytest.raises(InputError, match="there is no metric 'pebble': expected one of overlap, match"):
        METRICS.get("pebble")


def test_former_names_are_read() -> None:
    assert METRICS.get("halves") is METRICS.get("match")
    assert METRICS.get("molecules") is METRICS.get("shape")


def test_a_registry_takes_entries_of_this_process() -> None:
    registry: Registry[type[ObjectKind]] = Registry("kind", "metricvae.kinds", "metricvae.kinds")
    registry.register("mine", KINDS.get("silhouette"))
    assert registry.get("mine") is KINDS.get("silhouette")


def test_what_is_installed_is_looked_at_once_and_not_for_built_in_names(monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[str] = []
    plugin = metadata.EntryPoint("pebble", "metricvae.kinds.points.kind:PointsKind", "metricvae.kinds")

    def entry_points(group: str) -> list[metadata.EntryPoint]:
        scans.append(group)
        return [plugin]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    registry: Registry[type[ObjectKind]] = Registry("kind", "metricvae.kinds", "metricvae.kinds")
    assert registry.get("silhouette") is KINDS.get("silhouette")
    assert scans == []
    assert "pebble" in registry.names()
    assert registry.get("pebble") is plugin.load()
    with pytest.raises(InputError, match="there is no kind 'stone'"):
        registry.get("stone")
    assert scans == ["metricvae.kinds"]
