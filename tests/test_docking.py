"""Docking: terms and maps against closed forms, gradients against finite differences, made sites whose best pose is
known, and answers that do not depend on how the input lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metricvae.core.errors import InputError

Chem = pytest.importorskip("rdkit.Chem")

from metricvae.kinds.molecule.conformers import conform  # noqa: E402
from metricvae.kinds.pocket.records import ACCEPTOR, DONOR, HYDROPHOBE, Receptor  # noqa: E402
from metricvae.metrics.docking.atom_types import TYPES, ligand_types, receptor_types  # noqa: E402
from metricvae.metrics.docking.clustering import deviation, distinct, symmetries  # noqa: E402
from metricvae.metrics.docking.config import DockingConfig  # noqa: E402
from metricvae.metrics.docking.described import terms_of  # noqa: E402
from metricvae.metrics.docking.dock import UNBOUNDED, dock, dock_conformers  # noqa: E402
from metricvae.metrics.docking.energy import (  # noqa: E402
    Field,
    coordinates,
    energy_of,
    frames_of,
    no_maps,
    no_receptor_atoms,
)
from metricvae.metrics.docking.fields import maps_of, read_map  # noqa: E402
from metricvae.metrics.docking.minimise import minimise, moved  # noqa: E402
from metricvae.metrics.docking.near_pairs import near_pairs  # noqa: E402
from metricvae.metrics.docking.ranking import WEIGHTS, ranking_of, ranking_terms  # noqa: E402
from metricvae.metrics.docking.records import Floats, LigandArrays, ReceptorAtoms  # noqa: E402
from metricvae.metrics.docking.scoring import CONSENSUS, VINA, VINARDO, ScoringFunction, pair_table, pair_terms  # noqa: E402
from metricvae.metrics.docking.site import prepare_site  # noqa: E402
from metricvae.metrics.docking.torsions import arrays_of, dihedral, rotatable_bonds, topology_of  # noqa: E402

SMILES = "CC(=O)Nc1ccc(OCC(O)CNC(C)C)cc1"
QUICK = DockingConfig(conformers=2, chains=4, chains_a_torsion=0, starts=10, rounds=6, poses=3, strain=False)


def made_receptor(positions: Floats, types: np.ndarray, seed: int = 0) -> Receptor:
    """Some hundred atoms on a shell about a pose, each as near as it may be, and polar where the pose is."""
    rng = np.random.default_rng(seed)
    placed: list[Floats] = []
    roles, elements = [], []
    for direction in rng.normal(size=(4000, 3)):
        atom = rng.integers(len(positions))
        polar = TYPES[types[atom]][0] in "NO"
        place = positions[atom] + direction / np.linalg.norm(direction) * (2.9 if polar else 3.8)
        gaps = np.linalg.norm(positions - place, axis=1)
        others = np.linalg.norm(np.array(placed).reshape(-1, 3) - place, axis=1)
        if gaps.min() > (2.85 if polar else 3.75) and (not len(others) or others.min() > (2.2 if polar else 1.6)):
            placed.append(place)
            elements.append(8 if polar else 6)
            roles.append((DONOR | ACCEPTOR) if polar else HYDROPHOBE)
    count = len(placed)
    names = np.full(count, "X")
    return Receptor(
        np.array(elements, np.uint8), np.array(placed), np.full(count, 1.7), np.array(roles, np.uint8), *[names] * 3
    )


def random_pose(ligand: LigandArrays, seed: int, spread: float = 1.0) -> Floats:
    rng = np.random.default_rng(seed)
    pose = rng.normal(size=6 + len(ligand.parents)) * spread
    pose[3:7] /= np.linalg.norm(pose[3:7])
    return pose


def random_receptor_atoms(seed: int, count: int = 60) -> ReceptorAtoms:
    rng = np.random.default_rng(seed)
    return ReceptorAtoms(rng.uniform(-9, 9, (count, 3)), rng.integers(0, len(TYPES), count))


@pytest.fixture(scope="module")
def flexible() -> tuple[LigandArrays, Floats]:
    molecule = conform(SMILES, seed=3)[0]
    topology = topology_of(Chem.MolFromSmiles(molecule.smiles))
    return arrays_of(topology, molecule.positions), molecule.positions


@pytest.mark.parametrize("scoring", [VINA, VINARDO], ids=lambda one: one.name)
def test_terms_have_the_values_of_the_paper(scoring: ScoringFunction) -> None:
    carbon, donor, acceptor = TYPES.index("C.hydrophobic"), TYPES.index("N.donor"), TYPES.index("O.acceptor")
    (potential,) = scoring.potentials
    radii = potential.radius_of_types()
    touching = pair_terms(scoring, np.array(carbon), np.array(carbon), np.array(2 * radii[carbon]))
    if scoring is VINA:
        assert touching == pytest.approx([-0.0356 - 0.00516 * np.exp(-(1.5**2)), 0.0, -0.0351, 0.0])
    else:
        assert touching == pytest.approx([-0.045, 0.0, -0.035, 0.0])
    near = np.array(radii[donor] + radii[acceptor] - 1.0)
    bonded = pair_terms(scoring, np.array(donor), np.array(acceptor), near)
    assert bonded[1] == pytest.approx(potential.repulsion)
    assert bonded[3] == potential.hydrogen_bond.weight
    assert not pair_terms(scoring, np.array(donor), np.array(donor), near)[3]
    assert not pair_terms(scoring, np.array(carbon), np.array(carbon), np.array(8.0)).any()


def test_the_consensus_is_the_mean_of_its_potentials() -> None:
    parts = [pair_table(one) for one in (VINA, VINARDO)]
    np.testing.assert_allclose(pair_table(CONSENSUS), np.mean(parts, axis=0), atol=1e-6)


def test_atom_types_by_element_bonds_and_charge() -> None:
    def named(smiles: str) -> list[str]:
        return [TYPES[number] for number in ligand_types(Chem.MolFromSmiles(smiles))]

    assert named("CCN(C)C") == ["C.hydrophobic", "C.polar", "N.donor", "C.polar", "C.polar"]
    assert named("CC([O-])=O")[2:] == named("CC(O)=O")[2:] == ["O.acceptor", "O.acceptor"]
    assert named("CO")[1] == "O.both"
    assert named("c1cc[nH]c1")[3] == "N.donor"
    assert named("c1ccncc1")[3] == "N.acceptor"
    assert named("CC(=O)N(C)C")[3] == "N.plain"
    assert named("CC#N")[2] == "N.acceptor"
    with pytest.raises(InputError, match="parameters"):
        ligand_types(Chem.MolFromSmiles("C[Hg]C"))


def test_a_map_is_the_sum_over_atoms_at_its_points() -> None:
    around, table = random_receptor_atoms(1), pair_table(VINA)
    maps = maps_of(around, 12.0, 0.375, VINA, np.array([0, 5]))
    for kind in (0, 5):
        for corner in [(0, 0, 0), (7, 16, 30), (32, 32, 32)]:
            place = maps.origin + maps.spacing * np.array(corner)
            apart = np.linalg.norm(around.positions - place, axis=1)
            exact = pair_terms(VINA, np.array(kind), around.types, apart).sum()
            assert maps.values[kind][corner] == pytest.approx(exact, abs=2e-3)
    assert not maps.values[3].any()
    assert table.shape == (len(TYPES), len(TYPES), 64 * 32 + 2)


def test_a_map_is_read_with_its_gradient_and_holds_outside() -> None:
    maps = maps_of(random_receptor_atoms(2), 9.0, 0.375, VINA, np.array([0]))
    for place in (np.array([0.3, -1.1, 2.2]), np.array([5.5, 0.4, -7.1])):
        energy, *gradient = read_map(maps, 0, *place)
        for axis in range(3):
            step = np.eye(3)[axis] * 1e-6
            numeric = (read_map(maps, 0, *(place + step))[0] - read_map(maps, 0, *(place - step))[0]) / 2e-6
            assert gradient[axis] == pytest.approx(numeric, abs=1e-4)
        assert np.isfinite(energy)
    assert read_map(maps, 0, 10.0, 0.0, 0.0)[0] - read_map(maps, 0, 9.0, 0.0, 0.0)[0] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("smiles", "bonds"),
    [
        ("CCOc1ccccc1NC(=O)C", [(1, 2), (2, 3), (8, 9)]),
        ("CC(=O)OC", []),
        ("c1ccccc1C(F)(F)F", []),
        ("CC#CC", []),
        ("c1ccccc1-c1ccccc1", [(5, 6)]),
        ("CCCC", [(1, 2)]),
    ],
)
def test_rotatable_bonds(smiles: str, bonds: list[tuple[int, int]]) -> None:
    assert rotatable_bonds(Chem.MolFromSmiles(smiles)) == bonds


def test_the_pose_of_zero_angles_is_the_conformer_and_turns_keep_bonds(flexible: tuple[LigandArrays, Floats]) -> None:
    ligand, positions = flexible
    pose = np.zeros(6 + len(ligand.parents))
    pose[:3], pose[3] = positions.mean(axis=0), 1.0
    np.testing.assert_allclose(coordinates(ligand, pose), positions, atol=1e-12)
    mol = Chem.MolFromSmiles(conform(SMILES, seed=3)[0].smiles)
    turned = coordinates(ligand, random_pose(ligand, 5))
    for bond in mol.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        lengths = [np.linalg.norm(held[i] - held[j]) for held in (positions, turned)]
        assert lengths[0] == pytest.approx(lengths[1])


def test_an_angle_of_a_pose_turns_the_dihedral_by_as_much() -> None:
    molecule = conform("CCCC", seed=1)[0]
    ligand = arrays_of(topology_of(Chem.MolFromSmiles("CCCC")), molecule.positions)
    pose = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.7])
    change = dihedral(coordinates(ligand, pose)) - dihedral(molecule.positions)
    assert np.cos(change - 0.7) == pytest.approx(1.0)


def test_torsional_energy_is_least_where_crystals_are() -> None:
    molecule = conform("CCCC", seed=1)[0]
    ligand = arrays_of(topology_of(Chem.MolFromSmiles("CCCC")), molecule.positions)
    far = ReceptorAtoms(np.full((1, 3), 99.0), np.zeros(1, np.int64))
    field = Field(no_maps(len(TYPES)), far, pair_table(VINA), 0.0, 1.0, UNBOUNDED)
    energies = {}
    for angle in np.linspace(-np.pi, np.pi, 73):
        pose = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, angle])
        found = energy_of(pose, ligand, field, frames_of(ligand), np.zeros(7))
        energies[round(np.degrees(dihedral(coordinates(ligand, pose))) / 5) * 5] = found
    assert min(energies.values()) == pytest.approx(0.0, abs=0.05)
    assert abs(min(energies, key=energies.__getitem__)) in (60, 65, 180)


@pytest.mark.parametrize("gridded", [True, False])
def test_gradients_are_those_of_finite_differences(flexible: tuple[LigandArrays, Floats], gridded: bool) -> None:
    ligand, around = flexible[0], random_receptor_atoms(3)
    maps = maps_of(around, 10.0, 0.375, VINA, np.arange(len(TYPES)))
    table = pair_table(VINA)
    field = Field(maps, no_receptor_atoms() if gridded else around, table, 1.0, 0.3, 5.0)
    frames, size = frames_of(ligand), 5 + len(ligand.parents)
    for seed in range(3):
        pose, gradient, unused = random_pose(ligand, seed), np.zeros(size), np.zeros(size)
        trial = np.empty(size + 1)
        energy_of(pose, ligand, field, frames, gradient)
        for axis in range(size):
            numeric = 0.0
            for sign in (1.0, -1.0):
                moved(pose, np.eye(size)[axis], sign * 1e-6, trial)
                numeric += sign * energy_of(trial, ligand, field, frames, unused) / 2e-6
            assert gradient[axis] == pytest.approx(numeric, rel=1e-3, abs=1e-2)


def test_maps_approach_the_sum_over_atoms_by_the_square_of_the_spacing(flexible: tuple[LigandArrays, Floats]) -> None:
    ligand, positions = flexible
    placed = positions - positions.mean(axis=0)
    receptor = made_receptor(placed, ligand.types)
    around, table = ReceptorAtoms(receptor.positions, receptor_types(receptor)), pair_table(VINA)
    pose = np.zeros(6 + len(ligand.parents))
    pose[3] = 1.0

    def energy(spacing: float, atoms: ReceptorAtoms) -> float:
        maps = maps_of(around, 24.0, spacing, VINA, ligand.types)
        field = Field(maps, atoms, table, 0.0, 0.0, UNBOUNDED)
        return float(energy_of(pose, ligand, field, frames_of(ligand), np.zeros(len(pose) - 1)))

    exact = energy(1.0, around)
    errors = [energy(spacing, no_receptor_atoms()) - exact for spacing in (0.4, 0.2)]
    assert abs(errors[1]) < 0.4 * abs(errors[0])
    assert sum(terms_of(VINA, near_pairs(around, ligand.types, placed, VINA.cutoff)).values()) == pytest.approx(
        exact, abs=0.02
    )
    parts = ranking_terms(near_pairs(around, ligand.types, placed, VINA.cutoff)) | {"inside": 0.0, "torsion": 0.0}
    assert parts.keys() == WEIGHTS.keys()
    assert sum(value for name, value in parts.items() if name.startswith("vina.")) == pytest.approx(exact, abs=0.02)
    assert ranking_of(dict.fromkeys(parts, 1.0)) == pytest.approx(sum(WEIGHTS.values()))


def test_minimisation_descends_to_where_another_gains_nothing(flexible: tuple[LigandArrays, Floats]) -> None:
    """The terms have kinks, at which minima lie and gradients do not vanish."""
    ligand, around = flexible[0], random_receptor_atoms(4, 30)
    field = Field(no_maps(len(TYPES)), around, pair_table(VINA), 1.0, 0.1, UNBOUNDED)
    for seed in range(6):
        pose, gradient = random_pose(ligand, seed, 2.0), np.zeros(5 + len(ligand.parents))
        before = energy_of(pose, ligand, field, frames_of(ligand), gradient)
        after = minimise(pose, ligand, field, frames_of(ligand), 200)
        assert after < before - 10
        assert energy_of(pose, ligand, field, frames_of(ligand), gradient) == pytest.approx(after)
        assert np.linalg.norm(pose[3:7]) == pytest.approx(1.0)
        assert after - 0.05 < minimise(pose, ligand, field, frames_of(ligand), 200) <= after


def test_symmetric_poses_are_one() -> None:
    mol = Chem.MolFromSmiles("c1ccccc1")
    flat = np.column_stack([np.cos(np.arange(6) * np.pi / 3), np.sin(np.arange(6) * np.pi / 3), np.zeros(6)])
    permutations = symmetries(mol)
    assert len(permutations) == 12
    assert permutations[0].tolist() == list(range(6))
    assert deviation(flat, np.roll(flat, 1, axis=0), permutations) == pytest.approx(0.0, abs=1e-9)
    poses = np.stack([flat, np.roll(flat, 2, axis=0), flat + np.array([0.0, 0.0, 3.0])])
    assert distinct(poses, permutations, 1.0, 9) == [0, 2]


@pytest.fixture(scope="module")
def made() -> tuple[Receptor, Floats, str]:
    """A receptor made around a conformer that is not among those of the search, the pose and the SMILES."""
    molecule = conform(SMILES, seed=77)[0]
    types = ligand_types(Chem.MolFromSmiles(molecule.smiles))
    return made_receptor(molecule.positions, types), molecule.positions, molecule.smiles


def test_the_pose_that_a_site_was_made_for_is_found(made: tuple[Receptor, Floats, str]) -> None:
    receptor, positions, smiles = made
    poses = dock(receptor, positions.mean(axis=0), smiles, replace(QUICK, chains=8, strain=True))
    permutations = symmetries(Chem.MolFromSmiles(smiles))
    assert deviation(positions, poses[0].molecule.positions, permutations) < 1.5
    assert [pose.ranking for pose in poses] == sorted(pose.ranking for pose in poses)
    assert all(np.isfinite(list(pose.terms.values())).all() for pose in poses)
    assert poses[0].score < -4.0
    assert poses[0].clashes == 0
    assert all(pose.strain is not None and 0.0 <= pose.strain < 60.0 for pose in poses)
    for one in range(len(poses)):
        for other in range(one):
            held = [poses[number].molecule.positions for number in (one, other)]
            assert deviation(*held, permutations) >= QUICK.apart


def test_the_answer_is_the_same_twice_and_from_any_pose_of_the_input(made: tuple[Receptor, Floats, str]) -> None:
    receptor, positions, smiles = made
    centre = positions.mean(axis=0)
    poses = dock(receptor, centre, smiles, QUICK)
    again = dock(receptor, centre, Chem.MolToSmiles(Chem.MolFromSmiles(smiles), doRandom=True), QUICK)
    rotation = np.linalg.qr(np.random.default_rng(9).normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    shift = np.array([30.0, -12.0, 7.0])
    turned = dock(
        replace(receptor, positions=receptor.positions @ rotation.T + shift), rotation @ centre + shift, smiles, QUICK
    )
    assert [pose.energy for pose in again] == [pose.energy for pose in poses]
    assert [pose.energy for pose in turned] == [pose.energy for pose in poses]
    np.testing.assert_array_equal(again[0].molecule.positions, poses[0].molecule.positions)
    np.testing.assert_allclose(
        turned[0].molecule.positions, poses[0].molecule.moved(rotation, shift).positions, atol=1e-6
    )


def test_a_site_that_is_ready_serves_many_molecules(made: tuple[Receptor, Floats, str]) -> None:
    receptor, positions, smiles = made
    site = prepare_site(receptor, positions.mean(axis=0), VINA)
    for one in (smiles, "CCO" * 2):
        assert dock_conformers(site, conform(one, QUICK.seed + 1, 2, distinct=0.1), QUICK)


def test_bad_input_is_refused(made: tuple[Receptor, Floats, str]) -> None:
    receptor, positions, smiles = made
    with pytest.raises(InputError, match="near the site"):
        dock(receptor, positions.mean(axis=0) + 200.0, smiles)
    with pytest.raises(InputError, match="three coordinates"):
        dock(receptor, np.array([0.0, np.nan, 0.0]), smiles)
    with pytest.raises(InputError, match="width"):
        dock(receptor, positions.mean(axis=0), smiles, replace(QUICK, width=100.0))
    with pytest.raises(InputError, match="scoring function"):
        DockingConfig(scoring="glide")
    with pytest.raises(InputError, match="chains"):
        DockingConfig(chains=0)
    with pytest.raises(InputError, match="parse"):
        dock(receptor, positions.mean(axis=0), "C1CC")
