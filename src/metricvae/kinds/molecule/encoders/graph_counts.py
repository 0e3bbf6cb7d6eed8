"""Counts of what a molecule's graph holds, as fingerprints have them, from its tensor alone.

Circular substructures are numbered as the environments of Morgan's algorithm are (D. Rogers and M. Hahn, J. Chem. Inf.
Model. 50 (2010) 742): an atom by its element, charge, bonds, their orders, and whether it is in a ring, then by its own
number and those of its neighbours with the bonds to them, twice. Pairs of atoms are numbered by elements, bonds and
orders of both and by the bonds between them (R. Carhart et al., J. Chem. Inf. Comput. Sci. 25 (1985) 64). Numbers are
hashed to columns. Which atoms of a ring have the double bonds does not count, so both Kekule forms give the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metricvae.kinds.molecule.encoders.chemistry import CHARGE_SIGNS, ELEMENTS, charge_features, element_features
from metricvae.kinds.molecule.packing import COLUMNS, LINKED, TWO_BONDS, UNKNOWN
from metricvae.kinds.molecule.transforms import present

ENVIRONMENTS, PAIRS = 2_048, 512
"""Columns that circular substructures and pairs of atoms are hashed to."""

RADIUS = 2
"""Bonds from the middle of the largest circular substructures."""

BONDS = range(LINKED["single"], UNKNOWN + 1)
"""Codes of bonds, which are told apart outside of rings."""

NO_WAY = LINKED["no way"] - TWO_BONDS + 2
"""Bonds between two atoms that none connect."""

GRAPH_DESCRIPTORS = len(ELEMENTS) + 1 + len(CHARGE_SIGNS) + 7
COUNTS = (GRAPH_DESCRIPTORS, GRAPH_DESCRIPTORS + ENVIRONMENTS, GRAPH_DESCRIPTORS + ENVIRONMENTS + PAIRS)
"""Columns at which the blocks of counts begin, and that at which the last ends: those before are descriptors."""

_PRIME = 2_147_483_647
"""Products of two numbers below it fit into 64 bits."""


def graph_counts(molecules: Tensor) -> Tensor:
    """(m, A, 6 + A) -> (m, COUNTS[-1]) float32: descriptors of the graphs, then counts; see the module.

    The order of atoms and their coordinates have no part in it.
    """
    there, links = present(molecules), molecules[..., COLUMNS:].long()
    bonded = (links >= LINKED["single"]) & (links <= UNKNOWN)
    ways = bonds_between(links, bonded)
    in_ring = ring_bonds(ways, bonded)
    orders, degrees = torch.where(bonded, links - 1, 0).sum(2), bonded.sum(2)
    types = _together(_together(molecules[..., 4].long(), degrees), orders)
    numbers = _together(_together(types, molecules[..., 5].round().long() + 8), in_ring.any(2).long())
    sorts = torch.stack([in_ring, *((links == one) & bonded & ~in_ring for one in BONDS)], dim=1).double()
    environments = [numbers]
    for _ in range(RADIUS):
        environments.append(_together(environments[-1], _around(environments[-1], sorts)))
    circular = torch.stack([_counts(one, there, ENVIRONMENTS) for one in environments]).sum(0)
    return torch.cat([_descriptors(molecules, degrees, orders, ways), circular, _pairs(ways, types, there)], dim=1)


def bonds_between(links: Tensor, bonded: Tensor) -> Tensor:
    """(m, A, A) bonds on the shortest way from one atom to another: 0 to itself, `NO_WAY` where there is none.

    Args:
        links: (m, A, A) codes of `metricvae.kinds.molecule.packing.LINKED`.
        bonded: (m, A, A) which of them are bonds.
    """
    ways = torch.where(bonded, 1, links - TWO_BONDS + 2)
    ways.diagonal(dim1=1, dim2=2).zero_()
    return ways


def ring_bonds(ways: Tensor, bonded: Tensor) -> Tensor:
    """(m, A, A) which bonds are in a ring.

    A bond is in none if it is the only one between the atoms that are nearer to its first end than to its second, and
    all others.

    Args:
        ways: (m, A, A) as `bonds_between` gives them.
        bonded: (m, A, A) which atoms are bonded.
    """
    atoms = ways.shape[1]
    upper = bonded.triu(1).flatten(1)
    most = int(upper.sum(1).amax()) if upper.numel() else 0
    there, bond = upper.float().topk(most, dim=1)
    ends = [ways.gather(1, end[..., None].expand(-1, -1, atoms)) for end in (bond // atoms, bond % atoms)]
    near = (ends[0] < ends[1]).float()
    between = ((near @ bonded.float()) * (1.0 - near)).sum(2)
    found = torch.zeros_like(upper).scatter_(1, bond, (there > 0) & (between > 1)).unflatten(1, (atoms, atoms))
    return found | found.mT


def _descriptors(molecules: Tensor, degrees: Tensor, orders: Tensor, ways: Tensor) -> Tensor:
    """(m, GRAPH_DESCRIPTORS): atoms by element and charge; atoms, bonds, rings, further bonds of multiple ones, ends,
    branches, and the most bonds between two atoms."""
    atoms, bonds = present(molecules).sum(1), degrees.sum(1) // 2
    rings, multiple, ends, branches = bonds - atoms + 1, orders.sum(1) // 2 - bonds, degrees == 1, degrees > 2
    longest = torch.where(ways < NO_WAY, ways, 0).amax((1, 2))
    parts = [atoms, bonds, rings, multiple, ends.sum(1), branches.sum(1), longest]
    return torch.cat(
        [
            element_features(molecules, ELEMENTS).sum(1),
            charge_features(molecules).sum(1),
            torch.stack(parts, dim=1).float(),
        ],
        dim=1,
    )


def _around(numbers: Tensor, sorts: Tensor) -> Tensor:
    """(m, A) one number for those of the neighbours of each atom (m, A) and the sorts of bonds to them (m, s, A, A)."""
    kinds = torch.arange(1, sorts.shape[1] + 1, device=numbers.device)
    each = _together(numbers[:, None], kinds[:, None])
    return (sorts @ each.double()[..., None]).sum((1, 3)).long() % _PRIME  # sums of integers below 2 ** 53 are exact


def _pairs(ways: Tensor, types: Tensor, there: Tensor) -> Tensor:
    """(m, PAIRS) counts of pairs of atoms."""
    first, second = torch.triu_indices(ways.shape[1], ways.shape[1], 1, device=ways.device)
    hashed = _hashed(types)
    both = (hashed[:, first] + hashed[:, second]) * LINKED["no way"] + ways[:, first, second]
    return _counts(both, there[:, first] & there[:, second], PAIRS)


def _counts(numbers: Tensor, there: Tensor, columns: int) -> Tensor:
    """(m, columns) how many of (m, n) numbers that are there fall into each column."""
    found = torch.zeros(len(numbers), columns, device=numbers.device)
    return found.scatter_add_(1, _hashed(numbers) % columns, there.float())


def _together(numbers: Tensor, others: Tensor) -> Tensor:
    """One number for two, in this order."""
    return (_hashed(numbers) * 31 + _hashed(others + 17)) % _PRIME


def _hashed(numbers: Tensor) -> Tensor:
    """Numbers from 0 on, spread below the prime."""
    x = numbers % _PRIME
    return (x * x % _PRIME * 48_271 + x * 69_621 + 12_345) % _PRIME
