"""The features of a negative image: what a ligand should have where the receptor asks for it.

A donor lies where an acceptor of the receptor is reached, an acceptor where a donor is, along its lone pair or its bond
to hydrogen; a cation beside acids, an anion beside bases and metals; a ring where it stacks on an aromatic side chain;
a hydrophobe in the midst of apolar atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from metricvae.kinds.molecule.pharmacophore import TYPES, Pharmacophore
from metricvae.kinds.pocket.atom_roles import METALS, neighbours
from metricvae.kinds.pocket.buriedness import sphere_directions
from metricvae.kinds.pocket.image import spread
from metricvae.kinds.pocket.records import ACCEPTOR, ANION, CATION, DONOR, HYDROPHOBE, Floats, Receptor
from metricvae.kinds.pocket.residues import RINGS

DONORS, ACCEPTORS, ANIONS, CATIONS, HYDROPHOBES, RING_TYPE = range(len(TYPES))


@dataclass(frozen=True)
class FeatureConfig:
    """Where features lie.

    Attributes:
        bond: angstroms from an atom of the receptor to the atom of a ligand at the other end of a hydrogen bond.
        metal: angstroms from a metal to what it binds.
        ionic: angstroms from a base to the middle of an acid's group.
        stacking: angstroms between the middles of two stacked rings.
        clear: angstroms from a feature to atoms of the receptor but its own, at least.
        inside: angstroms from a feature to the next pseudo-atom, at most.
        apart: angstroms between two features of one type, at least.
        contact: angstroms from a pseudo-atom to an apolar atom that touches it, at most.
        contacts: apolar atoms that touch a hydrophobe, at least.
        polar: angstroms from a hydrophobe to oxygen and nitrogen, at least.
        hydrophobes_apart: angstroms between two hydrophobes, at least.
    """

    bond: float = 2.9
    metal: float = 2.2
    ionic: float = 3.6
    stacking: float = 3.7
    clear: float = 2.6
    inside: float = 1.3
    apart: float = 1.5
    contact: float = 5.0
    contacts: int = 4
    polar: float = 3.8
    hydrophobes_apart: float = 3.0


def features_of(receptor: Receptor, image: Floats, config: FeatureConfig | None = None) -> Pharmacophore:
    """The features of a negative image.

    Args:
        receptor: the atoms around it.
        image: (m, 3) its pseudo-atoms, angstroms.
        config: where features lie.
    """
    settings = config or FeatureConfig()
    inside = cKDTree(image)
    polar = _partners(receptor, inside, settings)
    polar[RING_TYPE] = _stacked(receptor, inside, settings)
    polar[HYDROPHOBES] = _hydrophobes(receptor, image, settings)
    types = np.concatenate([np.full(len(polar[number]), number) for number in range(len(TYPES))])
    places = np.concatenate([polar[number] for number in range(len(TYPES))])
    return Pharmacophore(types.astype(np.int64), places.reshape(-1, 3))


def _partners(receptor: Receptor, inside: cKDTree, settings: FeatureConfig) -> dict[int, Floats]:
    """Positions of donors, acceptors, anions and cations."""
    near = inside.query(receptor.positions)[0] <= settings.ionic + settings.inside
    bonds, atoms = neighbours(receptor.positions), cKDTree(receptor.positions)
    found: dict[int, list[Floats]] = {number: [] for number in (DONORS, ACCEPTORS, ANIONS, CATIONS)}
    for number in np.flatnonzero(near & (receptor.roles & (DONOR | ACCEPTOR | ANION | CATION) > 0)).tolist():
        role, metal = int(receptor.roles[number]), int(receptor.elements[number]) in METALS
        ways = sphere_directions(60) if metal else _directions(number, receptor.positions, bonds[number])
        asked = [(ACCEPTORS, bool(role & DONOR) or metal, settings.metal if metal else settings.bond)]
        asked += [(DONORS, bool(role & ACCEPTOR), settings.bond), (CATIONS, bool(role & ANION), settings.bond)]
        asked += [(ANIONS, bool(role & CATION), settings.ionic)]
        for kind, wanted, length in asked:
            if wanted and len(ways):
                places = receptor.positions[number] + length * ways
                found[kind].extend(_best(places, number, atoms, inside, settings))
    return {kind: _merged(places, settings.apart) for kind, places in found.items()}


def _directions(number: int, positions: Floats, bound: list[int]) -> Floats:
    """(k, 3) unit vectors along which an atom of the receptor is reached: away from its neighbours; for an atom at the
    end of a bond, on a cone of 60 degrees about it, and along it."""
    if not bound:
        return sphere_directions(60)
    away = positions[number] - positions[bound].mean(axis=0)
    length = float(np.linalg.norm(away))
    if length < 0.2 or len(bound) > 2:
        return np.zeros((0, 3))
    axis = away / length
    if len(bound) == 2:
        return axis[None]
    side = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    side /= np.linalg.norm(side)
    angles = np.arange(8)[:, None] * np.pi / 4
    cone = 0.5 * axis + np.sqrt(0.75) * (np.cos(angles) * side + np.sin(angles) * np.cross(axis, side))
    return np.concatenate([cone, axis[None]])


def _best(places: Floats, own: int, atoms: cKDTree, inside: cKDTree, settings: FeatureConfig) -> list[Floats]:
    """Of the places about an atom that are clear of others and inside the image, the one that is deepest inside."""
    depth, _ = inside.query(places)
    away, who = atoms.query(places, k=2)
    other = np.where(who[:, 0] == own, away[:, 1], away[:, 0])
    fine = np.flatnonzero((depth <= settings.inside) & (other >= settings.clear))
    return [places[fine[depth[fine].argmin()]]] if len(fine) else []


def _merged(places: list[Floats], apart: float) -> Floats:
    """Places of which those that lie nearer than `apart` to one are one, at their mean."""
    if not places:
        return np.zeros((0, 3))
    whole = np.array(places)
    near = cKDTree(whole).query_ball_point(whole, apart)
    order = np.argsort([-len(one) for one in near], kind="stable")
    return np.array([whole[near[place]].mean(axis=0) for place in order[spread(whole[order], apart)]])


def _stacked(receptor: Receptor, inside: cKDTree, settings: FeatureConfig) -> Floats:
    """Where a ring stacks on an aromatic side chain."""
    atoms, found = cKDTree(receptor.positions), list[Floats]()
    for ring in _rings(receptor):
        middle = receptor.positions[ring].mean(axis=0)
        normal = np.linalg.svd(receptor.positions[ring] - middle)[2][2]
        for place in (middle + settings.stacking * normal, middle - settings.stacking * normal):
            if inside.query(place)[0] <= settings.inside and atoms.query(place)[0] >= settings.clear:
                found.append(place)
    return _merged(found, settings.apart)


def _rings(receptor: Receptor) -> list[npt.NDArray[np.intp]]:
    """The atoms of each whole aromatic ring of a side chain, by number."""
    where: dict[tuple[str, str], dict[str, int]] = {}
    for number in np.flatnonzero(np.isin(receptor.residue_names, list(RINGS))).tolist():
        key = str(receptor.residue_names[number]), str(receptor.residue_ids[number])
        where.setdefault(key, {})[str(receptor.atom_names[number])] = number
    return [
        np.array([held[atom] for atom in ring], np.intp)
        for (name, _), held in where.items()
        for ring in RINGS[name]
        if all(atom in held for atom in ring)
    ]


def _hydrophobes(receptor: Receptor, image: Floats, settings: FeatureConfig) -> Floats:
    """Pseudo-atoms in the midst of apolar atoms, those with the most of them first."""
    apolar = receptor.positions[receptor.roles & HYDROPHOBE > 0]
    hetero = receptor.positions[np.isin(receptor.elements, (7, 8))]
    if not len(apolar):
        return np.zeros((0, 3))
    count = np.array([len(one) for one in cKDTree(apolar).query_ball_point(image, settings.contact)])
    fine = count >= settings.contacts
    if len(hetero):
        fine &= cKDTree(hetero).query(image)[0] >= settings.polar
    order = np.flatnonzero(fine)[np.argsort(-count[fine], kind="stable")]
    return image[order[spread(image[order], settings.hydrophobes_apart)]]
