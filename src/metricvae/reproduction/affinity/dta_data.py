"""Davis and KIBA: affinities of pairs of a protein's sequence and a molecule, and what is left out of them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.kinds.molecule_fingerprint.kind import MoleculeFingerprintKind
from metricvae.kinds.sequence_words.kind import SequenceWordsKind
from metricvae.reproduction.affinity.complexes import rows_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SETS = ("davis", "kiba")
"""Names of the files in `dta`, without `.csv.gz`."""

SPLITS = ("given folds", "cold drug", "cold target", "both cold")
"""What is left out: the test fold of the file; a fifth of the drugs, of the targets, or of both, with their pairs."""

SHARE, VALIDATION = 0.2, "train0"
"""Of drugs and targets that are cold, and the fold that tells when the given folds have been learned."""


@dataclass(frozen=True, eq=False)
class DtaSet:
    """n pairs of t targets and d drugs.

    Attributes:
        name: of the set.
        sequences, smiles: of targets (t,) and of drugs (d,).
        targets, drugs: (t, f) and (d, g) numbers that describe them.
        target, drug: (n,) which a pair is of.
        value: (n,) -log10 of Kd in mol/L (Davis), or the KIBA score; higher is tighter.
        fold: (n,) `test`, or `train0` to `train4`.
        refused: pairs of the file that are left out, as the kind does not take their molecule (peptides of more than
            100 heavy atoms).
    """

    name: str
    sequences: list[str]
    smiles: list[str]
    targets: Floats
    drugs: Floats
    target: Ints
    drug: Ints
    value: Floats
    fold: npt.NDArray[np.str_]
    refused: int = 0


@dataclass(frozen=True, eq=False)
class DtaSplit:
    """(n,) pairs that are learned from, that say when that is done, and that are predicted; no pair is in two."""

    train: Bools
    validation: Bools
    test: Bools


def check_dta(folder: Path, names: Sequence[str] = SETS) -> None:
    """Refuse a folder without the files of some of `SETS`.

    Raises:
        InputError: naming what is not there.
    """
    for name in names:
        if not (folder / "dta" / f"{name}.csv.gz").is_file():
            raise InputError(
                f"{folder} has no dta/{name}.csv.gz: expected tables with columns drug_id, smiles, target_id, "
                "sequence, affinity and fold, or leave the section dta out with --only"
            )


def read_dta(folder: Path, name: str) -> DtaSet:
    """Read a set and describe its molecules and sequences."""
    read = list(rows_of(folder / "dta" / f"{name}.csv.gz"))
    molecules = MoleculeFingerprintKind()
    taken = _taken({row["drug_id"]: row["smiles"] for row in read}, molecules)
    rows = [row for row in read if row["drug_id"] in taken]
    targets = {row["target_id"]: row["sequence"] for row in rows}
    drugs = {row["drug_id"]: row["smiles"] for row in rows}
    place_of_target, place_of_drug = ({one: at for at, one in enumerate(held)} for held in (targets, drugs))
    sequences, smiles = list(targets.values()), list(drugs.values())
    return DtaSet(
        name,
        sequences,
        smiles,
        SequenceWordsKind().numbers(sequences).astype(np.float64),
        molecules.numbers([taken[one] for one in drugs]).astype(np.float64),
        np.array([place_of_target[row["target_id"]] for row in rows]),
        np.array([place_of_drug[row["drug_id"]] for row in rows]),
        np.array([float(row["affinity"]) for row in rows]),
        np.array([row["fold"] for row in rows]),
        len(read) - len(rows),
    )


def _taken(drugs: dict[str, str], kind: MoleculeFingerprintKind) -> dict[str, Any]:
    """Molecules by name, of the SMILES that the kind takes."""
    found = {}
    for name, smiles in drugs.items():
        with contextlib.suppress(InputError):
            found[name] = kind.convert(smiles)
    return found


def split_of(data: DtaSet, name: str, seed: int) -> DtaSplit:
    """One of `SPLITS`. Of cold ones, the pairs of a tenth of the remaining drugs or targets validate.

    Args:
        data: pairs.
        name: of the split.
        seed: of what is left out.
    """
    if name == SPLITS[0]:
        test, validation = data.fold == "test", data.fold == VALIDATION
        return DtaSplit(~(test | validation), validation, test)
    rng = np.random.default_rng([seed, 1])
    columns = {"cold drug": [data.drug], "cold target": [data.target], "both cold": [data.drug, data.target]}[name]
    parts = [_parts_of(column, rng) for column in columns]
    train, validation, test = (np.logical_and.reduce([one == number for one in parts]) for number in range(3))
    return DtaSplit(train, validation, test)


def _parts_of(column: Ints, rng: np.random.Generator) -> Ints:
    """(n,) 0 of objects to learn from, 1 of those that validate, 2 of the cold ones."""
    count = int(column.max()) + 1
    ranks = rng.permutation(count) / count
    part = np.select([ranks < SHARE, ranks < SHARE + (1 - SHARE) / 10], [2, 1], 0)
    return np.asarray(part[column], np.int64)
