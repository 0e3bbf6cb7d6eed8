"""The kind `points`: laws of its encoder, its measures against plain computations, its files, and bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import plyfile
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation
from scipy.special import eval_legendre

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.errors import InputError
from metricvae.kinds.points import io
from metricvae.kinds.points.decoders.occupancy import OccupancyDecoderConfig, occupancy_maps
from metricvae.kinds.points.encoders.frames import CloudEncoder, CloudEncoderConfig
from metricvae.kinds.points.encoders.harmonics import plane_spectrum, space_spectrum, spherical_harmonics
from metricvae.kinds.points.encoders.measures import directions, flip_tables, quantiles
from metricvae.kinds.points.kind import PointsKind
from metricvae.kinds.points.records import PointCloud, thinned
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.principal_axes import AXIS_FLIPS_BY_DIMENSION, best_flips, flip_maps
from metricvae.nn.rotations import random_rotations
from metricvae.training.presets import general_preset
from tower_problem import seeded_encoder

SMALL = {"widths": (16, 16), "degree": 3, "grid_side": 6}
LATENT = 8


def clouds(dimension: int, count: int = 6, *, scalars: int = 0, labels: bool = False) -> list[PointCloud]:
    """Lopsided clouds of 12 to 40 points, off the origin."""
    random = np.random.default_rng(dimension)
    found = []
    for n in random.integers(12, 40, count):
        places = random.normal(size=(n, dimension)) ** 2 * np.arange(1, dimension + 1) + 5
        names = random.choice(["C", "N"], n).tolist() if labels else []
        found.append(PointCloud.of(np.hstack([places, random.normal(size=(n, scalars))]), dimension, names))
    return found


def kind_of(objects: list[PointCloud], invariance: str = "rigid") -> PointsKind:
    return PointsKind(invariance=invariance).adapt(objects)


def encoder_of(kind: PointsKind, x: torch.Tensor) -> CloudEncoder:
    """A small encoder with seeded weights, scaled on the clouds."""
    encoder = seeded_encoder(replace(kind.default_encoder(), **SMALL), LATENT).eval()
    assert isinstance(encoder, CloudEncoder)
    encoder.fit_scaling(encoder.prepare(x))
    return encoder


def codes(encoder: CloudEncoder, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return encoder(encoder.prepare(x))[0]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def motion_error(encoder: CloudEncoder, kind: PointsKind, x: torch.Tensor) -> float:
    """The largest change of a code under three random motions, as a share of the spread of codes."""
    still = codes(encoder, x)
    changes = [(codes(encoder, kind.move(x, generator(seed))) - still).abs().max() for seed in range(3)]
    return float(torch.stack(changes).max() / still.std())


plane_and_space = pytest.mark.parametrize("dimension", [2, 3])
with_marks = pytest.mark.parametrize("marks", [{}, {"scalars": 2}, {"labels": True}], ids=["bare", "scalars", "labels"])


# Laws of the encoder


@with_marks
@plane_and_space
@pytest.mark.parametrize("invariance", ["rigid", "rotation", "shift", "none"])
def test_no_motion_of_the_kind_changes_a_code(invariance: str, dimension: int, marks: dict[str, int]) -> None:
    objects = clouds(dimension, **marks)
    kind = kind_of(objects, invariance)
    x = kind.collate(objects)
    assert motion_error(encoder_of(kind, x), kind, x) < 1e-4


@plane_and_space
@pytest.mark.parametrize(("weaker", "stronger"), [("rotation", "rigid"), ("shift", "rigid"), ("none", "shift")])
def test_other_motions_change_codes(weaker: str, stronger: str, dimension: int) -> None:
    objects = clouds(dimension)
    kind = kind_of(objects, weaker)
    x = kind.collate(objects)
    assert motion_error(encoder_of(kind, x), kind_of(objects, stronger), x) > 0.02


@plane_and_space
def test_the_law_of_motions_catches_an_encoder_that_forgets_a_flip(dimension: int) -> None:
    objects = clouds(dimension)
    kind = kind_of(objects)
    x = kind.collate(objects)
    encoder = encoder_of(kind, x)
    for name in ("places", "signs", "flips"):
        encoder.register_buffer(name, getattr(encoder, name)[:1], persistent=False)
    assert motion_error(encoder, kind, x) > 1e-2


@with_marks
@plane_and_space
def test_neither_order_nor_padding_changes_a_code(dimension: int, marks: dict[str, int]) -> None:
    objects = clouds(dimension, **marks)
    kind = kind_of(objects)
    x = kind.collate(objects)
    encoder = encoder_of(kind, x)
    still = codes(encoder, x)
    order = torch.randperm(x.shape[1], generator=generator())
    torch.testing.assert_close(codes(encoder, x[:, order]), still, atol=1e-4, rtol=0)
    padded = torch.cat([x, x.new_zeros(len(x), 9, x.shape[2])], dim=1)
    torch.testing.assert_close(codes(encoder, padded), still, atol=1e-4, rtol=0)
    alone = torch.cat([codes(encoder, kind.collate([one])) for one in objects])
    torch.testing.assert_close(alone, still, atol=1e-4, rtol=0)


@plane_and_space
def test_many_points_are_thinned_for_distances_alike_in_any_order(dimension: int) -> None:
    objects = clouds(dimension)
    kind = kind_of(objects)
    x = kind.collate(objects)
    encoder = seeded_encoder(replace(kind.default_encoder(), pair_points=10, **SMALL), LATENT).eval()
    order = torch.randperm(x.shape[1], generator=generator())
    moved = kind.move(x[:, order], generator())
    torch.testing.assert_close(codes(encoder, moved), codes(encoder, x), atol=1e-4, rtol=1e-4)


@plane_and_space
def test_a_mirror_image_is_another_object(dimension: int) -> None:
    objects = clouds(dimension)
    kind = kind_of(objects)
    x = kind.collate(objects)
    encoder = encoder_of(kind, x)
    mirrored = x.clone()
    mirrored[..., 1] *= -1
    still = codes(encoder, x)
    assert ((codes(encoder, mirrored) - still).abs().amax(1) / still.std() > 1e-2).all()


@plane_and_space
def test_a_code_sees_the_size_and_rescaled_features_are_those_of_the_larger_cloud(dimension: int) -> None:
    objects = clouds(dimension)
    kind = kind_of(objects)
    x = kind.collate(objects)
    encoder = encoder_of(kind, x)
    large = torch.cat([x[..., :1], 2 * x[..., 1:]], dim=-1)
    assert ((codes(encoder, large) - codes(encoder, x)).abs().amax(1) > 1e-2).all()
    found, expected = encoder.rescale(encoder.prepare(x), 2.0), encoder.prepare(large)
    sizes = list(encoder.config.blocks.values())
    lengths = zip(found.split(sizes, 1), expected.split(sizes, 1), encoder.config.blocks, strict=True)
    for one, other, name in lengths:
        if name != "centroid":  # the directions of its axes are arbitrary
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_labels_of_points_change_codes() -> None:
    objects = clouds(3, labels=True)
    swapped = [replace(one, labels=tuple("C" if name == "N" else "N" for name in one.labels)) for one in objects]
    kind = kind_of(objects)
    x = kind.collate(objects)
    encoder = encoder_of(kind, x)
    assert ((codes(encoder, kind.collate(swapped)) - codes(encoder, x)).abs().amax(1) > 1e-2).all()


@plane_and_space
def test_clouds_without_extent_have_finite_codes_and_pictures(dimension: int) -> None:
    objects = [PointCloud.of(np.full((n, dimension), 3.0)) for n in (1, 2, 5)]
    objects += [PointCloud.of(np.arange(2 * dimension).reshape(2, dimension))]
    kind = kind_of(objects)
    encoder = encoder_of(kind, kind.collate(objects))
    features = encoder.prepare(kind.collate(objects))
    assert torch.isfinite(codes(encoder, kind.collate(objects))).all()
    assert torch.isfinite(encoder.descriptors(features)).all()
    pictures = encoder.pictures(features)
    assert ((pictures >= 0) & (pictures <= 1)).all()


def test_gradients_are_finite() -> None:
    objects = clouds(3)
    kind = kind_of(objects)
    encoder = encoder_of(kind, kind.collate(objects))
    encoder(encoder.prepare(kind.collate(objects)))[0].sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in encoder.parameters() if weight.grad is not None)


# Measures against plain computations


def test_quantiles_are_those_of_numpy() -> None:
    random = np.random.default_rng(0)
    rows = [random.normal(size=n) for n in (1, 2, 7, 10)]
    padded = torch.tensor(np.array([np.pad(row, (0, 10 - len(row)), constant_values=np.inf) for row in rows]))
    found = quantiles(padded, torch.tensor([len(row) for row in rows]), 5)
    expected = [np.quantile(row, np.linspace(0, 1, 5)) for row in rows]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    assert torch.equal(quantiles(padded[:1], torch.tensor([0]), 3), torch.zeros(1, 3, dtype=padded.dtype))


@plane_and_space
def test_lengths_are_those_of_scipy(dimension: int) -> None:
    objects = clouds(dimension)
    config = CloudEncoderConfig(dimension)
    lengths = config.build(LATENT).prepare(kind_of(objects).collate(objects))[:, : config.blocks["lengths"]].numpy()
    for row, one in zip(lengths, objects, strict=True):
        centred = one.positions - one.positions.mean(0)
        spread = np.linalg.eigvalsh(centred.T @ centred / len(one))[::-1]
        assert row[0] == pytest.approx(np.sqrt(spread.sum()), rel=1e-4)
        np.testing.assert_allclose(row[1 : 1 + dimension], np.sqrt(spread), rtol=1e-3)
        start = 1 + dimension + config.radii
        expected = np.quantile(pdist(one.positions), np.linspace(0, 1, config.distances))
        np.testing.assert_allclose(row[start : start + config.distances], expected, rtol=1e-3, atol=1e-4)


def test_harmonics_obey_the_addition_theorem() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(20, 3, generator=generator(), dtype=torch.float64), dim=1)
    cosines = (vectors @ vectors.T).numpy().clip(-1, 1)
    for degree, found in enumerate(spherical_harmonics(vectors, 6)):
        assert found.shape == (20, 2 * degree + 1)
        np.testing.assert_allclose((found @ found.T).numpy(), eval_legendre(degree, cosines), atol=1e-9)


def test_no_rotation_changes_a_power_spectrum() -> None:
    random = np.random.default_rng(0)
    vectors = torch.tensor(random.normal(size=(1, 9, 3)))
    vectors = torch.nn.functional.normalize(vectors, dim=2)
    shells = torch.tensor(random.uniform(size=(1, 9, 2)))
    rotated = vectors @ torch.tensor(Rotation.random(random_state=0).as_matrix())
    torch.testing.assert_close(space_spectrum(rotated, shells, 4), space_spectrum(vectors, shells, 4))
    angles = torch.tensor(random.uniform(0, 6, size=(1, 9)))
    spectrum = plane_spectrum(angles, shells, 4)
    torch.testing.assert_close(plane_spectrum(angles + 1.0, shells, 4), spectrum)
    assert not torch.allclose(plane_spectrum(-angles, shells, 4), spectrum)


@plane_and_space
def test_flips_map_directions_to_one_another(dimension: int) -> None:
    vectors, (places, signs) = directions(dimension), flip_tables(dimension)
    for flip, place, sign in zip(AXIS_FLIPS_BY_DIMENSION[dimension], places, signs, strict=True):
        torch.testing.assert_close(vectors * torch.tensor(flip), vectors[place] * sign[:, None])


@plane_and_space
def test_random_rotations_are_proper(dimension: int) -> None:
    found = random_rotations(50, dimension, generator())
    torch.testing.assert_close(found @ found.mT, torch.eye(dimension).expand(50, -1, -1), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(50))


# Pictures


@plane_and_space
def test_a_map_is_occupied_where_the_points_are(dimension: int) -> None:
    places, there = torch.full((1, 2, dimension), 0.9), torch.tensor([[True, False]])
    found = occupancy_maps(places, there, 8).unflatten(1, (8,) * dimension)[0]
    axis = (torch.arange(8) - 3.5) * 4.5 / 7
    for along in range(dimension):
        profile = found.movedim(along, 0).flatten(1).sum(1)
        assert float((profile * axis).sum() / profile.sum()) == pytest.approx(0.9, abs=0.1)


@plane_and_space
def test_reconstruction_finds_the_flip(dimension: int) -> None:
    config = OccupancyDecoderConfig(dimension, grid_side=5)
    maps = torch.rand(3, 1, *(5,) * dimension, generator=generator())
    flipped = flip_maps(maps)
    for place in range(flipped.shape[1]):
        logits = torch.logit(flipped[:, place : place + 1])
        assert torch.equal(config.build(LATENT).reconstruction(logits, maps)[1], flipped[:, place : place + 1])
    still = replace(config, principal=False).build(LATENT)
    assert still.reconstruction(logits, maps)[1] is maps
    assert still(torch.zeros(2, LATENT)).shape == (2, 1, *(5,) * dimension)
    assert torch.equal(best_flips(torch.logit(maps), maps), maps)


# Settings and memory


def test_settings_are_those_of_the_objects() -> None:
    objects = clouds(2, scalars=3, labels=True)
    kind = PointsKind().adapt(iter(objects))
    assert (kind.dimension, kind.scalars, kind.labels, kind.channels) == (2, 3, ("C", "N"), 5)
    given = PointsKind(labels=("C", "H", "N"), invariance="shift").adapt(objects)
    assert (given.labels, given.invariance) == (("C", "H", "N"), "shift")
    assert PointsKind().adapt([]) == PointsKind()
    for mixed, message in (
        (clouds(2) + clouds(3), "dimensions 2, 3"),
        (clouds(3) + clouds(3, scalars=1), "numbers of scalars 0, 1"),
        (clouds(3) + clouds(3, labels=True), "6 of 12 point clouds have classes"),
    ):
        with pytest.raises(InputError, match=message):
            PointsKind().adapt(mixed)


def test_any_number_of_points_serves_and_other_settings_do_not() -> None:
    kind = PointsKind(dimension=3)
    assert kind.takes(PointsKind(dimension=3, most=50))
    assert kind.takes(PointsKind())
    others = [PointsKind(dimension=2), PointsKind(scalars=1), PointsKind(labels=("C",)), PointsKind(invariance="none")]
    assert not any(kind.takes(other) for other in others)


def test_large_clouds_are_thinned_and_come_back_in_memory() -> None:
    objects = clouds(3, scalars=1, labels=True)
    kind = kind_of(objects)
    for one, back in zip(objects, kind.restore(kind.pack(objects)), strict=True):
        assert np.array_equal(one.positions, back.positions)
        assert np.array_equal(one.scalars, back.scalars)
        assert one.labels == back.labels
    few = replace(kind, most=10)
    x = few.collate(objects)
    assert x.shape[1] == 10
    assert (x[..., 0].sum(1) == 10).all()
    order = np.random.default_rng(0).permutation(len(objects[0]))
    shuffled = PointCloud.of(objects[0].positions[order])
    plain = PointsKind(3, most=10)
    a, b = plain.collate([PointCloud.of(objects[0].positions), shuffled])
    assert torch.equal(a, b)


def test_thinning_keeps_the_distribution_of_distances() -> None:
    distances = np.random.default_rng(0).exponential(size=5_000)
    kept = distances[thinned(distances, 500)]
    levels = np.linspace(0, 1, 11)
    np.testing.assert_allclose(np.quantile(kept, levels), np.quantile(distances, levels), atol=0.02)


def test_parts_of_other_widths_are_joined() -> None:
    objects = clouds(3, labels=True)
    kind = kind_of(objects)
    parts = [kind.pack(objects[:2]), kind.pack(objects[2:])]
    assert torch.equal(kind.unpack(kind.concatenate(parts)), kind.collate(objects))
    assert (kind.collate(objects)[..., 0].sum(1) == torch.tensor([len(one) for one in objects])).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dimension": 4}, "dimension is 4: expected 2 or 3"),
        ({"invariance": "scale"}, "invariance is 'scale': expected one of rigid"),
        ({"most": 0}, "most is 0"),
        ({"labels": tuple(map(str, range(40)))}, "got 40 classes"),
    ],
)
def test_settings_that_there_are_not(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PointsKind(**settings)
    with pytest.raises(InputError, match="expected 2 or 3, two widths"):
        CloudEncoderConfig(widths=(8,))
    with pytest.raises(InputError, match="expected 2 or 3, and one width"):
        OccupancyDecoderConfig(4)


@pytest.mark.parametrize(
    ("kind", "objects", "message"),
    [
        (PointsKind(2), clouds(3), "a point cloud has 3 dimensions with 0 scalars: expected 2 and 0"),
        (PointsKind(3, scalars=1), clouds(3), "expected 3 and 1"),
        (PointsKind(3, labels=("C",)), clouds(3), "without classes of points: expected some of C"),
        (PointsKind(3, labels=("C",)), clouds(3, labels=True), "a point of class 'N': expected one of C"),
    ],
)
def test_clouds_that_do_not_fit_the_settings(kind: PointsKind, objects: list[PointCloud], message: str) -> None:
    with pytest.raises(InputError, match=message):
        kind.pack(objects)


# Files


PLACES = np.array([[0.5, 1, 2], [3, 4.25, 5], [6, 7, 8.125], [-1, 0, 1e-3]], np.float32)


def ply_of(text: bool) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        names = ("x", "y", "z", "nx", "ny", "nz", "quality")
        rows = np.array([(*map(float, row), 0.0, 0.0, 1.0, 7.0) for row in PLACES], [(name, "f4") for name in names])
        vertices = plyfile.PlyElement.describe(rows, "vertex")
        faces = np.array([([0, 1, 2],)], [("vertex_indices", "i4", (3,))])
        elements = [vertices, plyfile.PlyElement.describe(faces, "face")]
        plyfile.PlyData(elements, text=text, byte_order="<").write(str(path))

    return write


def text_of(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content, encoding="utf-8") and None


def rows_of_text(separator: str, *, first: str = "") -> str:
    return "\n".join(first + separator.join(map(repr, map(float, row))) for row in PLACES) + "\n"


FILES: dict[str, tuple[str, Callable[[Path], None], int, tuple[str, ...]]] = {
    "binary PLY": ("a.ply", ply_of(text=False), 1, ()),
    "text PLY": ("a.ply", ply_of(text=True), 1, ()),
    "xyz": ("a.xyz", text_of("4\ncomment\n" + rows_of_text("  ", first="C ")), 0, ("C",) * 4),
    "xyz of two frames": ("a.xyz", text_of(("4\n\n" + rows_of_text(" ", first="N ")) * 2), 0, ("N",) * 4),
    "plain xyz": ("a.xyz", text_of(rows_of_text("\t")), 0, ()),
    "csv with a header": ("a.csv", text_of("x,y,z\n" + rows_of_text(",")), 0, ()),
    "csv without": ("a.csv", text_of(rows_of_text(", ")), 0, ()),
    "tsv": ("a.tsv", text_of("X\tY\tZ\n" + rows_of_text("\t")), 0, ()),
    "semicolons": ("a.csv", text_of(rows_of_text(";")), 0, ()),
    "spaces": ("a.txt", text_of("# a comment\n" + rows_of_text("   ")), 0, ()),
    "npy": ("a.npy", lambda path: np.save(path, PLACES), 0, ()),
    "npy with a scalar": ("a.npy", lambda path: np.save(path, np.column_stack([PLACES, PLACES[:, 0]])), 1, ()),
}


@pytest.mark.parametrize("form", FILES)
def test_files_are_read(form: str, tmp_path: Path) -> None:
    name, write, scalars, labels = FILES[form]
    write(tmp_path / name)
    found = PointsKind().convert(tmp_path / name)
    np.testing.assert_array_equal(found.positions, PLACES)
    assert found.scalars.shape == (4, scalars)
    assert found.labels == labels


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    rows = "\n".join(f"{name},{z},{mass},{y},{x}" for name, x, y, z, mass in [("C", 1, 2, 3, 12), ("N", 4, 5, 6, 14)])
    (tmp_path / "a.csv").write_text("element,z,mass,y,x\n" + rows)
    found = PointsKind().read(tmp_path / "a.csv")
    assert found.positions.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.scalars.tolist() == [[12], [14]]
    assert found.labels == ("C", "N")
    (tmp_path / "b.csv").write_text("x,y,height\n1,2,3\n")
    flat = PointsKind().read(tmp_path / "b.csv")
    assert (flat.dimension, flat.scalars.tolist()) == (2, [[3]])


def test_what_is_in_memory_is_converted() -> None:
    kind = PointsKind()
    assert kind.convert([[0, 1], [2, 3]]).dimension == 2
    assert kind.convert(PLACES.astype(np.int64)).dimension == 3
    assert PointsKind(2).convert(PLACES).scalars.shape == (4, 1)
    cloud = PointCloud.of(PLACES)
    assert kind.convert(cloud) is cloud


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "nothing": ("a.csv", b"", "holds no points"),
    "a header alone": ("a.csv", b"x,y,z\n", "holds no points"),
    "one column": ("a.txt", b"1\n2\n", r"shape \(2, 1\)"),
    "two columns of text": ("a.csv", b"a,b,1,2\nc,d,3,4\n", "2 columns of text"),
    "text among numbers": ("a.csv", b"1,2,3\n4,five,6\n", "'five' in point 2"),
    "NaN": ("a.csv", b"1,2,3\nnan,5,6\n", "not finite in point 2"),
    "too large for float32": ("a.csv", b"1,2,3\n1e60,5,6\n", "not finite in point 2"),
    "ragged": ("a.csv", b"1,2,3\n4,5\n", "2 columns in point 2: expected 3"),
    "no UTF-8": ("a.txt", b"\xff\xfe\x00", "cannot be read"),
    "too few lines": ("a.xyz", b"9\n\nC 0 0 0\n", "declares 9 points and has 1"),
    "an empty xyz": ("a.xyz", b"\n\n", "holds no points"),
    "xyz in the plane": ("a.xyz", b"1 2\n3 4\n", r"expected \(n, 3 or more\)"),
    "no PLY": ("a.ply", b"plx\n", "cannot be read as PLY"),
    "too many vertices": (
        "a.ply",
        b"ply\nformat binary_little_endian 1.0\nelement vertex 999999999\nproperty float x\nend_header\n",
        "declares 'element vertex 999999999', more than it can hold",
    ),
    "cut PLY": (
        "a.ply",
        b"ply\nformat binary_little_endian 1.0\nelement vertex 9\nproperty float x\nproperty float y\nend_header\n123",
        "cannot be read as PLY",
    ),
    "PLY without y": (
        "a.ply",
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n",
        "has the columns x: expected x, y",
    ),
    "PLY without vertices": (
        "a.ply",
        b"ply\nformat ascii 1.0\nelement edge 1\nproperty int a\nend_header\n1\n",
        "expected an element vertex",
    ),
    "no npy": ("a.npy", b"numbers", "cannot be read as a point cloud"),
    "another ending": ("a.doc", b"1 2 3\n", "expected a file that ends in .xyz"),
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_bad_files_are_one_line(fault: str, tmp_path: Path) -> None:
    name, content, message = BAD_FILES[fault]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        PointsKind().read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_arrays_that_declare_too_much_or_hold_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PLACES)
    content = (tmp_path / "a.npy").read_bytes().replace(b"(4, 3)", b"(4000000, 3)".ljust(6))
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(InputError):
        PointsKind().read(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read as a point cloud"):
        PointsKind().read(tmp_path / "b.npy")


def test_limits_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text(rows_of_text(","))
    monkeypatch.setattr(io, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="expected at most 10"):
        PointsKind().read(tmp_path / "a.csv")
    monkeypatch.setattr(io, "MOST_BYTES", 2**20)
    monkeypatch.setattr(io, "MOST_READ", 3)
    with pytest.raises(InputError, match="has 4 rows of 3 columns: expected 3"):
        PointsKind().read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[1, 2, 3], [4, 5]], "rows of different lengths"),
        (np.zeros((0, 3)), r"shape \(0, 3\)"),
        (np.zeros(3), r"shape \(3,\)"),
        (np.array([["a", "b"]]), "expected numbers"),
        (np.array([[np.inf, 0]]), "not finite in point 1"),
        (object(), "expected numbers"),
    ],
)
def test_arrays_that_are_no_clouds(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PointsKind().convert(value)


# Training


def test_the_general_preset_prepares_one_copy() -> None:
    kind = PointsKind(3)
    chosen = general_preset(TabularMetric("value").of_kinds("points"), (kind, kind), np.arange(600.0))
    assert chosen.training.copies == 1


@pytest.mark.slow
@plane_and_space
def test_differences_of_size_are_learned(dimension: int) -> None:
    from metricvae.api import fit

    objects = clouds(dimension, 120)
    random = np.random.default_rng(0)
    sizes = np.array([np.sqrt(one.positions.var(0).sum()) for one in objects])
    first, second = random.integers(0, 120, (2, 2_000))
    split = np.array(["train", "validation", "calibration", "test"])[random.choice(4, 2_000, p=[0.7, 0.1, 0.1, 0.1])]
    table = ObjectTable.from_objects(kind_of(objects), objects)
    metric = TabularMetric("difference").of_kinds("points")
    values = np.abs(sizes[first] - sizes[second])
    data = PairDataset.from_objects(metric, table, first, second, values, split=split)
    model = fit(data, steps=150, threads=1, show_progress=False)
    assert model.evaluate(data).r2 > 0.9
