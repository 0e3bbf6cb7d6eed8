"""Answers corrected by known ligands of the target: see `metricvae.metrics.affinity.known`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.errors import InputError, listed
from metricvae.core.pair_list import read_csv_rows
from metricvae.kinds.molecule.descriptors import ligand_numbers
from metricvae.kinds.molecule.standardise import standard
from metricvae.metrics.affinity.complexes import RefusedComplex
from metricvae.metrics.affinity.features.vector import BLOCKS, NAMES
from metricvae.metrics.affinity.jobs import DescribedComplex
from metricvae.metrics.affinity.known import KnownLigands
from metricvae.metrics.affinity.posed import PosedModel, mean_of_parts
from metricvae.metrics.affinity.reference import Floats
from metricvae.metrics.affinity.units import MeasuredAffinity, common_unit, measurement

WIDTH = 1.645
"""Standard deviations on both sides of a mean that hold 90 % of a normal distribution."""


def with_known(
    model: PosedModel,
    found: Sequence[DescribedComplex | RefusedComplex],
    rows: Sequence[dict[str, Any]],
    known: tuple[Sequence[str], Sequence[MeasuredAffinity]],
    suggest: int | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows with what follows from known ligands, and what is to be said of it.

    The prior mean of known and new ligands alike is what the parts of the model say that need no pose, in the pocket
    of the first ligand that has one.

    Args:
        model: of poses.
        found, rows: the complexes that are asked for, and what the model says of each.
        known: as `read_known` gives them.
        suggest: how many of the ligands to name that are best measured next; None for none.

    Raises:
        InputError: known ligands that cannot be used.
    """
    described = [one for one in found if isinstance(one, DescribedComplex)]
    smiles, measured = known
    if not described:
        return list(rows), []
    asked = [one.molecule.smiles for one in described]
    pocket = described[0].features
    prior, asked_prior = (prior_means(model, part, pocket) for part in (smiles, asked))
    fitted = KnownLigands.fit(
        smiles, [one.pk for one in measured], prior=prior, censored=[one.bound for one in measured]
    )
    mean, sd = fitted.predict(asked, prior=asked_prior)
    better = {one.number: place for place, one in enumerate(described)}
    changed = [
        row
        if row["reason"]
        else row
        | {
            "pK_without_known": row["pK"],
            "pK": float(mean[better[row["number"]]]),
            "low": float(mean[better[row["number"]]] - WIDTH * sd[better[row["number"]]]),
            "high": float(mean[better[row["number"]]] + WIDTH * sd[better[row["number"]]]),
        }
        for row in rows
    ]
    notes = [f"corrected by {len(smiles)} known ligands"]
    if suggest is not None:
        chosen = fitted.suggest(asked, suggest, prior=asked_prior)
        names = ", ".join(described[place].name for place in np.asarray(chosen).tolist())
        notes.append(f"best measured next: {names}")
    return changed, notes


def read_known(path: Path) -> tuple[list[str], list[MeasuredAffinity]]:
    """The ligands of a table, as SMILES, and what was measured of each.

    Raises:
        InputError: a missing column or unit, a value that is none, or a SMILES that does not parse, with its row.
    """
    columns, cells = read_csv_rows(path, "ligand,value,unit")
    if not {"ligand", "value"} <= set(columns):
        raise InputError(f"{path} has columns {listed(columns)}: expected ligand, value and unit")
    unit = common_unit([row.get("unit") or "" for row in cells])
    smiles, measured = [], []
    for number, row in enumerate(cells, start=1):
        try:
            standard(row["ligand"] or "")
            measured.append(measurement(row["value"] or "", unit, row.get("kind") or ""))
        except InputError as error:
            raise InputError(f"{path} row {number}: {error}") from None
        smiles.append(row["ligand"])
    return smiles, measured


def prior_means(model: PosedModel, smiles: Sequence[str], pocket: Floats) -> Floats:
    """(n,) what the parts of a model that need no pose say of ligands in a pocket.

    Args:
        model: of poses.
        smiles: (n,) of the ligands.
        pocket: features of a complex of the pocket.
    """
    need = {*BLOCKS["terms"], *BLOCKS["contacts"]}
    parts = [one for one in model.parts if not need.intersection(one.columns)]
    rows = np.tile(pocket, (len(smiles), 1))
    place = [NAMES.index(name) for name in BLOCKS["ligand"]]
    if len(smiles):
        rows[:, place] = [ligand_numbers(standard(one)) for one in smiles]
    return mean_of_parts(parts or model.parts, rows, NAMES)[0]
