"""Kernels between ligands: fingerprints by Tanimoto, descriptors by a Gaussian, codes of a model by their angle.

Every kernel is positive semidefinite with ones on its diagonal, so a mixture is one too. The Tanimoto coefficient of
binary vectors is positive semidefinite (J. C. Gower, Biometrics 27 (1971) 857); counts are coded in unary (RDKit's
`countSimulation`), so that two molecules with three and four equal groups differ.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError, shortened
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.standardise import Mol, canonical, standard

Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

BITS = 4_096
"""Of each fingerprint."""

ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""Bits that are set in each byte."""

CODE_LENGTH = 0.3
"""Cosine distance of codes at which ligands count by a factor e less."""

FINGERPRINTS = ("morgan", "functions", "pairs", "torsions")
"""Circular ones of radius 3 by atoms and of radius 2 by their functions (donor, acceptor, acid, base, aromatic,
halogen), atom pairs, topological torsions."""

KERNELS = (*FINGERPRINTS, "descriptors", "codes")
"""In the order of the weights."""

DESCRIPTORS = {
    "log_heavy_atoms": (3.25, 0.30),
    "logp": (3.2, 1.5),
    "tpsa": (85.0, 35.0),
    "donors": (1.9, 1.3),
    "acceptors": (5.3, 2.0),
    "rotatable": (5.2, 2.8),
    "aromatic_rings": (2.7, 1.1),
    "saturated_carbons": (0.35, 0.18),
    "halogens": (0.9, 1.2),
    "acids": (0.15, 0.45),
    "bases": (0.6, 0.7),
    "stereocentres": (1.0, 1.5),
}
"""Names, with the centre and the scale that they are standardised by (those of drug-like ligands)."""

_ACID = "[$([OX2H][CX3]=O),$([OX2H]S(=O)=O),$([OX2H]P=O),$(c1nnn[nH]1),$(c1nn[nH]n1)]"
_BASE = "[$([NX3;H2,H1,H0;!$(N[C,S,P]=[O,N,S]);!$(N~[a]);!$(N[#7,#8]);!$(NC#N)]),$([NX2]=C([NX3])),$([N+;!$(N~[O-])])]"


@dataclass(frozen=True)
class LigandFeatures:
    """What the kernels compare of n ligands.

    Attributes:
        names: canonical SMILES of the standardised ligands; equal for ligands that are the same.
        morgan, functions, pairs, torsions: (n, BITS / 8) packed fingerprints.
        descriptors: (n, d) standardised numbers, as :data:`DESCRIPTORS`.
        codes: (n, c) codes of a model, or None.
    """

    names: npt.NDArray[np.str_]
    morgan: Bytes
    functions: Bytes
    pairs: Bytes
    torsions: Bytes
    descriptors: Floats
    codes: Floats | None = None

    def __len__(self) -> int:
        return len(self.names)

    @functools.cached_property
    def sizes(self) -> Mapping[str, Floats]:
        """(n,) bits of each fingerprint, by the names of :data:`FINGERPRINTS`."""
        return {name: _sizes(getattr(self, name)) for name in FINGERPRINTS}

    def take(self, rows: Any) -> LigandFeatures:
        """Those of some rows."""
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(self, **{name: value[rows] for name, value in kept.items() if value is not None})


def ligand_features(smiles: Sequence[str], codes: npt.ArrayLike | None = None) -> LigandFeatures:
    """Features of ligands, each standardised: its largest organic fragment, neutral where it can be.

    Args:
        smiles: n of them.
        codes: (n, c) codes of the same ligands by a model, whose cosines give another kernel.

    Raises:
        InputError: a SMILES does not parse, or the codes are not n rows of finite numbers.

    >>> found = ligand_features(["CC(=O)O", "[Na+].CC(=O)[O-]"])
    >>> found.names.tolist(), found.descriptors.shape
    (['CC(=O)O', 'CC(=O)O'], (2, 12))
    """
    mols = [_standard(text, row) for row, text in enumerate(smiles)]
    names = np.array([canonical(mol) for mol in mols], dtype=np.str_)
    bits = {name: _packed(mols, generator) for name, generator in _generators().items()}
    numbers = np.array([_numbers(mol) for mol in mols], np.float64).reshape(-1, len(DESCRIPTORS))
    centre, scale = np.array(list(DESCRIPTORS.values())).T
    return LigandFeatures(names, **bits, descriptors=(numbers - centre) / scale, codes=_checked(codes, len(mols)))


def kernels(left: LigandFeatures, right: LigandFeatures) -> Floats:
    """(k, n, m) kernels of n and m ligands, in the order of :data:`KERNELS`; without codes the last is left out.

    Raises:
        InputError: one of the two has codes and the other has none, or other ones.
    """
    found = [
        _tanimoto(_common(getattr(left, name), getattr(right, name)), left.sizes[name], right.sizes[name])
        for name in FINGERPRINTS
    ]
    found.append(gaussian(left.descriptors, right.descriptors))
    if left.codes is not None or right.codes is not None:
        found.append(_angles(left.codes, right.codes))
    return np.stack(found)


