"""The card of a data set of molecules: distributions of its overlaps, errors of its labels, its README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from metricvae.core.data_card import FRONT_MATTER, QUANTILES, error_line, quantile_table, quantiles_of, words_of
from metricvae.core.dataset_files import OBJECTS, PAIRS
from metricvae.runtime.parquet import read_table

_TEXT = (
    FRONT_MATTER
    + """# {task}: {pairs} overlays of {objects} molecules

Made by metricvae {version} from `{source}`, seed {seed}; the same plan with the same RDKit gives the same numbers.

- `objects.parquet`: id, smiles (canonical, standardised), elements (atomic numbers of the heavy atoms), positions
  (x, y, z of each, angstroms), others (of further conformers), bonds (two atoms and the order of each),
  charges (an atom and its charge, of each), group (Bemis-Murcko scaffold), self_overlap (of the
  molecule with itself, cubic angstroms), split, number (of the line or record).
- `pairs.parquet`: a, b (ids), {value} of the most similar two conformers (conformer_a,
  conformer_b), rotation (3 x 3, row by row) and translation (angstroms): moving every point p of b to rotation p +
  translation gives the overlap. Split.
- `skipped.csv`: lines or records that gave no molecule, and why: {skipped}.
- Splits are by scaffold: no pair holds molecules of two splits, and a scaffold keeps its split in every data set.
- `card.json` holds the plan, the counts below and the SHA-256 of both files.

| split | molecules | pairs |
| --- | ---: | ---: |
{rows}

{quantiles}

{label_error}
"""
)

OVERLAP = """value (largest Gaussian overlap volume over all rotations and translations, {unit}),
  tanimoto (value / (self-overlap of a + self-overlap of b - value))"""
"""What the values of `shape` are."""

COEFFICIENTS = """value (largest mean of the two Tanimoto coefficients that follow, over all
  rotations and translations), tanimoto (of the atoms) and colour_tanimoto (of the pharmacophore features) there,"""
"""What the values of `shape+colour` are."""

SIZE = "self_overlap"

_NAMES = {"value": "value", "tanimoto": "shape Tanimoto", SIZE: "self-overlap, cubic angstroms"}


def molecule_distributions(folder: Path) -> dict[str, Any]:
    """Quantiles of overlaps, shape Tanimotos and self-overlaps.

    Args:
        folder: that holds `objects.parquet` and `pairs.parquet`.
    """
    pairs = read_table(folder / PAIRS, ["value", "tanimoto"])
    size = read_table(folder / OBJECTS, [SIZE])[SIZE].to_numpy()
    found = {name: quantiles_of(pairs[name].to_numpy()) for name in ("value", "tanimoto")}
    return {"quantiles": list(QUANTILES), **found, SIZE: quantiles_of(np.asarray(size))}


def molecules_readme(card: dict[str, Any], value: str = OVERLAP) -> str:
    """The README.md of a data set of molecules, from its card, and what its values are."""
    spread = card["distributions"]
    return _TEXT.format(
        value=value.format(unit=card["unit"]),
        quantiles=quantile_table(spread, _NAMES),
        label_error=error_line(card["label_error"], "thorough search", "from a thousand starts"),
        skipped=card["counts"]["skipped"],
        **words_of(card),
    )
