"""Empirical scoring functions of docking: terms of the distance between the surfaces of two atoms.

For two atoms at a distance r with radii R_i and R_j, d = r - R_i - R_j, the energy is a weighted sum of

| term | value |
| --- | --- |
| Gaussians | exp(-((d - offset) / width)^2) |
| repulsion | d^2 where d < 0 |
| hydrophobic | 1 where d is at most `near`, 0 from `far` on, linear between; two hydrophobic atoms |
| hydrogen bond | the same, for a donor and an acceptor; metals are donors |

out to a cut-off. Units are kcal/mol, by the fits of the authors. `VINA` is O. Trott and A. J. Olson, J. Comput. Chem.
31 (2010) 455; `VINARDO` is R. Quiroga and M. A. Villarreal, PLoS ONE 11 (2016) e0155183; `CONSENSUS` is the mean of
both.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metricvae.core.errors import InputError
from metricvae.metrics.docking.atom_types import (
    ACCEPTORS,
    DONORS,
    ELEMENT_OF,
    HYDROPHOBES,
    METAL,
    TYPES,
)
from metricvae.metrics.docking.records import Floats, Ints

_KINDS = np.arange(len(TYPES))
_IS_HYDROPHOBE, _IS_DONOR, _IS_ACCEPTOR = (np.isin(_KINDS, held) for held in (HYDROPHOBES, DONORS, ACCEPTORS))

BINS_PER_SQUARE = 32
"""Entries of a table of energies for each square angstrom of the squared distance."""


@dataclass(frozen=True)
class Gaussian:
    """A term exp(-((d - offset) / width)^2) of weight `weight` kcal/mol; lengths in angstroms."""

    offset: float
    width: float
    weight: float


@dataclass(frozen=True)
class Ramp:
    """A term that is 1 up to `near`, 0 from `far` on and linear between, of weight `weight` kcal/mol; angstroms."""

    near: float
    far: float
    weight: float


@dataclass(frozen=True)
class PairPotential:
    """Weights and lengths of the terms of an author's scoring function.

    Attributes:
        radii: angstroms by atomic number.
        gaussians: attraction of any two atoms.
        repulsion: weight of the squared overlap, kcal/mol per square angstrom.
        hydrophobic, hydrogen_bond: contacts of atoms of these types.
        metal: radius of metals, angstroms.
    """

    radii: tuple[tuple[int, float], ...]
    gaussians: tuple[Gaussian, ...]
    repulsion: float
    hydrophobic: Ramp
    hydrogen_bond: Ramp
    metal: float = 1.2

    def radius_of_types(self) -> Floats:
        """(types,) radii in angstroms."""
        known = dict(self.radii)
        return np.array([self.metal if kind == METAL else known[ELEMENT_OF[kind]] for kind in range(len(TYPES))])


@dataclass(frozen=True)
class ScoringFunction:
    """A scoring function: the mean of one or more potentials between pairs of atoms.

    Attributes:
        name: as configurations have it.
        potentials: whose mean it is.
        per_torsion: the energy is divided by 1 + so much for each rotatable bond.
        cutoff: angstroms between two atoms that interact, at most.
    """

    name: str
    potentials: tuple[PairPotential, ...]
    per_torsion: float
    cutoff: float = 8.0


_VINA = PairPotential(
    radii=(
        *((5, 1.92), (6, 1.9), (7, 1.8), (8, 1.7), (9, 1.5), (14, 2.2), (15, 2.1), (16, 2.0), (17, 1.8)),
        *((35, 2.0), (53, 2.2)),
    ),
    gaussians=(Gaussian(0.0, 0.5, -0.0356), Gaussian(3.0, 2.0, -0.00516)),
    repulsion=0.840,
    hydrophobic=Ramp(0.5, 1.5, -0.0351),
    hydrogen_bond=Ramp(-0.7, 0.0, -0.587),
)

_VINARDO = PairPotential(
    radii=(
        *((5, 1.92), (6, 2.0), (7, 1.7), (8, 1.6), (9, 1.5), (14, 2.2), (15, 2.1), (16, 2.0), (17, 1.8)),
        *((35, 2.0), (53, 2.2)),
    ),
    gaussians=(Gaussian(0.0, 0.8, -0.045),),
    repulsion=0.800,
    hydrophobic=Ramp(0.0, 2.5, -0.035),
    hydrogen_bond=Ramp(-0.6, 0.0, -0.600),
)

VINA = ScoringFunction("vina", (_VINA,), per_torsion=0.0585)
VINARDO = ScoringFunction("vinardo", (_VINARDO,), per_torsion=0.020)
CONSENSUS = ScoringFunction("consensus", (_VINA, _VINARDO), per_torsion=0.0585)

SCORING_FUNCTIONS = {one.name: one for one in (CONSENSUS, VINA, VINARDO)}


def scoring_function(name: str) -> ScoringFunction:
    """The scoring function of a name.

    Raises:
        InputError: no such function.
    """
    if name not in SCORING_FUNCTIONS:
        raise InputError(f"the scoring function is {name!r}: expected one of {', '.join(SCORING_FUNCTIONS)}")
    return SCORING_FUNCTIONS[name]


TERMS = ("attraction", "repulsion", "hydrophobic", "hydrogen_bond")
"""The parts of an energy, in the order of `pair_terms`."""


def pair_terms(scoring: ScoringFunction, first: Ints, second: Ints, distances: Floats) -> Floats:
    """The terms between pairs of atoms, weighted.

    Args:
        scoring: the scoring function.
        first, second: types of the atoms; they and the distances are broadcast against each other.
        distances: angstroms.

    Returns:
        (4, ...) kcal/mol, in the order of `TERMS`; zero from the cut-off on.
    """
    parts = [parts_of(one, first, second, distances) for one in scoring.potentials]
    terms = [np.stack([part[:-3].sum(axis=0), *part[-3:]]) for part in parts]
    return np.where(distances < scoring.cutoff, np.mean(terms, axis=0), 0.0)


def parts_of(potential: PairPotential, first: Ints, second: Ints, distances: Floats) -> Floats:
    """(g + 3, ...) as `pair_terms`, of one potential, with its g Gaussians apart and without a cut-off."""
    radii = potential.radius_of_types()
    surface = distances - radii[first] - radii[second]
    oily = _IS_HYDROPHOBE[first] & _IS_HYDROPHOBE[second]
    bonded = _IS_DONOR[first] & _IS_ACCEPTOR[second] | _IS_ACCEPTOR[first] & _IS_DONOR[second]
    attraction = [one.weight * np.exp(-(((surface - one.offset) / one.width) ** 2)) for one in potential.gaussians]
    repulsion = potential.repulsion * np.minimum(surface, 0.0) ** 2
    contacts = oily * _ramp(potential.hydrophobic, surface), bonded * _ramp(potential.hydrogen_bond, surface)
    return np.stack([*attraction, repulsion, *contacts])


def _ramp(term: Ramp, surface: Floats) -> Floats:
    found: Floats = term.weight * np.clip((term.far - surface) / (term.far - term.near), 0.0, 1.0)
    return found


@functools.cache
def pair_table(scoring: ScoringFunction) -> npt.NDArray[np.float32]:
    """(types, types, bins) energies in kcal/mol at squared distances in steps of 1 / `BINS_PER_SQUARE`.

    The last two entries are zero, so that interpolation out to the cut-off stays inside. Made once, and not written to.
    """
    bins = round(scoring.cutoff**2 * BINS_PER_SQUARE) + 2
    squares = np.arange(bins) / BINS_PER_SQUARE
    terms = pair_terms(scoring, _KINDS[:, None, None], _KINDS[:, None], np.sqrt(squares))
    found = np.ascontiguousarray(terms.sum(axis=0), np.float32)
    found.flags.writeable = False
    return found
