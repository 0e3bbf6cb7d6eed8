"""The data of `ship_molecules_many.py` and `many_metrics.py`: properties of molecules, what describes them, and splits.

The table is a CSV with a column `smiles` and a column a property, mostly empty. Of it the columns in `MEASURED` are
learned, whose sources allow it: AqSolDB and PharmaBench (CC0 1.0), Biogen's ADME set (MIT), and of MoleculeNet the sets
Tox21 (a challenge of the United States' National Institutes of Health) and ClinTox (FDA and ClinicalTrials.gov), as the
GROVER project gives them (MIT).
"""

from __future__ import annotations

import csv
import gzip
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.dataset import ObjectTable, PairDataset
from metricvae.core.kind import ObjectKind
from metricvae.kinds.molecule.properties import PROPERTIES, describe
from metricvae.kinds.molecule.scaffolds import scaffold_group
from metricvae.kinds.molecule.standardise import canonical, rdkit_checks, standard
from metricvae.kinds.molecule_described.kind import MoleculeDescribedKind
from metricvae.kinds.molecule_fingerprint.kind import MoleculeFingerprintKind
from metricvae.metrics.property import PropertyMetric
from metricvae.metrics.tabular import TabularMetric
from metricvae.nn.heads import CosineSimilarity
from metricvae.training.joint_values import JointMetric

Floats = npt.NDArray[np.float64]

ROWS = 26_978
"""Rows that are read, of those with a value in `COLUMNS`: the table is sorted by its sources."""

MEASURED = {
    "solubility": ("logS", "log mol/L"),
    "logd": ("logD_pharmabench", ""),
    "clearance_human": ("log_HLM_CLint", "log mL/min/kg"),
    "clearance_rat": ("log_RLM_CLint", "log mL/min/kg"),
    "efflux": ("log_MDR1_ER", "log ratio"),
    "solubility_ph68": ("log_sol_ph68_ugml", "log ug/mL"),
    "ames": ("ames", ""),
    "bbb": ("bbb", ""),
    "clinical_toxicity": ("clintox_ct_tox", ""),
    "approved": ("clintox_fda_approved", ""),
} | {
    f"tox21_{name.lower().replace('-', '_')}": (f"tox21_{name}", "")
    for name in (
        *("NR-AR", "NR-AR-LBD", "NR-AhR", "NR-Aromatase", "NR-ER", "NR-ER-LBD", "NR-PPAR-gamma"),
        *("SR-ARE", "SR-ATAD5", "SR-HSE", "SR-MMP", "SR-p53"),
    )
}
"""Column and unit of each measured property that is learned, by the name of its metric."""

FURTHER = {"phase": ("max_phase_hub", "clinical phase"), "cost": ("log10_cost_per_unit_usd", "log USD a unit")}
"""Properties that are added to the finished model, for the benchmark alone: their sources do not allow shipping, or are
not clear."""

COMPUTED = ("mw", "logp", "tpsa", "hbd", "hba", "rotatable", "qed", "sa")
"""Properties that RDKit computes."""

COLUMNS = {name: column for name, (column, _) in (MEASURED | FURTHER).items()}
"""Columns of all measured properties by the names of their metrics."""

BITS = 2_048
"""Of the fingerprints that the baseline sees, and that similarity is of."""

SIMILARITY = "fingerprint_similarity"


@dataclass(frozen=True)
class Described:
    """m molecules of the table.

    Attributes:
        smiles, scaffold: (m,) canonical SMILES, and Bemis-Murcko scaffolds.
        numbers: (m, n) float32 as `MoleculeFingerprintKind.numbers` gives them.
        bits: (m, BITS) uint8 counts of circular substructures.
        computed: (m, k) of `PROPERTIES`.
        values: (m, c) of the columns; nan where there is none.
        columns: (c,) names.
    """

    smiles: npt.NDArray[np.str_]
    scaffold: npt.NDArray[np.str_]
    numbers: npt.NDArray[np.float32]
    bits: npt.NDArray[np.uint8]
    computed: npt.NDArray[np.float32]
    values: npt.NDArray[np.float32]
    columns: npt.NDArray[np.str_]

    @property
    def split(self) -> npt.NDArray[np.str_]:
        """(m,) by scaffold: a tenth each for test, calibration and validation."""
        share = np.array([zlib.crc32(name.encode()) % 1000 / 1000 for name in self.scaffold.tolist()])
        return np.select([share < 0.1, share < 0.2, share < 0.3], ["test", "calibration", "validation"], "train")

    def column(self, name: str) -> Floats:
        """(m,) values of a measured or computed property by the name of its metric; nan where there is none."""
        if name in COMPUTED:
            return self.computed[:, list(PROPERTIES).index(name)].astype(np.float64)
        return self.values[:, self.columns.tolist().index(COLUMNS[name])].astype(np.float64)


