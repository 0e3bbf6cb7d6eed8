"""Curves over the number of known ligands of the same target: the process on known ligands beside its peers.

Of each target, so many ligands are chosen at random, several times, and the others are predicted. `tanimoto` is a
Gaussian process with the Tanimoto kernel of counts of Morgan fingerprints of radius 2, variance 1, noise 0.1, the mean
of what is known; `forest` is 100 trees on these; `nearest` the value of the most similar known ligand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metricvae.kinds.molecule.extra import require
from metricvae.metrics.affinity.known import KnownLigands
from metricvae.metrics.affinity.known_kernels import tanimoto
from metricvae.metrics.affinity.known_prior import shipped_prior
from metricvae.metrics.affinity.known_process import Floats
from metricvae.metrics.affinity.known_table import known_table
from metricvae.reproduction.affinity.ligand_series import LigandSeries, taken
from metricvae.reproduction.affinity.statistics import bootstrap_mean, spearman

COUNTS = (0, 1, 3, 6, 10, 20)
"""Known ligands."""

LEAST, WIDTH = 8, 1.6449
"""Ligands of a target that are left to predict, at least, and standard deviations of a 90 % interval."""

Method = Callable[[LigandSeries, LigandSeries], tuple[Floats, Floats | None]]
Bits = npt.NDArray[np.uint8]


def ours(known: LigandSeries, rest: LigandSeries) -> tuple[Floats, Floats | None]:
    """The process on known ligands, with the prior that ships."""
    table = known_table(known.ligands, known.pk, known.given, None, None)
    return KnownLigands.of(table, shipped_prior()).estimate(rest.ligands, rest.given)


def given(known: LigandSeries, rest: LigandSeries) -> tuple[Floats, Floats | None]:
    """The prior means that another model gave."""
    return (np.zeros(len(rest.pk)) if rest.given is None else rest.given), None


def heavy_atoms(known: LigandSeries, rest: LigandSeries) -> tuple[Floats, Floats | None]:
    """The number of heavy atoms."""
    return rest.ligands.descriptors[:, 0], None


def mean(known: LigandSeries, rest: LigandSeries) -> tuple[Floats, Floats | None]:
    """The mean of what is known."""
    return np.full(len(rest.pk), known.pk.mean() if len(known.pk) else 0.0), None


def nearest(known: LigandSeries, rest: LigandSeries) -> tuple[Floats, Floats | None]:
    """The value of the most similar known ligand."""
    if not len(known.pk):
        return mean(known, rest)
    return known.pk[tanimoto(morgan(rest), morgan(known)).argmax(axis=1)], None


def plain(known: LigandSeries, rest: LigandSeries) -> tuple[Floats, Floats | None]:
    """A Gaussian process with the Tanimoto kernel."""
    if not len(known.pk):
        return mean(known, rest)
    own, across = tanimoto(morgan(known), morgan(known)), tanimoto(morgan(rest), morgan(known))
    level = known.pk.mean()
    inverse = np.linalg.inv(own + 0.1 * np.eye(len(own)))
    variance = 1.1 - np.einsum("ij,jk,ik->i", across, inverse, across)
    return level + across @ inverse @ (known.pk - level), np.sqrt(np.maximum(variance, 0.0))


def forest(known: LigandSeries, rest: LigandSeries) -> tuple[Floats, Floats | None]:
    """A random forest on fingerprints."""
    if not len(known.pk):
        return mean(known, rest)
    from sklearn.ensemble import RandomForestRegressor

    trees = RandomForestRegressor(100, random_state=0).fit(np.unpackbits(morgan(known), axis=1), known.pk)
    return trees.predict(np.unpackbits(morgan(rest), axis=1)), None


METHODS: dict[str, Method] = {
    **{"ours": ours, "tanimoto": plain, "forest": forest, "nearest": nearest},
    **{"heavy_atoms": heavy_atoms, "mean": mean, "given": given},
}


def morgan(series: LigandSeries) -> Bits:
    """(n, b) packed counts of Morgan fingerprints of radius 2."""
    return np.array([_packed(smiles) for smiles in series.ligands.names.tolist()])


@functools.lru_cache(maxsize=4_096)
def _packed(smiles: str) -> Bits:
    chem, module = require("rdkit.Chem"), require("rdkit.Chem.rdFingerprintGenerator")
    generator = module.GetMorganGenerator(radius=2, fpSize=4096, countSimulation=True)
    return np.packbits(generator.GetFingerprintAsNumPy(chem.MolFromSmiles(smiles)))


def measures(method: Method, known: LigandSeries, rest: LigandSeries) -> list[float]:
    """Spearman's coefficient, root mean square error, part in the 90 % interval, width of it."""
    predicted, sd = method(known, rest)
    errors = rest.pk - predicted
    width = np.full(len(errors), np.nan) if sd is None else WIDTH * sd
    inside = float((np.abs(errors) <= width).mean()) if sd is not None else np.nan
    return [spearman(predicted, rest.pk), float(np.sqrt((errors**2).mean())), inside, float(2 * width.mean())]


def curves(series: Sequence[LigandSeries], names: Sequence[str], repeats: int) -> dict[str, Any]:
    """Measures by method and number of known ligands."""
    found: dict[str, Any] = {}
    for name in names:
        for count in COUNTS:
            of_targets = []
            for one in series:
                if len(one.pk) < count + LEAST:
                    continue
                orders = [np.random.default_rng((seed, count)).permutation(len(one.pk)) for seed in range(repeats)]
                split = [
                    (taken(one, rows[:count]), taken(one, rows[count:])) for rows in orders[: repeats if count else 1]
                ]
                of_targets.append(np.mean([measures(METHODS[name], *pair) for pair in split], axis=0))
            if of_targets:
                found.setdefault(name, {})[count] = summary(np.array(of_targets))
    return found


def summary(rows: Floats) -> dict[str, Any]:
    """Means of (t, 4) measures of targets, and the bootstrap interval of the first."""
    estimate = bootstrap_mean(rows[:, 0])
    names = ("spearman", "rmse", "inside", "width")
    found = zip(names, rows.mean(axis=0).tolist(), strict=True)
    means = {name: round(value, 3) for name, value in found if not np.isnan(value)}
    return {"targets": len(rows), "interval": [round(estimate.low, 3), round(estimate.high, 3)], **means}
