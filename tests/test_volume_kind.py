"""Volumes: one cube for any grid and box, codes that no motion and no grid changes, files, settings, bad input."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from metricvae.core.errors import InputError
from metricvae.kinds.volume.arrays import of_array, read_npy
from metricvae.kinds.volume.encoders.oscillator import degrees, flip_classes, hermite_functions, to_spherical
from metricvae.kinds.volume.encoders.principal import PowerSpectra, PrincipalEncoderConfig, expand
from metricvae.kinds.volume.interpolation import spline_matrix
from metricvae.kinds.volume.kind import VolumeKind
from metricvae.kinds.volume.records import DensityMap
from metricvae.kinds.volume.resampling import background_and_noise, centred_cube, outline_of
from metricvae.kinds.volume.transforms import blur, move, random_rotations, resample
from metricvae.nn.autoencoder import Tower
from metricvae.nn.heads import CosineTanimoto
from tower_problem import seeded_tower

WIDTH = 1.4


def atoms(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(16, 3)) * [3.5, 2, 1]


def seen(
    positions: np.ndarray, spacing: float = 0.9, margin: float = 6.0, shift: float = 0.0, width: float = WIDTH
) -> DensityMap:
    """The map of Gaussians at (n, 3) positions, on a grid whose first point lies `margin` before the first of them."""
    origin = positions.min(axis=0) - margin + shift
    shape = np.ceil((positions.max(axis=0) + margin - origin) / spacing).astype(int) + 1
    axes = [origin[i] + spacing * np.arange(shape[i]) for i in range(3)]
    along = [np.exp(-((positions[:, i, None] - axes[i]) ** 2) / (2 * width**2)) for i in range(3)]
    return DensityMap(np.einsum("nx,ny,nz->xyz", *along).astype(np.float32), np.full(3, spacing), origin)


def turned(seed: int) -> np.ndarray:
    rotation = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    return atoms(3) @ rotation.T + [20.0, -7.0, 40.0]


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Root mean square difference of two cubes of any scale, as a share of the whole."""
    a, b = (one.ravel() / np.linalg.norm(one) for one in (a, b))
    return float(np.linalg.norm(a - b))


# One cube


@pytest.mark.parametrize("spacing", [0.7, 1.0, 1.3, 1.7])
def test_the_cube_does_not_depend_on_the_grid_and_the_box(spacing: float) -> None:
    known = centred_cube(seen(atoms(3), 0.6), 24, 30.0)
    for margin, shift in ((5.0, 0.3), (9.0, -0.4)):
        one = seen(atoms(3) + 100.0, spacing, margin, shift)
        assert difference(centred_cube(one, 24, 30.0), known) < 0.01 * (1 + 2 * spacing)
    assert difference(centred_cube(seen(atoms(4), spacing), 24, 30.0), known) > 0.3


def test_offset_unit_noise_padding_and_hollows_change_the_cube_little() -> None:
    plain = seen(atoms(3), 1.0, 9.0)
    known, random = centred_cube(plain, 24, 30.0), np.random.default_rng(0)
    assert difference(centred_cube(replace(plain, values=-4.0 + 250.0 * plain.values), 24, 30.0), known) < 1e-4
    noisy = plain.values + random.normal(size=plain.values.shape).astype(np.float32) * 0.05 * plain.values.max()
    assert np.abs(outline_of(replace(plain, values=noisy)).centre - outline_of(plain).centre).max() < 0.15
    padded = DensityMap(np.pad(plain.values, 15), plain.spacing, plain.origin - 15)
    assert difference(centred_cube(padded, 24, 30.0), known) < 1e-4
    fringed = plain.values - 0.2 * blurred_shell(plain.values)
    assert np.abs(outline_of(replace(plain, values=fringed)).centre - outline_of(plain).centre).max() < 0.3


def test_an_object_that_fills_its_box_up_to_the_faces_has_a_centre() -> None:
    filled = of_array(np.random.default_rng(0).normal(size=(12, 12, 12)))
    assert np.abs(outline_of(filled).centre - 5.5).max() < 2


def blurred_shell(values: np.ndarray) -> np.ndarray:
    """Where a map is low but not zero: the dark ring around objects in microscopy."""
    return ((values > 0.01 * values.max()) & (values < 0.05 * values.max())).astype(np.float32) * values.max() * 0.3


def test_background_and_noise_are_those_of_the_faces() -> None:
    values = np.random.default_rng(0).normal(3.0, 0.5, (30, 30, 30))
    values[5:-5, 5:-5, 5:-5] += 100
    middle, noise = background_and_noise(values)
    assert middle == pytest.approx(3.0, abs=0.05)
    assert noise == pytest.approx(0.5, abs=0.05)


