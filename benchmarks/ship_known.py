"""Learn the prior of processes on known ligands from many targets, and put it into the package. JSON on stdout.

    python benchmarks/ship_known.py AFFINITY ACTIVITY [--out known_prior.json]

Series of Uni-FEP (one ChEMBL assay each) and subsets of targets of MoleculeACE, forty ligands at most each; what shares
a ligand or a protein with the Merck, Schrodinger and PLB sets is left out. All constants but `spread` are those of
largest mean marginal likelihood of a ligand (type II maximum likelihood, Adam); `spread` is that of which five-fold
cross-validation by protein gives the largest predictive density of the other ligands of a series when three or ten are
known. The prior means that a model would give are not in the data: `offset`, `trust` and `follow` are chosen by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from metricvae.metrics.affinity.known import KnownLigands
from metricvae.metrics.affinity.known_kernels import DESCRIPTORS, FINGERPRINTS, kernels
from metricvae.metrics.affinity.known_prior import PRIOR_FILE, KnownPrior
from metricvae.reproduction.affinity.ligand_series import (
    TESTS,
    LigandSeries,
    moleculeace,
    systems_of,
    taken,
    unifep,
    without,
)
from metricvae.runtime.files import write_text

MOST, SUBSETS, STEPS, RATE, FOLDS = 40, 8, 200, 0.05, 5
SPREADS, KNOWN = (0.1, 0.25, 0.5, 0.75, 1.0), (3, 10)
OFFSET, TRUST, FOLLOW, CODES = 0.5, (0.7, 0.35), 0.5, 0.12
NAMES = (*FINGERPRINTS, "descriptors")
Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def subsets(series: list[LigandSeries], count: int) -> list[LigandSeries]:
    """Up to `count` disjoint subsets of each."""
    found = []
    for one in series:
        rows = np.random.default_rng(0).permutation(len(one.pk))
        found += [taken(one, rows[at : at + MOST]) for at in range(0, min(len(rows), count * MOST), MOST)]
    return [one for one in found if len(one.pk) >= 8]


def batch(series: list[LigandSeries]) -> Batch:
    """Kernels, descriptors, values, and which rows there are, padded."""
    count = len(series)
    related, numbers = np.zeros((count, len(NAMES), MOST, MOST)), np.zeros((count, MOST, len(DESCRIPTORS)))
    values, there = np.zeros((count, MOST)), np.zeros((count, MOST), bool)
    for row, one in enumerate(series):
        n = len(one.pk)
        related[row, :, :n, :n] = kernels(one.ligands, one.ligands)
        numbers[row, :n], values[row, :n], there[row, :n] = one.ligands.descriptors, one.pk, True
    return torch.tensor(related), torch.tensor(numbers), torch.tensor(values), torch.tensor(there)


def initial() -> dict[str, Tensor]:
    """Logarithms of variances, and means."""
    width = len(DESCRIPTORS)
    made = {
        "kernels": torch.full((len(NAMES),), 0.3).log(),
        "noise": torch.tensor(0.15).log(),
        "level": torch.tensor(0.5).log(),
        "slopes": torch.full((width,), 0.02).log(),
        "freedom": torch.tensor(6.0).log(),
        "mean": torch.tensor(6.5),
        "means": torch.zeros(width),
    }
    return {name: value.double().requires_grad_() for name, value in made.items()}


def evidence(found: dict[str, Tensor], data: Batch) -> Tensor:
    """(t,) logarithms of the multivariate t densities of the values of each series."""
    related, numbers, values, there = data
    both = there[:, :, None] & there[:, None, :]
    total = torch.einsum("k,tkij->tij", found["kernels"].exp(), related) + found["level"].exp()
    total = (total + torch.einsum("tid,d,tjd->tij", numbers, found["slopes"].exp(), numbers)) * both
    total = total + torch.diag_embed(torch.where(there, found["noise"].exp(), 1.0))
    residuals = (values - found["mean"] - numbers @ found["means"]) * there
    lower = torch.linalg.cholesky(total)
    half = torch.linalg.solve_triangular(lower, residuals[:, :, None], upper=False)[:, :, 0]
    count, freedom = there.sum(dim=1).double(), 2 + found["freedom"].exp()
    density = -torch.log(torch.diagonal(lower, dim1=1, dim2=2)).sum(dim=1)
    density = density - (freedom + count) / 2 * torch.log1p((half**2).sum(dim=1) / freedom)
    density = density + torch.lgamma((freedom + count) / 2) - torch.lgamma(freedom / 2)
    return density - count / 2 * torch.log(freedom * torch.pi)


def learned(data: Batch, spread: float) -> KnownPrior:
    """The prior of largest mean marginal likelihood of a ligand."""
    found, count = initial(), data[3].sum(dim=1)
    optimiser = torch.optim.Adam(found.values(), lr=RATE)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = -(evidence(found, data) / count).mean() + 1e-3 * (found["means"] ** 2).sum()
        loss.backward()
        optimiser.step()
    number = {name: value.detach().numpy() for name, value in found.items()}
    variance = {name: np.exp(number[name]) for name in ("kernels", "noise", "level", "slopes", "freedom")}
    slopes = zip(DESCRIPTORS, number["means"].tolist(), np.sqrt(variance["slopes"]).tolist(), strict=True)
    return KnownPrior(
        kernels={name: round(value, 4) for name, value in zip(NAMES, variance["kernels"].tolist(), strict=True)},
        codes=CODES,
        noise=round(float(variance["noise"]), 4),
        spread=spread,
        freedom=round(2 + float(variance["freedom"]), 2),
        level=(round(float(number["mean"]), 3), round(float(np.sqrt(variance["level"])), 3)),
        slopes={name: (round(mean, 4), round(deviation, 4)) for name, mean, deviation in slopes},
        offset=OFFSET,
        trust=TRUST,
        follow=FOLLOW,
    )


def density(series: list[LigandSeries], settings: KnownPrior) -> list[float]:
    """Mean logarithms of the predictive density of the other ligands of each series, over numbers of known ones."""
    found = []
    for one in series:
        if len(one.pk) < max(KNOWN) + 6:
            continue
        rows, parts = np.random.default_rng(1).permutation(len(one.pk)), []
        for count in KNOWN:
            known, rest = taken(one, rows[:count]), taken(one, rows[count:])
            mean, sd = KnownLigands.fit(known.smiles, known.pk, settings=settings).estimate(rest.ligands)
            parts.append(float(stats.norm.logpdf(rest.pk, mean, sd).mean()))
        found.append(float(np.mean(parts)))
    return found


def chosen_spread(series: list[LigandSeries]) -> dict[float, float]:
    """Held-out mean logarithm of the predictive density, by `spread`."""
    clusters = sorted({one.cluster for one in series})
    fold = dict(zip(clusters, np.random.default_rng(0).permutation(len(clusters)) % FOLDS, strict=True))
    found: dict[float, list[float]] = {spread: [] for spread in SPREADS}
    for number in range(FOLDS):
        data = batch([one for one in series if fold[one.cluster] != number])
        prior = learned(data, 0.5)
        for spread in SPREADS:
            settings = KnownPrior(**{**vars(prior), "spread": spread})
            found[spread] += density([one for one in series if fold[one.cluster] == number], settings)
        print(
            f"fold {number + 1} of {FOLDS}",
            {key: round(np.mean(value), 4) for key, value in found.items()},
            file=sys.stderr,
        )
    return {spread: float(np.mean(values)) for spread, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("affinity", type=Path)
    parser.add_argument("activity", type=Path)
    parser.add_argument("--out", type=Path, default=PRIOR_FILE)
    options = parser.parse_args()
    tested = {
        name for test in TESTS for one in systems_of(options.affinity, test) for name in one.ligands.names.tolist()
    }
    targets = [without(one, tested) for one in moleculeace(options.activity, left_out=False)]
    series = subsets(unifep(options.affinity), 1) + subsets(targets, SUBSETS)
    densities = chosen_spread(series)
    prior = learned(batch(series), max(densities, key=lambda spread: densities[spread]))
    write_text(options.out, json.dumps(prior.as_json(), indent=1) + "\n")
    print(json.dumps({"series": len(series), "densities": densities, "prior": prior.as_json()}))


if __name__ == "__main__":
    main()
