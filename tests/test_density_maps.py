"""Density maps: what atoms look like at a resolution, and map files that other programs read the same way."""

from __future__ import annotations

import gzip
import tracemalloc
import warnings

import gemmi
import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mrcfile.dtypes import HEADER_DTYPE

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.volume.io import read_map, write_map
from metricvae.kinds.volume.records import DensityMap
from metricvae.kinds.volume.simulation import density, density_on

MOLECULE = Molecule(
    "three",
    "",
    np.array([6, 7, 17], np.uint8),
    np.array([[0.0, 0.0, 0.0], [1.4, 0.2, -0.1], [-0.6, 1.5, 0.7]]),
)

UNEVEN = DensityMap(
    np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32),
    np.array([1.5, 2.0, 2.5]),
    np.array([3.0, -8, 5]),
)


def amplitude(molecule: Molecule) -> float:
    return sum(sum(gemmi.Element(int(number)).c4322.a) for number in molecule.elements)


# Density


@pytest.mark.parametrize("resolution", [2.0, 4.0, 8.0])
def test_the_integral_is_the_scattering_amplitude(resolution):
    found = density(MOLECULE, resolution, resolution / 4)
    assert found.values.sum(dtype=float) * np.prod(found.spacing) == pytest.approx(amplitude(MOLECULE), rel=1e-3)
    edge = max(np.take(found.values, side, axis).max() for axis in range(3) for side in (0, -1))
    assert edge < 1e-4 * found.values.max()


def test_one_atom_is_its_scattering_factor_at_the_widened_displacement():
    atom = Molecule("n", "", np.array([7], np.uint8), np.array([[0.3, -0.2, 0.1]]))
    found = density(atom, 3.0, 0.5)
    x, y, z = np.meshgrid(*found.axes(), indexing="ij")
    squares = (x - 0.3) ** 2 + (y + 0.2) ** 2 + (z - 0.1) ** 2
    factor = gemmi.Element("N").c4322
    expected = [factor.calculate_density_iso(float(square), 4 * 3.0**2) for square in squares[::3, ::3, ::3].ravel()]
    assert found.values[::3, ::3, ::3].ravel() == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_gemmi_draws_the_same_map():
    side, resolution, steps = 24.0, 3.0, 24
    moved = MOLECULE.moved(np.eye(3), [12, 12, 12])
    structure, model, chain, residue = gemmi.Structure(), gemmi.Model(1), gemmi.Chain("A"), gemmi.Residue()
    for number, position in zip(moved.elements, moved.positions, strict=True):
        atom = gemmi.Atom()
        atom.element, atom.pos, atom.b_iso = gemmi.Element(int(number)), gemmi.Position(*position), 4 * resolution**2
        residue.add_atom(atom)
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.cell, structure.spacegroup_hm = gemmi.UnitCell(side, side, side, 90, 90, 90), "P 1"
    drawn = gemmi.DensityCalculatorE()
    drawn.d_min, drawn.rate, drawn.cutoff = resolution, 1.5, 1e-7
    drawn.set_grid_cell_and_spacegroup(structure)
    drawn.put_model_density_on_grid(structure[0])
    assert drawn.grid.shape == (steps,) * 3
    ours = density_on(moved, resolution, np.full(3, side / steps), np.zeros(3), (steps,) * 3)
    assert ours.values == pytest.approx(np.array(drawn.grid.array), abs=1e-4 * float(ours.values.max()))


def test_a_blurred_point_falls_to_one_over_e_at_the_resolution():
    atom = Molecule("c", "", np.array([6], np.uint8), np.zeros((1, 3)))
    sharp, wide = (np.fft.fftn(density_on(atom, d, np.ones(3), np.full(3, -20.0), (40, 40, 40)).values) for d in (4, 8))
    # Wave number 1/8: exp(-1) through the blur at 8 A, exp(-1/4) through the one at 4 A.
    assert abs(wide[5, 0, 0] / sharp[5, 0, 0]) == pytest.approx(np.exp(-0.75), rel=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.tuples(*[st.integers(-30, 30)] * 3), st.permutations(range(3)))