def test_what_lies_outside_the_cube_is_cut_and_told_and_most_of_an_object_is_refused() -> None:
    one = seen(atoms(3))
    outline = outline_of(one)
    assert outline.cut(100.0) == 0
    assert 0 < outline.cut(14.0) < outline.cut(10.0) < 1
    assert outline.cut(outline.extent(0.9)) == pytest.approx(0.1, abs=0.02)
    with pytest.raises(InputError, match=r"\d\d% of a map's density lies outside the cube of 4 .*crop it"):
        VolumeKind(extent=4.0).pack([one])
    with pytest.raises(InputError, match="nothing above its background"):
        VolumeKind().pack([of_array(np.ones((5, 5, 5)))])


def test_volumes_that_are_compared_as_they_lie_are_not_resampled_on_their_own_grid() -> None:
    values = np.random.default_rng(0).normal(size=(3, 12, 12, 12)).astype(np.float32)
    kind = VolumeKind(invariance="none").adapt([of_array(one) for one in values])
    assert (kind.side, kind.extent, kind.keep_scale, kind.moves) == (12, 12.0, True, False)
    x = kind.collate([of_array(one) for one in values])
    assert x[:, 0].numpy() == pytest.approx(values, rel=2e-3, abs=2e-3)
    assert kind.move(x, torch.Generator()) is x


def test_splines_go_through_their_points_and_keep_means() -> None:
    values = np.random.default_rng(0).normal(size=9)
    assert spline_matrix(9, np.arange(9.0)) @ values == pytest.approx(values)
    assert spline_matrix(9, np.array([-5.0, 30.0])) @ values == pytest.approx([0, 0])
    smooth = np.exp(-((np.arange(20.0) - 9) ** 2) / 18)
    mean = (spline_matrix(20, np.array([9.5]), width=3.0) @ smooth)[0]
    fine = np.linspace(8, 11, 3001)
    assert mean == pytest.approx(np.exp(-((fine - 9) ** 2) / 18).mean(), abs=1e-3)


# Settings


def test_an_import_chooses_the_cube_and_keeps_what_was_given() -> None:
    arrays = [of_array(seen(atoms(n), 1.0).values) for n in range(4)]
    adapted = VolumeKind().adapt(iter(arrays))
    assert adapted.keep_scale
    assert adapted.extent is not None
    assert max(outline_of(one).extent() for one in arrays) < adapted.extent < 40
    assert adapted.side is not None
    assert adapted.side % 4 == 0
    given = VolumeKind(side=20, extent=50.0, keep_scale=False)
    assert given.adapt(arrays) == given
    assert VolumeKind().takes(VolumeKind(side=32, extent=30.0))
    assert not VolumeKind().takes(VolumeKind(invariance="none"))


@pytest.mark.parametrize("fields", [{"side": 2}, {"side": 500}, {"extent": -1.0}, {"invariance": "some"}])
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        VolumeKind(**fields)


def test_the_scale_is_kept_where_it_counts() -> None:
    one = seen(atoms(3))
    louder = replace(one, values=3 * one.values)
    x = VolumeKind(keep_scale=True).collate([one, louder])
    torch.testing.assert_close(x[1], 3 * x[0], rtol=2e-3, atol=1e-3)
    y = VolumeKind().collate([one, louder])
    torch.testing.assert_close(y[1], y[0], rtol=2e-3, atol=1e-3)
    assert float(y[0].square().mean()) == pytest.approx(1.0, rel=1e-3)


# Files


def test_arrays_are_volumes(tmp_path: Path) -> None:
    for kind in ("f4", "f8", "i2", "u1", "?", ">f4"):
        values = (np.arange(60).reshape(3, 4, 5) % 7).astype(kind)
        np.save(tmp_path / "x.npy", values)
        found = VolumeKind().read(tmp_path / "x.npy")
        assert np.array_equal(found.values, values.astype(np.float32))
        assert (found.spacing.tolist(), found.origin.tolist()) == ([1, 1, 1], [0, 0, 0])
    assert VolumeKind().convert([[[0.0, 1.0]]]).values.shape == (1, 1, 2)


