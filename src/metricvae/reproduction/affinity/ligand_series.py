"""Sets of ligands of one target each, with affinities, for what is learned from known ligands.

Folders as in `affinity` (`complexes.csv`, `posed/unifep`) and `activity` (`moleculeace`). A ligand is there once in a
series, by the mean of its values; ligands that cannot be standardised (peptides of more than 100 heavy atoms) are left
out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.standardise import standard
from metricvae.metrics.affinity.known_kernels import LigandFeatures, ligand_features
from metricvae.metrics.affinity.known_process import Floats
from metricvae.reproduction.affinity.complexes import rows_of

TESTS = ("merck", "plb", "schrodinger")
"""Sets of `complexes.csv` that are measured on."""

SAME_TARGETS = ("CHEMBL204_Ki", "CHEMBL244_Ki", "CHEMBL2971_Ki", "CHEMBL4792_Ki")
"""Targets of MoleculeACE that are in `TESTS` too: thrombin, factor Xa, JAK2, and the orexin receptor OX2."""

Row = dict[str, str]


@dataclass(frozen=True)
class LigandSeries:
    """Ligands of one target.

    Attributes:
        name: of the target or the assay.
        cluster: of proteins that are nearly the same.
        smiles: n of them.
        ligands: their features.
        pk: (n,).
        given: (n,) prior means by another model, or None.
    """

    name: str
    cluster: str
    smiles: list[str]
    ligands: LigandFeatures
    pk: Floats
    given: Floats | None = None


def systems_of(folder: Path, name: str, given: dict[str, float] | None = None) -> list[LigandSeries]:
    """Systems of one of `TESTS`.

    Args:
        folder: of affinities.
        name: of the set.
        given: prior means by the ids of complexes, or none.
    """
    rows = [row for row in rows_of(folder / "complexes.csv") if row["set"] == name]
    systems = sorted({row["system"] for row in rows})
    return [
        _series(f"{name}/{one}", [row for row in rows if row["system"] == one], "affinity_pK", "protein_cluster", given)
        for one in systems
    ]


def unifep(folder: Path, least: int = 8) -> list[LigandSeries]:
    """Series of Uni-FEP (one assay each) that share no ligand and no protein with `TESTS`."""
    tested = {row["inchikey"] for row in rows_of(folder / "complexes.csv") if row["set"] in TESTS}
    rows = list(rows_of(folder / "posed" / "unifep" / "ligands.csv.gz"))
    shared = {row["system"] for row in rows if row["inchikey"] in tested}
    found = []
    for system in rows_of(folder / "posed" / "unifep" / "systems.csv.gz"):
        if system["system"] in shared or system["developer_same_protein"] == "True":
            continue
        own = [row | system for row in rows if row["system"] == system["system"]]
        if len(own) >= least:
            found.append(_series(f"unifep/{system['system']}", own, "pK", "protein_cluster"))
    return [series for series in found if len(series.pk) >= least]


def moleculeace(folder: Path, left_out: bool, most: int = 500) -> list[LigandSeries]:
    """Targets of MoleculeACE, a seeded choice of the ligands of each.

    Args:
        folder: of activities.
        left_out: those of `SAME_TARGETS`, or all but these.
        most: ligands of a target.
    """
    rows = list(rows_of(folder / "moleculeace" / "moleculeace.csv.gz"))
    found = []
    for target in sorted({row["dataset"] for row in rows if (row["dataset"] in SAME_TARGETS) == left_out}):
        own = [row | {"target": target} for row in rows if row["dataset"] == target]
        kept = [own[row] for row in np.random.default_rng(0).permutation(len(own))[:most]]
        found.append(_series(f"moleculeace/{target}", kept, "y [pEC50/pKi]", "target"))
    return found


def taken(series: LigandSeries, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> LigandSeries:
    """Some of a series."""
    return LigandSeries(
        *(series.name, series.cluster, [series.smiles[row] for row in rows], series.ligands.take(rows)),
        *(series.pk[rows], None if series.given is None else series.given[rows]),
    )


def read_given(path: Path) -> dict[str, float]:
    """Prior means from a CSV with columns `id` and `value`."""
    return {row["id"]: float(row["value"]) for row in rows_of(path)}


def without(series: LigandSeries, names: set[str]) -> LigandSeries:
    """A series without ligands of these names."""
    return taken(series, np.flatnonzero([name not in names for name in series.ligands.names.tolist()]))


def _series(
    name: str, rows: list[Row], value: str, cluster: str, given: dict[str, float] | None = None
) -> LigandSeries:
    kept = [row for row in rows if _is_taken(row["smiles"])]
    ligands = ligand_features([row["smiles"] for row in kept])
    _, first, group = np.unique(ligands.names, return_index=True, return_inverse=True)
    pk = np.bincount(group, [float(row[value]) for row in kept]) / np.bincount(group)
    smiles = [kept[place]["smiles"] for place in first]
    means = None if given is None else _filled([given.get(kept[place]["id"], np.nan) for place in first])
    return LigandSeries(name, rows[0][cluster], smiles, ligands.take(first), pk, means)


def _is_taken(smiles: str) -> bool:
    """Whether a ligand can be standardised."""
    try:
        standard(smiles)
    except InputError:
        return False
    return True


def _filled(means: list[float]) -> Floats:
    """Prior means, those that are missing (complexes whose pose is refused) at the mean of the others, or 0."""
    found = np.array(means)
    there = np.isfinite(found)
    return np.where(there, found, found[there].mean() if there.any() else 0.0)
