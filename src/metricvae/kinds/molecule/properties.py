"""Properties of molecules that chemists filter by, and the fingerprint that substructure search is screened with.

All are RDKit's own. QED is its quantitative estimate of drug-likeness (G. R. Bickerton et al., Nature Chemistry 4
(2012) 90), of which the 116 structural alerts are screened by the pattern fingerprint before they are matched, which
gives the same number; SA is the score of synthetic accessibility, 1 for easy to 10 for hard (P. Ertl and A.
Schuffenhauer, J. Cheminformatics 1 (2009) 8). RDKit computes the latter in its folder `Contrib`, from fragment scores
that its own wheel keeps as a pickle: they are read by RDKit's module, in the processes that index. Where an
installation of RDKit has no such folder, the score is missing (null).
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.standardise import Mol

PROPERTIES = {
    "mw": "molecular weight, daltons",
    "logp": "octanol-water partition coefficient (Crippen)",
    "tpsa": "topological polar surface area, square angstroms",
    "hbd": "donors of hydrogen bonds",
    "hba": "acceptors of hydrogen bonds",
    "rotatable": "rotatable bonds",
    "qed": "drug-likeness, 0 to 1",
    "sa": "synthetic accessibility, 1 (easy) to 10",
    "charge": "formal charge",
    "heavy_atoms": "atoms other than hydrogen",
    "rings": "rings (smallest set)",
}
"""Names and meanings, in the order of `Described.numbers`."""

PATTERN_BITS = 2_048
PATTERN = "pattern"
"""The column of pattern fingerprints."""

COLUMNS = pa.schema(
    [*((name, pa.float32()) for name in PROPERTIES), (PATTERN, pa.binary(PATTERN_BITS // 8))],
)
"""What an index keeps of a molecule beside its atoms; null where its bonds are not known."""


@dataclass(frozen=True)
class Described:
    """What an index keeps of one molecule beside its atoms.

    Attributes:
        numbers: of `PROPERTIES`, in their order; nan where one cannot be computed.
        pattern: bits of the pattern fingerprint, packed, the least first.
    """

    numbers: tuple[float, ...]
    pattern: bytes


def describe(mol: Mol) -> Described:
    """Properties and pattern fingerprint of a sanitised RDKit molecule without explicit hydrogens.

    >>> from rdkit import Chem
    >>> aspirin = describe(Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O"))
    >>> [round(number, 2) for number in aspirin.numbers]
    [180.16, 1.31, 63.6, 1.0, 3.0, 2.0, 0.55, 1.58, 0.0, 13.0, 1.0]
    """
    descriptors, chem = require("rdkit.Chem.rdMolDescriptors"), require("rdkit.Chem")
    pattern = pattern_of(mol)
    weight, logp = descriptors._CalcMolWt(mol), descriptors.CalcCrippenDescriptors(mol)[0]
    surface, donors = descriptors.CalcTPSA(mol), descriptors.CalcNumHBD(mol)
    rotatable = descriptors.CalcNumRotatableBonds(mol)
    numbers = (
        *(weight, logp, surface, donors, descriptors.CalcNumHBA(mol), rotatable),
        drug_likeness(mol, pattern, (weight, logp, donors, surface, rotatable)),
        accessibility(mol),
        *(chem.GetFormalCharge(mol), mol.GetNumHeavyAtoms(), descriptors.CalcNumRings(mol)),
    )
    return Described(tuple(map(float, numbers)), pattern)


def described_smiles(smiles: str) -> Described | None:
    """The same of a SMILES; None where it is empty or does not parse."""
    with require("rdkit.rdBase").BlockLogs():
        mol = require("rdkit.Chem").MolFromSmiles(smiles) if smiles else None
        return None if mol is None else describe(mol)


def property_columns(rows: Sequence[Described | None]) -> dict[str, pa.Array]:
    """Descriptions as the columns of `COLUMNS`."""
    unknown = (np.nan,) * len(PROPERTIES)
    numbers = np.array([unknown if row is None else row.numbers for row in rows], np.float32).reshape(-1, len(unknown))
    found = {name: pa.array(numbers[:, at], from_pandas=True) for at, name in enumerate(PROPERTIES)}
    patterns = [None if row is None else row.pattern for row in rows]
    return found | {PATTERN: pa.array(patterns, COLUMNS.field(PATTERN).type)}


def pattern_of(mol: Mol) -> bytes:
    """Pattern fingerprint, whose bits a molecule has wherever a pattern that it contains has them, packed."""
    bits = require("rdkit.Chem").PatternFingerprint(mol, PATTERN_BITS)
    return bytes(require("rdkit.DataStructs").BitVectToBinaryText(bits))


def drug_likeness(mol: Mol, pattern: bytes, known: tuple[float, float, int, float, int]) -> float:
    """QED by the mean weights, as `rdkit.Chem.QED.qed` gives it.

    Args:
        mol: sanitised, without explicit hydrogens.
        pattern: its fingerprint.
        known: weight, logP, donors, polar surface and rotatable bonds, which are parts of it.
    """
    qed, chem = require("rdkit.Chem.QED"), require("rdkit.Chem")
    weight, logp, donors, surface, rotatable = known
    alerts, probes = _alerts()
    possible = np.flatnonzero(contains_bits(np.frombuffer(pattern, np.uint8)[None], probes))
    aromatic = chem.GetSSSR(chem.DeleteSubstructs(chem.Mol(mol), qed.AliphaticRings))
    return float(
        qed.qed(
            mol,
            qedProperties=qed.QEDproperties(
                MW=weight,
                ALOGP=logp,
                HBA=sum(len(mol.GetSubstructMatches(acceptor)) for acceptor in qed.Acceptors),
                HBD=donors,
                PSA=surface,
                ROTB=rotatable,
                AROM=len(aromatic),
                ALERTS=sum(mol.HasSubstructMatch(alerts[place]) for place in possible.tolist()),
            ),
        )
    )


def accessibility(mol: Mol) -> float:
    """Score of synthetic accessibility; nan where this installation of RDKit cannot compute it."""
    score = _accessibility_score()
    return float("nan") if score is None else float(score(mol))


def contains_bits(having: npt.NDArray[np.uint8], wanted: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """(n,) whether each of (n, b) packed bits, or the only one, has all bits of (n, b) others, or of the only one."""
    found: npt.NDArray[np.bool_] = ((having & wanted) == wanted).all(axis=1)
    return found


def probe(pattern: Mol) -> npt.NDArray[np.uint8]:
    """(b,) packed bits that a molecule has if it contains a pattern from SMARTS."""
    chem = require("rdkit.Chem")
    pattern.UpdatePropertyCache(False)
    chem.FastFindRings(pattern)
    return np.frombuffer(pattern_of(pattern), np.uint8)


@functools.cache
def _alerts() -> tuple[list[Mol], npt.NDArray[np.uint8]]:
    alerts = list(require("rdkit.Chem.QED").StructuralAlerts)
    return alerts, np.stack([probe(require("rdkit.Chem").Mol(alert)) for alert in alerts])


@functools.cache
def _accessibility_score() -> Callable[[Mol], float] | None:
    folder = Path(require("rdkit.RDConfig").RDContribDir) / "SA_Score"
    if not (folder / "sascorer.py").is_file():
        return None
    sys.path.append(str(folder))
    try:
        found: Any = importlib.import_module("sascorer")
    finally:
        sys.path.remove(str(folder))
    score: Callable[[Mol], float] = found.calculateScore
    return score