def npy(header: str) -> bytes:
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as an array"),
        (b"nothing of the kind", "cannot be read as an array"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9000, 9000, 9000), }"), "bin it"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (300, 300, 300), }"), "cut short"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (30, 30), }"), "three dimensions"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1, 1), }") + b"\0" * 8, "expected numbers"),
        (npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1, 1, 1), }") + b"\0" * 8, "expected numbers"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1, 1), }"), "none of them empty"),
    ],
)
def test_files_that_are_no_volumes_are_bad_input(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_npy(tmp_path / "x.npy")
    assert "x.npy" in str(caught.value)


@pytest.mark.parametrize("value", [np.ones((3, 3)), np.full((2, 2, 2), np.nan), np.full((1, 1, 1), 1e300), object()])
def test_what_is_no_volume_is_refused(value: Any) -> None:
    with pytest.raises(InputError):
        VolumeKind().convert(value)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.array([[[{}]]], dtype=object), allow_pickle=True)
    (tmp_path / "x.npy").write_bytes(file.getvalue())
    with pytest.raises(InputError, match="expected numbers"):
        read_npy(tmp_path / "x.npy")


# The oscillator's functions


def test_the_functions_are_orthonormal_and_complete_up_to_their_degree() -> None:
    at = np.linspace(-12, 12, 2001)
    functions = hermite_functions(14, at)
    assert functions @ functions.T * (at[1] - at[0]) == pytest.approx(np.eye(15), abs=1e-9)
    matrix = np.concatenate([shell for shells in to_spherical(7) for shell in shells])
    assert matrix.shape == (len(degrees(7)),) * 2
    assert matrix @ matrix.T == pytest.approx(np.eye(len(matrix)), abs=1e-10)


def test_flips_of_the_axes_change_the_signs_of_whole_sets() -> None:
    maps = torch.from_numpy(centred_cube(seen(atoms(3)), 24, 30.0))[None, None]
    here, sets = expand(maps, 9, 0.42)[0], flip_classes(9)
    assert sorted(np.concatenate(sets).tolist()) == list(range(len(degrees(9))))
    for axis in range(3):
        flipped = expand(maps.flip([2 + other for other in range(3) if other != axis]), 9, 0.42)[0]
        for number, rows in enumerate(sets):
            sign = 1.0 if number in (0, axis + 1) else -1.0
            torch.testing.assert_close(flipped[rows], sign * here[rows], rtol=1e-3, atol=1e-4)


def test_power_spectra_are_the_same_in_every_orientation() -> None:
    spectra, maps = PowerSpectra(8), torch.from_numpy(centred_cube(seen(atoms(3), 0.6), 32, 30.0))[None, None]
    rotations = random_rotations(3, torch.Generator().manual_seed(0))
    moved = resample(maps.expand(3, -1, -1, -1, -1), rotations, torch.zeros(3, 3))
    here, there = spectra(expand(maps, 10, 0.42)), spectra(expand(moved, 10, 0.42))
    assert float((there - here).norm(dim=1).max() / here.norm()) < 5e-3
    other = torch.from_numpy(centred_cube(seen(atoms(4), 0.6), 32, 30.0))[None, None]
    assert float((spectra(expand(other, 10, 0.42)) - here).norm() / here.norm()) > 0.1
    assert float((expand(moved, 10, 0.42) - expand(maps, 10, 0.42)).norm(dim=1).min()) > 0.3


# Motions


def test_a_rotation_there_and_back_gives_the_map_back() -> None:
    maps = torch.from_numpy(centred_cube(seen(atoms(3), 0.6), 32, 30.0))[None, None]
    rotation, centre = random_rotations(1, torch.Generator().manual_seed(1)), torch.tensor([[0.05, -0.02, 0.03]])
    back = resample(resample(maps, rotation, centre), rotation.mT, -(rotation.mT @ centre[..., None])[..., 0])
    assert float((back - maps).norm() / maps.norm()) < 0.02
    assert float((resample(maps, rotation, centre) - maps).norm() / maps.norm()) > 0.3


def test_a_rotation_is_that_of_the_points() -> None:
    """Against maps of points that were rotated before they were seen."""
    middle = outline_of(seen(atoms(3), 0.6)).centre
    rotation = random_rotations(1, torch.Generator().manual_seed(2))
    maps = torch.from_numpy(centred_cube(seen(atoms(3), 0.6), 32, 30.0))[None, None]
    moved = resample(maps, rotation, torch.zeros(1, 3))[0, 0].numpy()
    positions = (atoms(3) - middle) @ rotation[0].numpy()
    assert difference(centred_cube(seen(positions, 0.6), 32, 30.0), moved) < 0.03


def test_a_blur_is_a_convolution_with_a_gaussian() -> None:
    sharp, soft = (torch.from_numpy(cube(width)) for width in (1.4, (1.4**2 + (30 / 32) ** 2) ** 0.5))
    found = blur(sharp[None, None], 1.0)[0, 0]
    assert difference(found.numpy(), soft.numpy()) < 0.03 < difference(sharp.numpy(), soft.numpy())
    assert float(found.sum()) == pytest.approx(float(sharp.sum()), rel=1e-3)


