"""Files with absurd or damaged content: refused in one line, in bounded memory, whatever the format."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import gemmi
import numpy as np
import pytest
from rdkit import Chem

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.mol_blocks import mol_block
from metricvae.kinds.molecule.readers import Skipped, read
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import standard
from metricvae.kinds.silhouette.io import encode_png, read_image
from metricvae.kinds.silhouette.sources.generators import draw
from metricvae.kinds.volume.io import read_map, write_map
from metricvae.kinds.volume.records import DensityMap

GOOD = mol_block(conform("CCCCO", 0, name="good")[0]) + "$$$$\n"

PEAK = """
import sys
from metricvae.kinds.molecule.readers import Skipped, read
def peak():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024
list(read(sys.argv[1]))
before = peak()
assert all(isinstance(found, Skipped) for path in sys.argv[2:] for found in read(path))
print(peak() - before)
"""


def v3000(counts: str) -> str:
    """A V3000 mol block of one atom with a counts line of choice."""
    lines = ["BEGIN CTAB", counts, "BEGIN ATOM", "1 C 0 0 0 0", "END ATOM", "END CTAB"]
    body = "".join(f"M  V30 {line}\n" for line in lines)
    return f"bad\n  x               3D\n\n  0  0  0     0  0            999 V3000\n{body}M  END\n$$$$\n"


def mol2(counts: str) -> str:
    """A mol2 block of one atom with a counts line of choice."""
    return f"@<TRIPOS>MOLECULE\nbad\n{counts}\nSMALL\nNO_CHARGES\n@<TRIPOS>ATOM\n1 C 0 0 0 C.3\n"


ABSURD = {
    "atoms.sdf": v3000("COUNTS 100000000 0 0 0 0"),
    "lower.sdf": v3000("counts 100000000 0 0 0 0"),
    "continued.sdf": v3000("COU-\nM  V30 NTS 1000-\nM  V30 00000 0 0 0 0"),
    "bonds.sdf": v3000("COUNTS 1 100000000 0 0 0"),
    "negative.sdf": v3000("COUNTS -1 0 0 0 0"),
    "endless.sdf": v3000(f"COUNTS {'9' * 5000} 0 0 0 0"),
    "atoms.mol2": mol2(" 500000000 0 0"),
    "alone.mol2": mol2("500000000"),
    "plus.mol2": mol2("+0500000000\t0"),
    "negative.mol2": mol2("-1 0"),
}


@pytest.mark.parametrize("name", ABSURD)
def test_a_record_that_declares_absurd_counts_is_skipped_alone(name: str, tmp_path: Path) -> None:
    good = GOOD if name.endswith("sdf") else ""
    (tmp_path / name).write_text(good + ABSURD[name] + good)
    found = list(read(tmp_path / name))
    (skipped,) = (item for item in found if isinstance(item, Skipped))
    assert (skipped.number, skipped.name) == (2 if good else 1, "bad")
    assert "declares" in skipped.reason
    assert "expected 0 to 10,000" in skipped.reason
    assert [item.id for item in found if isinstance(item, Molecule)] == (["good", "good"] if good else [])


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory of a process is read from /proc")
def test_absurd_counts_take_no_memory(tmp_path: Path) -> None:
    (tmp_path / "good.sdf").write_text(GOOD)
    for name, content in ABSURD.items():
        (tmp_path / name).write_text(content)
    files = [str(tmp_path / name) for name in ("good.sdf", *ABSURD)]
    done = subprocess.run([sys.executable, "-c", PEAK, *files], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100


@pytest.mark.parametrize("row", ["CCO," + "x" * 200_000, "CC\rO,a", '"' + "C" * 200_000])
def test_a_row_that_is_not_csv_is_skipped_alone(row: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"smiles,id\n{row}\nCCCCO,good\n", newline="")
    skipped, good = read(path)
    assert str(skipped).startswith("line 2: the row is not CSV")
    assert isinstance(good, Molecule)
    for header in (f"smiles,{'x' * 200_000}", "smiles,id\rCCCCO,a"):
        path.write_text(f"{header}\nCCCCO,b\n", newline="")
        with pytest.raises(InputError, match="no column smiles"):
            list(read(path))


def test_what_rdkit_breaks_on_is_bad_input() -> None:
    with pytest.raises(InputError, match="not valid") as caught:
        standard("C[C@H99999](N)C(=O)O")
    assert "Expression" not in str(caught.value)


def hetatm(name: str, x: float) -> str:
    return f"HETATM    1  C{name} LIG A   1    {x:8.3f}   1.000   1.000  1.00  0.00           C\n"


def test_characters_outside_ascii_do_not_move_the_columns_of_pdb(tmp_path: Path) -> None:
    path = tmp_path / "x.pdb"
    atoms = [hetatm(f"{number} ", 1.5 * number) for number in range(5)]
    path.write_bytes(("REMARK\n" + "".join(atoms) + "END\n").encode().replace(b" LIG", b" L\xc3\x89"))
    (found,) = read(path)
    assert isinstance(found, Molecule)
    assert found.positions[:, 0].tolist() == [0, 1.5, 3, 4.5, 6]
    assert found.id.isascii()


def test_a_ligand_out_in_space_is_skipped(tmp_path: Path) -> None:
    structure = gemmi.read_pdb_string("".join(hetatm(f"{number} ", 1.5 * number) for number in range(5)))
    structure[0][0][0][3].pos = gemmi.Position(4.5, 1, 1e308)
    structure.make_mmcif_document().write_file(str(tmp_path / "x.cif"))
    (found,) = read(tmp_path / "x.cif")
    assert "within 9,999 angstroms" in str(found)


def whole_files(folder: Path) -> dict[str, bytes]:
    """A valid file of each format, by its name."""
    molecule = conform("CC(C)Cc1ccc(cc1)C(C)C(=O)O", 1, name="ibuprofen")[0]
    block = mol_block(molecule)
    mol = Chem.MolFromMolBlock(block)
    atoms = "".join(
        f"{number + 1} C{number} {x:.4f} {y:.4f} {z:.4f} C.3 1 LIG 0\n"
        for number, (x, y, z) in enumerate(molecule.positions[:5])
    )
    pdb = Chem.MolToPDBBlock(mol).replace("UNL", "LIG")
    table = 'smiles,id\nCCCCO,a\n"c1ccccc1C(=O)[O-].[Na+]",b\nC[C@H](N)C(=O)O,c\n'
    write_map(folder / "x.mrc", DensityMap(np.ones((3, 4, 5), np.float32), np.ones(3), np.zeros(3)))
    texts = {
        "x.sdf": f"{block}> <x>\n1\n\n$$$$\n" + Chem.MolToV3KMolBlock(mol) + "$$$$\n",
        "x.mol2": f"@<TRIPOS>MOLECULE\nx\n 5 4 0 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM\n{atoms}@<TRIPOS>BOND\n"
        + "".join(f"{number} {number} {number + 1} 1\n" for number in range(1, 5)),
        "x.pdb": pdb,
        "x.cif": gemmi.read_pdb_string(pdb).make_mmcif_document().as_string(),
        "x.csv": table,
        "x.smi": table.replace(",", " ").replace('"', ""),
    }
    return {
        **{name: text.encode() for name, text in texts.items()},
        "x.smi.gz": gzip.compress(texts["x.smi"].encode()),
        "x.png": encode_png(draw("procedural", 1, 1)[0].mask),
        "x.mrc": (folder / "x.mrc").read_bytes(),
    }


INSERTED = [
    *(b"999999999", b"-1", b"\0", b"nan", b"inf", b"1e308", b"\n", b"\r", b'"', b"'", b";", b"*", b"R#", b"%(99999)"),
    *(b"$$$$\n", b"M  END\n", b"M  V30 ", b"-\n", b"=(4000000000 1)", b"@<TRIPOS>ATOM\n", b"loop_\n", b"data_y\n"),
    *(b"\xff\xfe", b"\x1f\x8b", b"\xe2\x80\xa8", b"C" * 3000, b"(" * 2000, b"1" * 5000, b"\x7f\xff\xff\xff"),
]


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """A file after one to five changes: bytes replaced, removed, inserted or copied, or the end cut off."""
    data = bytearray(content)
    for _ in range(random.integers(1, 6)):
        place, length = int(random.integers(len(data) + 1)), int(random.integers(1, 40))
        change = random.integers(6)
        if change == 0:
            data[place : place + 1] = random.bytes(1)
        elif change == 1:
            del data[place : place + length]
        elif change in (2, 3):
            data[place : place + (change == 3) * length] = INSERTED[random.integers(len(INSERTED))]
        elif change == 4:
            source = int(random.integers(len(data) + 1))
            data[place:place] = data[source : source + 4 * length]
        elif random.integers(4) == 0:
            del data[place:]
    return bytes(data)


def read_any(path: Path, embed: bool = False) -> None:
    """Read a file of any kind; what is wrong with it is an `InputError` or a skipped record."""
    try:
        if path.suffix == ".png":
            assert read_image(path).shape == (200, 200)
        elif path.suffix == ".mrc":
            assert np.isfinite(read_map(path).values).all()
        else:
            assert all(isinstance(found, (Molecule, Skipped)) for found in read(path, embed=embed))
    except InputError as error:
        message = str(error)
    else:
        return
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.sdf", "x.mol2", "x.pdb", "x.cif", "x.csv", "x.smi", "x.smi.gz", "x.png", "x.mrc"])
def test_any_bytes_are_objects_or_bad_input_in_bounded_memory(name: str, tmp_path: Path) -> None:
    whole = whole_files(tmp_path)[name]
    random = np.random.default_rng(7)
    path = tmp_path / name
    before = peak_memory()
    for number in range(1500):
        path.write_bytes(mutated(whole, random) if number % 20 else random.bytes(number))
        read_any(path, embed=number % 8 == 0)
    assert peak_memory() - before < 200


def peak_memory() -> int:
    """Megabytes of this process, at most so far; 0 where that is not known."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "unit", "count"),
    [
        ("x.smi.gz", b"C", 2**28),
        ("x.csv.gz", b"smiles,", 2**25),
        ("x.sdf.gz", b"CCCCCCC\n", 2**22),
        ("x.mol2.gz", b"@<TRIPOS>MOLECULE", 2**22),
        ("x.pdb.gz", b"HETATM\n", 2**25),
        ("x.cif.gz", b"a ", 2**27),
        ("x.mrc.gz", b"\0", 2**28),
    ],
)
def test_a_file_that_decompresses_a_thousandfold_takes_bounded_memory(
    name: str, unit: bytes, count: int, tmp_path: Path
) -> None:
    path = tmp_path / name
    piece = 2**12
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(count // piece):
            file.write(unit * piece)
    before = peak_memory()
    if name == "x.mrc.gz":
        with pytest.raises(InputError):
            read_map(path)
    else:
        read_any(path)
    assert peak_memory() - before < 300
