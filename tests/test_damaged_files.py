"""Files with absurd or damaged content: refused in one line, in bounded memory, whatever the format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.mol_blocks import mol_block
from metricvae.kinds.molecule.readers import Skipped, read
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.standardise import standard

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
    names = ("id", "type_symbol", "label_atom_id", "label_comp_id", "label_asym_id", "Cartn_x", "Cartn_y", "Cartn_z")
    columns = "".join(f"_atom_site.{name}\n" for name in names)
    rows = "".join(f"{number} C C{number} LIG A {1.5 * number} 0 {1e308 * (number == 3)}\n" for number in range(5))
    (tmp_path / "x.cif").write_text(f"data_x\nloop_\n{columns}{rows}")
    (found,) = read(tmp_path / "x.cif")
    assert "within 9,999 angstroms" in str(found)