def cube(width: float) -> np.ndarray:
    return centred_cube(seen(atoms(3) / 2, 0.6, width=width), 32, 30.0)


# Codes


@pytest.fixture(scope="module")
def tower() -> Tower:
    encoder = PrincipalEncoderConfig(degree=9, power_degree=6, width=32, blocks=1, grid_side=8)
    decoder = replace(VolumeKind().default_decoder(), widths=(8, 4), grid_side=8, grid_spacing=encoder.grid_spacing)
    made = seeded_tower(encoder, decoder, latent=12, seed=1, head=CosineTanimoto(), mirrored=True).eval()
    x = VolumeKind().collate([seen(atoms(n)) for n in range(24)])
    made.encoder.fit_scaling(made.encoder.prepare(x))
    return made


def change(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).norm(dim=1) / a.norm(dim=1)).max())


def test_no_motion_and_no_grid_changes_a_code(tower: Tower) -> None:
    kind = VolumeKind()
    code = tower.code(kind.collate([seen(atoms(3))]))
    for seed, spacing in enumerate((0.7, 1.1, 1.5)):
        shown = seen(turned(seed), spacing, margin=5.0 + seed, shift=0.2 * seed)
        assert change(code, tower.code(kind.collate([shown]))) < 0.03
    moved = kind.move(kind.collate([seen(atoms(3))]).expand(4, -1, -1, -1, -1), torch.Generator().manual_seed(0))
    assert change(code.expand(4, -1), tower.code(moved)) < 0.03
    for other in (4, 5):
        assert change(code, tower.code(kind.collate([seen(atoms(other))]))) > 0.2


def test_without_principal_axes_a_motion_would_change_a_code(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metricvae.kinds.volume.encoders.principal.to_principal_axes", lambda maps: maps)
    kind = VolumeKind()
    codes = tower.code(kind.collate([seen(atoms(3)), seen(turned(0))]))
    assert change(codes[:1], codes[1:]) > 0.1


def test_the_mirror_image_of_features_is_that_of_the_map(tower: Tower) -> None:
    kind, encoder = VolumeKind(), tower.encoder
    x, mirrored = (kind.collate([seen(atoms(3) * [1, 1, sign])]) for sign in (1, -1))
    with torch.inference_mode():
        found, expected = (
            encoder(features)[0] for features in (encoder.mirror(encoder.prepare(x)), encoder.prepare(mirrored))
        )
        chiral = encoder(encoder.prepare(x))[0]
    assert change(expected, found) < 0.02
    assert change(expected, chiral) > 0.05
    assert change(tower.code(x), tower.code(mirrored)) > 0.02  # the two parts of a joined code are exchanged


def test_pictures_and_reconstructions_go_together(tower: Tower) -> None:
    features = tower.encoder.prepare(VolumeKind().collate([seen(atoms(n)) for n in range(3)]))
    pictures = tower.encoder.pictures(features)
    logits = tower.decode(tower.encode_features(features).mean)
    assert pictures.shape == logits.shape == (3, 1, 8, 8, 8)
    assert 0 <= float(pictures.min()) < float(pictures.max()) <= 1
    drawn, compared = tower.drawer.reconstruction(logits, pictures)
    assert drawn.shape == compared.shape


def test_a_volume_that_is_compared_as_it_lies_has_a_network_that_tells_how_it_lies() -> None:
    kind = VolumeKind(side=12, extent=24.0, invariance="none")
    made = seeded_tower(kind.default_encoder(), kind.default_decoder(), latent=8, seed=0).eval()
    x = kind.collate([seen(atoms(3) / 2, 1.0), seen(atoms(3) / 2 @ Rotation.from_rotvec([0, 0, 1]).as_matrix(), 1.0)])
    codes = made.code(x)
    assert change(codes[:1], codes[1:]) > 0.02
    features = made.encoder.prepare(x)
    assert torch.isfinite(made.encoder.descriptors(features)).all()
    twice = made.encoder.mirror(made.encoder.mirror(features))
    torch.testing.assert_close(twice, features)
    with pytest.raises(InputError, match="expected fewer"):
        replace(kind.default_encoder(), widths=(8,) * 9)


def test_random_motions_are_uniform_in_the_mean() -> None:
    rotations = random_rotations(4_000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(4_000))
    assert float(rotations.mean(0).abs().max()) < 0.05
    maps = torch.zeros(2, 1, 8, 8, 8)
    maps[:, 0, 4, 4, 4] = 1
    assert move(maps, torch.Generator().manual_seed(0), shift=0.1).shape == maps.shape
