"""Drug-like molecules drawn at random and docked into the site: what a score there is worth."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from metricvae.autocomplete.records import DockedMolecule, RandomMolecules
from metricvae.core.errors import InputError
from metricvae.core.requirements import Requirement
from metricvae.core.sampling import evenly_spaced
from metricvae.kinds.molecule.conformers import flat
from metricvae.kinds.molecule.fragments import stream_smiles
from metricvae.kinds.molecule.substructures import SMILES
from metricvae.kinds.pocket.records import Receptor
from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.dock import dock_into
from metricvae.metrics.docking.requirements import QuickDocking
from metricvae.metrics.docking.site import DockingSite
from metricvae.metrics.docking.size_trend import FEWEST, fit_trend
from metricvae.runtime.threads import in_threads
from metricvae.search.filters import ItemFilter
from metricvae.search.index import Index

DRUG_LIKE = ItemFilter("qed >= 0.5 and sa <= 4 and heavy_atoms >= 14 and heavy_atoms <= 36")

DRAWN, ASSEMBLED = 200, 3
"""Molecules of a library, and those assembled for each that is wanted: those that are docked have evenly spaced places
among them by size."""

WORTHLESS = -2.0
"""kcal/mol: where the middle one of random molecules scores above, none fits."""

SHARE = 0.25
"""Of the time that docking them may take; `FEWEST` are docked whatever it takes."""


@dataclass(frozen=True, eq=False)
class SiteDocking:
    """Docks molecules into one site on all cores.

    Attributes:
        receptor: of it.
        site: made ready for our own search.
        config: how.
    """

    receptor: Receptor
    site: DockingSite
    config: DockingConfig

    def one(self, smiles: str) -> DockedMolecule | None:
        """The best pose of a molecule; None where it cannot be docked."""
        try:
            best = dock_into(self.site, self.receptor, smiles, self.config)[0]
        except (InputError, IndexError):
            return None
        return DockedMolecule(smiles, best.molecule, best.score, best.clashes, best.strain, best.faults)

    def each(self, smiles: Sequence[str]) -> Iterator[list[DockedMolecule]]:
        """Those of some molecules that can be docked, in order, as many at a time as there are cores."""
        cores = os.cpu_count() or 1
        for start in range(0, len(smiles), cores):
            found = in_threads(self.one, smiles[start : start + cores])
            yield [one for one in found if one is not None]


def draw_random(library: Index | None, count: int, seed: int) -> list[str]:
    """SMILES of drug-like molecules of a library, or assembled from listed fragments; of all sizes that are drawn.

    Raises:
        InputError: the library has fewer than `FEWEST`.
    """
    rng = np.random.default_rng((seed, 1))
    if library is None:
        drawn = list(stream_smiles(ASSEMBLED * count, int(rng.integers(2**31))))
        sizes = [len(flat(one).elements) for one in drawn]
    else:
        rows = rng.permutation(np.flatnonzero(DRUG_LIKE.of_index(library).possible))[:DRAWN]
        table = library.table(np.sort(rows), [SMILES, "heavy_atoms"])
        drawn, sizes = table[SMILES].to_pylist(), table["heavy_atoms"].to_pylist()
    if len(drawn) < FEWEST:
        raise InputError(
            f"{len(drawn)} molecules of the library are drug-like, expected at least {FEWEST}: give a larger one"
        )
    chosen = [drawn[place] for place in evenly_spaced(np.argsort(sizes, kind="stable"), count)]
    return [chosen[place] for place in rng.permutation(len(chosen))]


def dock_random(
    smiles: Sequence[str],
    site: SiteDocking,
    quick: QuickDocking,
    fit: Requirement,
    deadline: float,
    report: Callable[[int, int], None],
) -> RandomMolecules:
    """Random molecules docked as candidates are, and as quickly as the search docks.

    Args:
        smiles: of the molecules.
        site: docks as candidates are docked.
        quick: docks quickly.
        fit: measures how a molecule fills the pocket.
        deadline: of `time.monotonic`; after it no more than `FEWEST` are docked.
        report: told how many of how many are docked.

    Raises:
        InputError: too few could be docked, or the site holds no drug-like molecule.
    """
    docked: list[DockedMolecule] = []
    tried, start = 0, time.monotonic()
    for found in site.each(smiles):
        docked += found
        tried += os.cpu_count() or 1
        report(min(tried, len(smiles)), len(smiles))
        if time.monotonic() > deadline and len(docked) >= FEWEST:
            break
    seconds = (time.monotonic() - start) / max(min(tried, len(smiles)), 1)
    trend = fit_trend([one.size for one in docked], [one.score for one in docked])
    middle = statistics.median(trend.scores)
    if middle > WORTHLESS:
        raise InputError(
            f"random drug-like molecules score {middle:.1f} kcal/mol in the site, half of them worse, expected at "
            f"most {WORTHLESS:g}: no drug-like molecule fits there, name another site"
        )
    flats = [flat(one.smiles) for one in docked]
    scores = [reading.value for reading in in_threads(quick.dock, flats)]
    known = [(one.size, score) for one, score in zip(docked, scores, strict=True) if np.isfinite(score)]
    fits = [reading.value for reading in fit.measure_all(flats)]
    return RandomMolecules(docked, trend, fit_trend(*zip(*known, strict=True)), float(np.nanmedian(fits)), seconds)