def described(table: Path, work: Path) -> Described:
    """The molecules of the table, described; kept in the work folder."""
    path = work / "described.npz"
    if not path.exists():
        work.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **_describe(table))
        temporary.rename(path)
    with np.load(path, allow_pickle=False) as file:
        return Described(**{name: file[name] for name in Described.__dataclass_fields__})


def _describe(table: Path) -> dict[str, Any]:
    from rdkit.Chem import MolFromSmiles
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    from metricvae.kinds.molecule.conformers import flat

    with gzip.open(table, "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if any(row[column] for column in COLUMNS.values())][:ROWS]
    columns = [name for name in rows[0] if name not in ("inchikey14", "smiles")]
    generator, kind = GetMorganGenerator(radius=2, fpSize=BITS), MoleculeFingerprintKind()
    found: dict[str, list[Any]] = {name: [] for name in Described.__dataclass_fields__ if name != "columns"}
    for row in rows:
        try:
            smiles = canonical(standard(row["smiles"]))
            numbers = kind.numbers([flat(smiles)])[0]
        except ValueError:
            continue
        with rdkit_checks():
            mol = MolFromSmiles(smiles)
            found["bits"].append(np.minimum(generator.GetCountFingerprintAsNumPy(mol), 255).astype(np.uint8))
            found["computed"].append(np.array(describe(mol).numbers, np.float32))
        found["smiles"].append(smiles)
        found["scaffold"].append(scaffold_group(smiles, smiles))
        found["numbers"].append(numbers)
        found["values"].append(np.array([float(row[name] or "nan") for name in columns], np.float32))
    return {name: np.array(column) for name, column in found.items()} | {"columns": np.array(columns)}


def object_table(data: Described, kind: ObjectKind) -> ObjectTable:
    """The molecules as their numbers alone: without poses, as metrics of formulas look at them."""
    packed = np.ascontiguousarray(data.numbers).view(np.uint8)
    return ObjectTable(kind, tuple(data.smiles.tolist()), packed, np.ones(len(packed)))


def joint_metrics(data: Described, table: ObjectTable, guessed: tuple[int, int]) -> list[JointMetric]:
    """All properties, and the similarity of fingerprints, on one table of objects.

    Args:
        data, table: the molecules.
        guessed: columns of a code that all but the computed properties read.
    """
    found = [*(property_metric(data, table, name) for name in (*MEASURED, *COMPUTED)), similarity_metric(data, table)]
    return [one if one.name in COMPUTED else replace(one, columns=guessed) for one in found]


def property_metric(data: Described, table: ObjectTable, name: str) -> JointMetric:
    """One property of the molecules that have it."""
    column, split = data.column(name), data.split
    rows = np.flatnonzero(np.isfinite(column))
    values = column[rows]
    binary = set(np.unique(values)) <= {0.0, 1.0}
    unit = {**MEASURED, **FURTHER}.get(name, ("", ""))[1]
    title = name.replace("_", " ")
    metric = PropertyMetric(title, unit, task="binary" if binary else "regression", left=table.kind.name)
    pairs = PairDataset.from_objects(metric, table, rows, rows, values, split=split[rows])
    return JointMetric(name, pairs, metric.default_head(values[split[rows] == "train"]))


def similarity_metric(data: Described, table: ObjectTable, seed: int = 0) -> JointMetric:
    """Tanimoto coefficients of bits of circular substructures: of each molecule with its five nearest in a block of
    some 1,500, and with five at random."""
    random, split = np.random.default_rng(seed), data.split
    ends: list[npt.NDArray[np.int64]] = []
    values, splits = [], []
    for name, most in (("train", 12_000), ("validation", 1_500), ("calibration", 1_500), ("test", 1_500)):
        pool = random.permutation(np.flatnonzero(split == name))
        for block in np.array_split(pool[:most], max(1, min(most, len(pool)) // 1_500)):
            tanimoto = tanimotos(data.bits[block] > 0)
            np.fill_diagonal(tanimoto, -1.0)
            near = np.argpartition(-tanimoto, 5, axis=1)[:, :5]
            second = np.hstack([near, random.integers(0, len(block), near.shape)]).ravel()
            first = np.repeat(np.arange(len(block)), 10)
            kept = first != second
            ends.append(np.stack([block[first[kept]], block[second[kept]]]))
            values.append(tanimoto[first[kept], second[kept]])
            splits += [name] * int(kept.sum())
    metric = TabularMetric("fingerprint similarity", range=(0.0, 1.0), left=table.kind.name)
    first, second = np.hstack(ends)
    pairs = PairDataset.from_objects(metric, table, first, second, np.concatenate(values), split=np.array(splits))
    return JointMetric(SIMILARITY, pairs, CosineSimilarity())


def tanimotos(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """(n, n) Tanimoto coefficients of (n, b) bits."""
    numbers = bits.astype(np.float32)
    both, counts = numbers @ numbers.T, numbers.sum(1)
    found: npt.NDArray[np.float32] = both / (counts[:, None] + counts[None] - both)
    return found


DESCRIBED_KIND = MoleculeDescribedKind()