def test_a_map_moves_with_its_molecule(steps, axes):
    still = density(MOLECULE, 4.0, 1.0)
    shifted = density(MOLECULE.moved(np.eye(3), steps), 4.0, 1.0)
    assert shifted.origin == pytest.approx(still.origin + steps)
    assert shifted.values == pytest.approx(still.values, abs=1e-6)
    turned = density(MOLECULE.moved(np.eye(3)[axes]), 4.0, 1.0)
    assert turned.origin == pytest.approx(still.origin[axes])
    assert turned.values == pytest.approx(still.values.transpose(axes), abs=1e-6)


@pytest.mark.parametrize(
    ("resolution", "spacing", "margin"),
    [(0, 1, 1), (4, 0, 1), (4, 2.1, 1), (np.nan, 1, 1), (np.inf, 1, 1), (4, 1, -1), (4, np.nan, 1), (4, 0.001, 40)],
)
def test_numbers_out_of_range_are_refused(resolution, spacing, margin):
    with pytest.raises(InputError, match=r"expected|wider"):
        density(MOLECULE, resolution, spacing, margin)


# Files


@pytest.mark.parametrize("name", ["x.mrc", "x.map", "x.ccp4.gz"])
def test_what_is_written_is_read_again(tmp_path, name):
    for written in (UNEVEN, density(MOLECULE), DensityMap(UNEVEN.values, UNEVEN.spacing, np.array([0.3, -7.77, 0]))):
        write_map(tmp_path / name, written)
        found = read_map(tmp_path / name)
        assert np.array_equal(found.values, written.values)
        assert found.values.flags.c_contiguous
        assert found.spacing == pytest.approx(written.spacing, rel=1e-6)
        assert found.origin == pytest.approx(written.origin, abs=1e-5)


def test_other_programs_see_the_same_map_in_the_same_place(tmp_path):
    path = tmp_path / "x.mrc"
    write_map(path, UNEVEN)
    with open(tmp_path / "faults.txt", "w") as faults:
        assert mrcfile.validate(path, print_file=faults)
    with mrcfile.open(path) as file:
        assert np.array_equal(file.data, UNEVEN.values.transpose(2, 1, 0))
        assert [file.voxel_size[axis].item() for axis in "xyz"] == pytest.approx(UNEVEN.spacing)
        assert [file.header.origin[axis].item() for axis in "xyz"] == pytest.approx(UNEVEN.origin)
    grid = gemmi.read_ccp4_map(str(path), setup=False)
    assert np.array_equal(np.array(grid.grid.array), UNEVEN.values)
    starts = np.array([grid.header_i32(word) for word in (5, 6, 7)])
    assert starts * UNEVEN.spacing == pytest.approx(UNEVEN.origin)


def by_gemmi(path, values: np.ndarray) -> None:
    """A map whose whole cell is (nx, ny, nz), 1 A apart."""
    file = gemmi.Ccp4Map()
    file.grid = gemmi.FloatGrid(values)
    file.grid.set_unit_cell(gemmi.UnitCell(*values.shape, 90, 90, 90))
    file.grid.spacegroup = gemmi.SpaceGroup("P 1")
    file.update_ccp4_header()
    file.write_ccp4_map(str(path))


def test_maps_of_other_programs_are_read(tmp_path):
    by_gemmi(tmp_path / "gemmi.ccp4", UNEVEN.values)
    found = read_map(tmp_path / "gemmi.ccp4")
    assert np.array_equal(found.values, UNEVEN.values)
    assert (found.spacing.tolist(), found.origin.tolist()) == ([1, 1, 1], [0, 0, 0])
    for kind in ("i1", "i2", "u2", "f2", "f4"):
        values = np.arange(60).reshape(3, 4, 5).astype(kind)
        with mrcfile.new(tmp_path / f"{kind}.mrc", data=values) as file:
            file.voxel_size = 2.5
        found = read_map(tmp_path / f"{kind}.mrc")
        assert np.array_equal(found.values, values.transpose(2, 1, 0))
        assert found.spacing.tolist() == [2.5, 2.5, 2.5]