def tanimoto(left: Bytes, right: Bytes) -> Floats:
    """(n, m) bits in both by bits in either, of (n, b) and (m, b) packed fingerprints; 1 where neither has any.

    >>> tanimoto(np.array([[0b11]], np.uint8), np.array([[0b10], [0b11]], np.uint8)).tolist()
    [[0.5, 1.0]]
    """
    return _tanimoto(_common(left, right), _sizes(left), _sizes(right))


def _tanimoto(both: Floats, left: Floats, right: Floats) -> Floats:
    either = left[:, None] + right - both
    return np.where(either > 0, both / np.maximum(either, 1.0), 1.0)


def _common(left: Bytes, right: Bytes) -> Floats:
    """(n, m) bits in both."""
    if len(right) == 1:  # only its bytes that are not zero count, and nothing is unpacked
        own = np.flatnonzero(right[0])
        return ONES[left[:, own] & right[0, own]].sum(axis=1, dtype=np.float64)[:, None]
    one, other = (np.unpackbits(bits, axis=1).astype(np.float32) for bits in (left, right))
    return (one @ other.T).astype(np.float64)


def _sizes(packed: Bytes) -> Floats:
    """(n,) bits that are set."""
    return ONES[packed].sum(axis=1, dtype=np.float64)


def gaussian(left: Floats, right: Floats) -> Floats:
    """(n, m) exp(-d^2 / 2) of standardised (n, d) and (m, d) numbers, d^2 being the mean of the squares."""
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return np.asarray(np.exp(-np.maximum(squares, 0.0) / max(left.shape[1], 1) / 2))


def _angles(left: Floats | None, right: Floats | None) -> Floats:
    if left is None or right is None or left.shape[1] != right.shape[1]:
        got = " and ".join("none" if one is None else f"{one.shape[1]} numbers" for one in (left, right))
        raise InputError(f"codes of ligands: got {got}, expected those of one model for all ligands, or none at all")
    one, other = (codes / np.maximum(np.linalg.norm(codes, axis=1), 1e-12)[:, None] for codes in (left, right))
    return np.asarray(np.exp((one @ other.T - 1) / CODE_LENGTH))


def _standard(text: str, row: int) -> Mol:
    try:
        return standard(text)
    except InputError as error:
        raise InputError(f"ligand {row + 1}, {shortened(text)!r}: {error}") from None


def _checked(codes: npt.ArrayLike | None, count: int) -> Floats | None:
    if codes is None:
        return None
    found = np.asarray(codes, np.float64)
    if found.ndim != 2 or len(found) != count or not np.isfinite(found).all():
        raise InputError(f"codes of shape {found.shape} for {count} ligands: expected a row of finite numbers for each")
    return found


def _generators() -> dict[str, Any]:
    module = require("rdkit.Chem.rdFingerprintGenerator")
    counted = {"countSimulation": True, "fpSize": BITS}
    functions = module.GetMorganFeatureAtomInvGen()
    found = (
        module.GetMorganGenerator(radius=3, includeChirality=True, **counted),
        module.GetMorganGenerator(radius=2, atomInvariantsGenerator=functions, **counted),
        module.GetAtomPairGenerator(**counted),
        module.GetTopologicalTorsionGenerator(**counted),
    )
    return dict(zip(FINGERPRINTS, found, strict=True))


def _packed(mols: list[Mol], generator: Any) -> Bytes:
    rows = [np.packbits(generator.GetFingerprintAsNumPy(mol)) for mol in mols]
    return np.array(rows, np.uint8).reshape(-1, BITS // 8)


def _numbers(mol: Mol) -> tuple[float, ...]:
    """In the order of :data:`DESCRIPTORS`."""
    module, chem = require("rdkit.Chem.rdMolDescriptors"), require("rdkit.Chem")
    return (
        np.log(mol.GetNumHeavyAtoms()),
        module.CalcCrippenDescriptors(mol)[0],
        module.CalcTPSA(mol),
        module.CalcNumHBD(mol),
        module.CalcNumHBA(mol),
        module.CalcNumRotatableBonds(mol),
        module.CalcNumAromaticRings(mol),
        module.CalcFractionCSP3(mol),
        sum(atom.GetAtomicNum() in (9, 17, 35, 53) for atom in mol.GetAtoms()),
        len(mol.GetSubstructMatches(chem.MolFromSmarts(_ACID))),
        len(mol.GetSubstructMatches(chem.MolFromSmarts(_BASE))),
        len(chem.FindMolChiralCenters(mol, includeUnassigned=True, useLegacyImplementation=True)),
    )
