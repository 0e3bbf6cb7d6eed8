"""What other targets teach about a new one: prior means of the variances, slopes and noise of a process.

The constants that ship are in `known_prior.json`; `benchmarks/ship_known.py` learns them from many targets.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metricvae.metrics.affinity.known_kernels import DESCRIPTORS, KERNELS, LigandFeatures
from metricvae.metrics.affinity.known_process import Floats

PRIOR_FILE = Path(__file__).with_name("known_prior.json")
FORMAT = 1


@dataclass(frozen=True)
class KnownPrior:
    """Prior of the process of one target. Variances are in squared pK.

    Attributes:
        kernels: variances of the kernels, by their names, all but that of codes.
        codes: share of the sum of these that goes to codes of a model, where there are any.
        noise: variance of one measurement.
        spread: standard deviation, from target to target, of the logarithms of these variances.
        freedom: degrees of freedom of the overall variance, more than 2.
        level: mean and standard deviation of the pK of an average ligand.
        slopes: mean and standard deviation of the slope of each standardised descriptor.
        offset: standard deviation of the mean error of a prior mean that is given.
        trust: mean and standard deviation of the slope on a prior mean that is given.
        follow: part of the mean slopes that counts beside a prior mean that is given.
    """

    kernels: Mapping[str, float]
    codes: float
    noise: float
    spread: float
    freedom: float
    level: tuple[float, float]
    slopes: Mapping[str, tuple[float, float]]
    offset: float
    trust: tuple[float, float]
    follow: float

    def logs(self, count: int) -> Floats:
        """(count + 1,) logarithms of the variances of the first `count` of :data:`KERNELS`, and of the noise."""
        variances = np.array([self.kernels[name] for name in KERNELS[:-1]])
        if count == len(KERNELS):
            variances = np.append((1 - self.codes) * variances, self.codes * variances.sum())
        return np.log(np.maximum([*variances, self.noise], 1e-12))

    def mean(self, ligands: LigandFeatures, given: Floats | None) -> Floats:
        """(n,) prior means of ligands, from descriptors, and from what is given where something is."""
        slopes = ligands.descriptors @ np.array([self.slopes[name][0] for name in DESCRIPTORS])
        if given is None:
            return np.asarray(self.level[0] + slopes)
        return np.asarray(self.level[0] + self.trust[0] * (given - self.level[0]) + self.follow * slopes)

    def factor(self, ligands: LigandFeatures, given: Floats | None) -> Floats:
        """(n, p) columns, the products of which are the covariance of all that is linear."""
        slopes = ligands.descriptors * [self.slopes[name][1] for name in DESCRIPTORS]
        if given is None:
            return np.column_stack([np.full(len(ligands), self.level[1]), slopes])
        return np.column_stack([np.full(len(ligands), self.offset), self.trust[1] * (given - self.level[0]), slopes])

    def as_json(self) -> dict[str, Any]:
        """What :func:`read_prior` reads."""
        return {
            "format": FORMAT,
            **{name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self).items()},
        }


def read_prior(path: Path) -> KnownPrior:
    """A prior from its JSON."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return KnownPrior(
        kernels=found["kernels"],
        slopes={name: (mean, deviation) for name, (mean, deviation) in found["slopes"].items()},
        level=(found["level"][0], found["level"][1]),
        trust=(found["trust"][0], found["trust"][1]),
        **{name: float(found[name]) for name in ("codes", "noise", "spread", "freedom", "offset", "follow")},
    )


@functools.cache
def shipped_prior() -> KnownPrior:
    """The prior that ships."""
    return read_prior(PRIOR_FILE)