FIELDS = {
    "size": ("nx", "ny", "nz"),
    "start": ("nxstart", "nystart", "nzstart"),
    "intervals": ("mx", "my", "mz"),
    "axes": ("mapc", "mapr", "maps"),
}


def altered(path, written: DensityMap = UNEVEN, order: str = "<", cut: int | None = None, **fields):
    """A file with some of its header overwritten, in a byte order of choice."""
    write_map(path, written)
    content = path.read_bytes()
    header = np.frombuffer(content[:1024], dtype=HEADER_DTYPE.newbyteorder("<")).copy()
    for field, value in fields.items():
        names = FIELDS.get(field, (field,))
        for name, each in zip(names, np.broadcast_to(value, len(names)) if len(names) > 1 else [value], strict=True):
            header[name] = each
    header["machst"] = (0x44, 0x44, 0, 0) if order == "<" else (0x11, 0x11, 0, 0)
    body = np.frombuffer(content[1024:], "<f4").astype(f"{order}f4").tobytes()
    path.write_bytes((header.astype(HEADER_DTYPE.newbyteorder(order)).tobytes() + body)[:cut])
    return path


@settings(max_examples=40, deadline=None)
@given(st.permutations([1, 2, 3]), st.sampled_from("<>"), st.booleans())
def test_any_order_of_axes_and_bytes_is_turned_round(tmp_path_factory, order, bytes_order, started):
    path = tmp_path_factory.getbasetemp() / "axes.mrc"
    along = [axis - 1 for axis in order]  # the axis along columns, rows, sections
    stored = DensityMap(UNEVEN.values.transpose(along), np.ones(3), np.zeros(3))
    steps = np.rint(UNEVEN.origin / UNEVEN.spacing)
    place = {"start": steps[along]} if started else {"origin": tuple(UNEVEN.origin), "start": (9, 9, 9)}
    cell = UNEVEN.spacing * UNEVEN.values.shape
    altered(path, stored, bytes_order, axes=order, cella=tuple(cell), intervals=UNEVEN.values.shape, **place)
    found = read_map(path)
    assert np.array_equal(found.values, UNEVEN.values)
    assert found.spacing == pytest.approx(UNEVEN.spacing)
    assert found.origin == pytest.approx(UNEVEN.origin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(np.array(gemmi.read_ccp4_map(str(path), setup=False).grid.array), stored.values)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"cut": 500}, "cut short: 500 bytes of 1,024"),
        ({"cut": 1100}, "cut short: 76 bytes of 480"),
        ({"size": (400, 500, 600)}, "cut short"),
        ({"size": (4, 5, 60000)}, "cut short"),
        ({"size": (60000, 60000, 60000)}, "60000 x 60000 x 60000 voxels"),
        ({"size": (4, -5, 6)}, "4 x -5 x 6 voxels"),
        ({"size": (0, 5, 6)}, "0 x 5 x 6 voxels"),
        ({"mode": 4}, "mode 4"),
        ({"mode": 101}, "mode 101"),
        ({"mode": -7}, "no MRC or CCP4 map"),
        ({"nsymbt": 2**30}, "extended header"),
        ({"nsymbt": -5}, "extended header"),
        ({"nsymbt": 100}, "cut short"),
        ({"cellb": (90, 94.3, 90)}, "resample"),
        ({"cellb": (90, np.nan, 90)}, "resample"),
        ({"cella": (0, 0, 0)}, "voxel size"),
        ({"cella": (np.nan, 1, 1)}, "voxel size"),
        ({"intervals": 0}, "voxel size"),
        ({"axes": (1, 1, 3)}, "axis order"),
        ({"axes": (1, 2, 7)}, "axis order"),
        ({"origin": (0, 0, np.inf)}, "origin"),
        ({"ispg": 401}, "stack"),
    ],
)
def test_a_header_that_lies_is_bad_input(tmp_path, fields, reason):
    path = altered(tmp_path / "bad.mrc", **fields)
    with pytest.raises(InputError, match=reason) as caught:
        read_map(path)
    assert str(path) in str(caught.value)
    (tmp_path / "bad.mrc.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match=reason):
        read_map(tmp_path / "bad.mrc.gz")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    values = UNEVEN.values.copy()
    values[1, 2, 3] = value
    with pytest.raises(InputError, match="finite"):
        write_map(tmp_path / "x.mrc", DensityMap(values, UNEVEN.spacing, UNEVEN.origin))
    with mrcfile.new(tmp_path / "x.mrc", overwrite=True) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file.set_data(values)
        file.voxel_size = 1.0
    with pytest.raises(InputError, match="1 values that are NaN"):
        read_map(tmp_path / "x.mrc")


def test_a_damaged_or_endless_archive_is_read_no_further_than_needed(tmp_path):
    write_map(tmp_path / "x.mrc", UNEVEN)
    content = (tmp_path / "x.mrc").read_bytes()
    packed = gzip.compress(content)
    (tmp_path / "cut.mrc.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match="damaged or cut short"):
        read_map(tmp_path / "cut.mrc.gz")
    (tmp_path / "junk.mrc.gz").write_bytes(packed[:300] + b"?" * 900)
    with pytest.raises(InputError, match="damaged or cut short"):
        read_map(tmp_path / "junk.mrc.gz")
    (tmp_path / "bomb.mrc.gz").write_bytes(gzip.compress(content + bytes(2**26)))
    assert np.array_equal(read_map(tmp_path / "bomb.mrc.gz").values, UNEVEN.values)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=1500))
