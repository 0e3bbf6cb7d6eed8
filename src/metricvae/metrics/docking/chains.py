"""The minima of all chains of a search, from random starts or from overlays on a template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from metricvae.metrics.docking.config import DockingConfig
from metricvae.metrics.docking.energy import Field
from metricvae.metrics.docking.records import Floats, LigandArrays
from metricvae.metrics.docking.search import Effort, Pool, run_chain

LONGER = 5
"""Times as many steps as others that the minimisation of a pose that is kept may take."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """A minimum that a search found: its energy in kcal/mol, the conformer, the pose, and positions (n, 3)."""

    energy: float
    conformer: int
    pose: Floats
    positions: Floats


@dataclass(frozen=True, eq=False)
class Start:
    """A pose from which a chain may start.

    Attributes:
        conformer: its number.
        pose: (7 + torsions,), see `LigandArrays`.
    """

    conformer: int
    pose: Floats


@dataclass(frozen=True, eq=False)
class _Chain:
    """A conformer, poses (g, 7 + torsions) that are tried as starts, random ones beside them, and rounds."""

    conformer: int
    given: Floats
    starts: int
    rounds: int


def search_minima(
    ligands: Sequence[LigandArrays],
    field: Field,
    points: Floats,
    config: DockingConfig,
    starts: Sequence[Start] = (),
) -> list[Minimum]:
    """The minima of all chains, the best first.

    Args:
        ligands: one molecule in each conformer.
        field: what is minimised.
        points: (m, 3) places of random starts, in the frame of the field, angstroms.
        config: of the search.
        starts: on a template, the best first: where there are some, chains start from them, and fewer at random.
    """
    freedom = len(ligands[0].parents) + 5
    soft = field._replace(ceiling=config.ceiling)
    found: list[Minimum] = []
    for number, chain in enumerate(_chains(len(ligands), freedom, config, starts)):
        ligand = ligands[chain.conformer]
        effort = Effort(
            chain.starts,
            config.soft_steps,
            chain.rounds * freedom,
            config.steps,
            LONGER * config.steps,
            config.temperature,
        )
        shape = config.kept, len(ligand.types), 3
        pool = Pool(np.full(config.kept, np.inf), np.zeros((config.kept, freedom + 1)), np.zeros(shape))
        rng = np.random.default_rng((config.seed, number))
        run_chain(ligand, field, soft, points, chain.given, effort, pool, rng)
        for row in np.flatnonzero(np.isfinite(pool.energies)):
            found.append(Minimum(float(pool.energies[row]), chain.conformer, pool.poses[row], pool.positions[row]))
    return sorted(found, key=lambda one: one.energy)


def _chains(conformers: int, freedom: int, config: DockingConfig, starts: Sequence[Start]) -> Iterator[_Chain]:
    """The chains of a search: those on the template first."""
    chosen = list(dict.fromkeys(one.conformer for one in starts))[: config.template.chains]
    for conformer in chosen:
        given = np.stack([one.pose for one in starts if one.conformer == conformer])
        yield _Chain(conformer, given, 0, config.template.rounds)
    nothing = np.zeros((0, freedom + 1))
    count = config.chains + config.chains_a_torsion * (freedom - 6)
    for number in range(config.template.random if chosen else count):
        yield _Chain(number % conformers, nothing, config.starts, config.rounds)
