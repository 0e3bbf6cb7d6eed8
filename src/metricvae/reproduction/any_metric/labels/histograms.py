"""Kullback-Leibler divergence of histograms, which is not symmetric."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metricvae.reproduction.any_metric.records import Floats, MadeObjects, Measure, Rows

BINS = 16

COMPONENTS = 6
"""Distributions in the mixture that histograms are drawn from."""

FLOOR = 0.02
"""Share of the uniform distribution in each histogram, so that no divergence is infinite."""


def make_histograms(count: int, seed: int) -> MadeObjects:
    """Histograms from a mixture of Dirichlet distributions, each about a mean and with a concentration of its own."""
    rng = np.random.default_rng([seed, 8])
    means = rng.dirichlet(np.full(BINS, 0.7), COMPONENTS)
    concentrations = np.exp(rng.uniform(np.log(4), np.log(60), COMPONENTS))
    of = rng.integers(COMPONENTS, size=count)
    drawn = np.array([rng.dirichlet(concentrations[place] * means[place] + 0.05) for place in of])
    histograms = (1 - FLOOR) * drawn + FLOOR / BINS
    magnitudes = np.stack(
        [
            -(histograms * np.log(histograms)).sum(1),
            np.log(histograms).mean(1),
            histograms.max(1),
            histograms @ np.arange(BINS),
        ],
        axis=1,
    )
    return MadeObjects(list(histograms), np.arange(count), of, magnitudes, histograms)


def measure_divergence(histograms: Sequence[Floats]) -> Measure:
    """Divergence of the first histogram from the second, in nats: SciPy's `entropy`."""
    from scipy.stats import entropy

    table = np.array(histograms)

    def divergences(first: Rows, second: Rows) -> Floats:
        found: Floats = entropy(table[first], table[second], axis=1)
        return found

    return divergences