def test_any_bytes_are_a_map_or_bad_input(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.mrc"
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_map(path)


def test_bad_paths_are_bad_input(tmp_path):
    for path, reason in ((tmp_path / "no.mrc", "does not exist"), (tmp_path, "not a file")):
        with pytest.raises(InputError, match=reason):
            read_map(path)


@pytest.mark.parametrize(
    ("values", "spacing"),
    [(np.zeros((2, 3)), np.ones(3)), (np.zeros((0, 1, 1)), np.ones(3)), (np.ones((1, 1, 1)), np.zeros(3))],
)
def test_a_map_that_no_program_could_place_is_not_written(tmp_path, values, spacing):
    with pytest.raises(InputError, match="cannot be written"):
        write_map(tmp_path / "x.mrc", DensityMap(values, spacing, np.zeros(3)))
    assert list(tmp_path.iterdir()) == []


def test_equal_maps_are_equal_files(tmp_path):
    for name in ("x.mrc", "x.mrc.gz"):
        contents = set()
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_map(tmp_path / folder / name, UNEVEN)
            contents.add((tmp_path / folder / name).read_bytes())
        assert len(contents) == 1


@pytest.mark.parametrize("fields", [{"map": b"\0\0\0\0"}, {"machst": (0, 0, 0, 0)}])
@pytest.mark.parametrize("order", "<>")
def test_headers_without_identification_are_read(tmp_path, fields, order):
    path = altered(tmp_path / "old.mrc", order=order)
    header = np.frombuffer(path.read_bytes()[:1024], HEADER_DTYPE.newbyteorder(order)).copy()
    for field, value in fields.items():
        header[field] = value
    path.write_bytes(header.tobytes() + path.read_bytes()[1024:])
    assert np.array_equal(read_map(path).values, UNEVEN.values)


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_allocates_no_more_than_the_file_holds(tmp_path, packed):
    path = altered(tmp_path / "lie.mrc", size=(500, 500, 500), nsymbt=2**25)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    tracemalloc.start()
    with pytest.raises(InputError, match="cut short"):
        read_map(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
