"""Overlays by shape and colour: known answers, laws, derivatives, and a brute-force oracle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("rdkit")

from metricvae.cli import main
from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform, flat
from metricvae.kinds.molecule.mol_blocks import write_sdf
from metricvae.kinds.molecule.pharmacophore import TYPES, Pharmacophore, pharmacophore_of
from metricvae.kinds.molecule.records import Molecule
from metricvae.metrics.shape.metric import ColourSolver, ShapeMetric
from metricvae.metrics.shape.solver.coloured import (
    CHANNELS,
    By,
    ColouredMolecule,
    coloured,
    coloured_channels,
    consensus,
    overlay_coloured,
    prepare_coloured,
)
from metricvae.metrics.shape.solver.overlays import THOROUGH, OverlayConfig, overlay
from metricvae.metrics.shape.solver.volumes import refine, weighted_derivatives

SMILES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "NCCc1c[nH]c2ccccc12",
    "CN1CCC[C@H]1c1cccnc1",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "CCCCCCC",
)
OBJECTIVES: tuple[By, ...] = ("shape", "colour", "combo")


@pytest.fixture(scope="module")
def molecules() -> list[Molecule]:
    return [conform(smiles, seed=1)[0] for smiles in SMILES]


@pytest.fixture(scope="module")
def ready(molecules: list[Molecule]) -> list[ColouredMolecule]:
    return [coloured(one) for one in molecules]


def moved(molecule: Molecule, seed: int) -> Molecule:
    rotation = Rotation.random(random_state=seed).as_matrix()
    return molecule.moved(rotation, np.random.default_rng(seed).normal(0, 10, 3))


def named(molecule: Molecule) -> list[str]:
    return [TYPES[number] for number in pharmacophore_of(molecule).types.tolist()]


# Pharmacophore


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCCO", {"donor": 1, "acceptor": 1}),
        ("CCC(=O)O", {"donor": 1, "acceptor": 2, "anion": 1}),
        ("CCCN", {"donor": 1, "cation": 1}),
        ("c1ccncc1", {"acceptor": 1, "ring": 1}),
        ("NC(=N)NCC", {"cation": 1}),
        ("C[N+](C)(C)CC", {"cation": 1}),
        ("[O-][N+](=O)CC", {}),
    ],
)
def test_features_of_small_molecules(smiles: str, expected: dict[str, int]) -> None:
    found = named(flat(smiles))
    for name in ("donor", "acceptor", "anion", "cation", "ring"):
        if name in expected or not expected:
            assert found.count(name) == expected.get(name, 0), (name, found)
    if smiles == "NC(=N)NCC":
        assert "cation" in found


def test_features_move_with_their_atoms_and_do_not_depend_on_their_order(molecules: list[Molecule]) -> None:
    one = molecules[0]
    rotation, translation = Rotation.random(random_state=3).as_matrix(), np.array([1.0, -2.0, 3.0])
    there, here = pharmacophore_of(one.moved(rotation, translation)), pharmacophore_of(one)
    assert there.types.tolist() == here.types.tolist()
    assert there.positions == pytest.approx(here.positions @ rotation.T + translation)
    order = np.random.default_rng(0).permutation(len(one.elements))
    place = np.argsort(order)
    bonds = one.bonds.copy()
    bonds[:, :2] = place[bonds[:, :2]]
    mixed = pharmacophore_of(Molecule("", one.smiles, one.elements[order], one.positions[order], bonds))
    listed = [
        sorted((number, *row) for number, row in zip(each.types, each.positions.round(6).tolist(), strict=True))
        for each in (here, mixed)
    ]
    assert listed[0] == listed[1]


def test_a_molecule_of_unknown_bonds_has_no_features(molecules: list[Molecule]) -> None:
    bonds = molecules[0].bonds.copy()
    bonds[0, 2] = 0
    assert len(pharmacophore_of(dataclasses.replace(molecules[0], bonds=bonds))) == 0


# Laws


@pytest.mark.parametrize("by", OBJECTIVES)
def test_a_molecule_is_itself_in_any_pose(molecules: list[Molecule], by: By) -> None:
    for seed, one in enumerate(molecules):
        found = overlay_coloured([coloured(one), coloured(moved(one, seed))], [(0, 1)], by)
        assert found.scores(by)[0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("by", OBJECTIVES)
def test_scores_are_symmetric_bounded_and_the_same_from_any_pose(
    molecules: list[Molecule], ready: list[ColouredMolecule], by: By
) -> None:
    pairs = [(a, b) for a in range(len(ready)) for b in range(a)]
    found = overlay_coloured(ready, pairs, by)
    back = overlay_coloured(ready, [(b, a) for a, b in pairs], by)
    assert found.scores(by).tolist() == back.scores(by).tolist()
    assert (found.scores(by) <= 1.0).all()
    assert (found.scores(by) >= 0.0).all()
    posed = [coloured(moved(one, 7 + seed)) for seed, one in enumerate(molecules)]
    assert overlay_coloured(posed, pairs, by).scores(by) == pytest.approx(found.scores(by), abs=2e-3)
    assert overlay_coloured(ready, pairs, by, threads=2).scores(by).tolist() == found.scores(by).tolist()


def test_each_objective_is_largest_where_it_is_maximised(ready: list[ColouredMolecule]) -> None:
    pairs = [(a, b) for a in range(4) for b in range(a)]
    found = {by: overlay_coloured(ready, pairs, by, THOROUGH) for by in OBJECTIVES}
    for by in OBJECTIVES:
        for other in OBJECTIVES:
            assert (found[by].scores(by) >= found[other].scores(by) - 1e-4).all()


def test_by_shape_it_is_the_overlay_of_atoms(molecules: list[Molecule], ready: list[ColouredMolecule]) -> None:
    solver = ShapeMetric().solver
    plain = overlay(solver.prepare(molecules[0]), solver.prepare(molecules[1]))
    found = overlay_coloured(ready, [(0, 1)], "shape")[0]
    assert found.overlap == pytest.approx(plain.overlap, rel=1e-6)
    assert found.tanimoto == found.shape_tanimoto == pytest.approx(plain.tanimoto, rel=1e-6)


def test_the_motion_gives_the_scores_that_are_told(molecules: list[Molecule], ready: list[ColouredMolecule]) -> None:
    found = overlay_coloured(ready, [(0, 1)], "combo")[0]
    laid = pharmacophore_of(molecules[1].moved(found.rotation, found.translation))
    fixed = pharmacophore_of(molecules[0])
    alpha = float(ready[0].molecule.atoms.alpha[-1])
    square = ((fixed.positions[:, None] - laid.positions) ** 2).sum(-1)
    same = fixed.types[:, None] == laid.types
    colour = (same * 8 * (np.pi / (2 * alpha)) ** 1.5 * np.exp(-alpha / 2 * square)).sum()
    assert found.colour == pytest.approx(colour, rel=1e-9)
    assert found.combo == pytest.approx((found.shape_tanimoto + found.colour_tanimoto) / 2)


def test_the_search_loses_little_against_a_thousand_starts(ready: list[ColouredMolecule]) -> None:
    pairs = [(a, b) for a in range(4) for b in range(a)]
    fast, slow = (overlay_coloured(ready, pairs, "combo", config).scores() for config in (OverlayConfig(), THOROUGH))
    assert (slow - fast).mean() < 0.003
    assert (slow >= fast - 1e-6).all()


def test_several_poses_are_distinct_best_first_and_begin_with_the_best(ready: list[ColouredMolecule]) -> None:
    pairs = [(0, 1), (2, 3), (1, 4)]
    one, many = overlay_coloured(ready, pairs), overlay_coloured(ready, pairs, poses=5)
    scores = many.scores().reshape(len(pairs), 5)
    assert (scores[:, 0] >= one.scores() - 1e-6).all()  # more of them are refined
    for row, found in enumerate(scores):
        known = found[np.isfinite(found)]
        assert len(known) > 1
        assert (np.diff(known) <= 0).all()
        turns = many.shape.rotation[5 * row : 5 * row + len(known)]
        shifts = many.shape.translation[5 * row : 5 * row + len(known)]
        for first in range(len(known)):
            for second in range(first):
                angle = Rotation.from_matrix(turns[first] @ turns[second].T).magnitude()
                assert angle > 0.05 or np.linalg.norm(shifts[first] - shifts[second]) > 0.1


def test_no_rotation_of_a_grid_beats_the_answer(ready: list[ColouredMolecule]) -> None:
    """Brute force: refinements from many random rotations about the centres."""
    a, b = (coloured_channels(ready[row]) for row in (0, 1))
    best = overlay_coloured(ready, [(0, 1)], "combo", THOROUGH)
    weights = np.ones(CHANNELS)
    whole = best.shape.self_a[0] + best.shape.self_b[0], best.colour_a[0] + best.colour_b[0]
    weights[1:] = whole[0] / whole[1]
    reached = best.shape.overlap[0] + weights[1] * best.colour[0]
    tried = [
        refine(a, b, weights, rotation.as_matrix(), np.zeros(3))[0] for rotation in Rotation.random(300, random_state=0)
    ]
    assert max(tried) <= reached * 1.01


def test_derivatives_are_those_of_the_weighted_sum(ready: list[ColouredMolecule]) -> None:
    a, b = (coloured_channels(ready[row]) for row in (0, 1))
    weights = np.array([1.0, *np.linspace(2.0, 5.0, CHANNELS - 1)])
    gradient, hessian, none, rotation = np.empty(6), np.empty((6, 6)), np.empty((6, 6)), np.eye(3)
    value = weighted_derivatives(a, b, weights, rotation, np.zeros(3), gradient, hessian)

    def at(step: np.ndarray) -> float:
        turned = Rotation.from_rotvec(step[:3]).as_matrix()
        return weighted_derivatives(a, b, weights, turned, step[3:], np.empty(6), none)

    assert at(np.zeros(6)) == value
    step = 1e-5
    numeric = [(at(step * axis) - at(-step * axis)) / (2 * step) for axis in np.eye(6)]
    assert gradient == pytest.approx(numeric, rel=1e-5, abs=1e-4 * np.abs(gradient).max())


# Molecules without features, consensus, parts


def test_molecules_without_features_are_compared_by_shape(ready: list[ColouredMolecule]) -> None:
    butane = coloured(dataclasses.replace(conform("CCCC", seed=1)[0], bonds=np.zeros((0, 3), np.int32)))
    found = overlay_coloured([butane, butane, ready[0]], [(0, 1), (0, 2)])
    assert found.scores()[0] == pytest.approx(1.0, abs=1e-9)
    assert found.colour_tanimoto.tolist() == [1.0, 0.0]
    alone = overlay_coloured([butane, ready[0]], [(0, 1)], "colour")
    assert np.isfinite(alone.shape.rotation).all()
    assert alone.scores("colour").tolist() == [0.0]


def test_the_consensus_of_copies_is_the_molecule(molecules: list[Molecule], ready: list[ColouredMolecule]) -> None:
    twice = consensus([molecules[0], molecules[0]])
    found = overlay_coloured([twice, ready[0], ready[1]], [(0, 1), (0, 2), (1, 2)])
    assert found.scores()[0] == pytest.approx(1.0, abs=1e-9)
    assert found.scores()[1] == pytest.approx(found.scores()[2], abs=1e-3)
    with pytest.raises(InputError, match="no molecules for a consensus"):
        consensus([])


def test_a_part_of_a_molecule_is_found_in_it(molecules: list[Molecule]) -> None:
    whole = molecules[3]
    part = prepare_coloured(
        whole.positions[:6], whole.radii[:6], Pharmacophore(np.empty(0, np.int64), np.empty((0, 3)))
    )
    found = overlay_coloured([part, coloured(whole)], [(0, 1)], "shape")
    assert found.tversky("shape")[0] > 0.95
    assert found.scores("shape")[0] < 0.6


# Doors


def test_objectives_of_the_metric() -> None:
    metric = ShapeMetric()
    assert list(metric.objectives)[:3] == list(OBJECTIVES)
    assert metric.solver_by(None) == metric.solver_by("shape") == metric.solver
    assert metric.solver_by("combo-tversky") == ColourSolver("combo", tversky=True)
    with pytest.raises(InputError, match="the objective 'charge' of the metric shape: expected one of shape, colour"):
        metric.solver_by("charge")


def test_solve_by_colour_on_the_command_line(
    molecules: list[Molecule], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / f"{row}.sdf" for row in range(2)]
    for path, one in zip(paths, molecules, strict=False):
        write_sdf(path, [one])
    laid = tmp_path / "laid.sdf"
    assert main(["solve", *map(str, paths), "--by", "combo", "--aligned", str(laid), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["combo"] == pytest.approx((found["shape_tanimoto"] + found["colour_tanimoto"]) / 2)
    assert laid.read_text().count("$$$$") == 2
    listed, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    listed.write_text("a,b\n0.sdf,1.sdf\n1.sdf,1.sdf\n")
    assert main(["solve", "--pairs", str(listed), "--out", str(out), "--by", "combo-tversky"]) == 0
    header, first, second = out.read_text().splitlines()
    assert header.split(",")[2:7] == ["overlap", "tversky", "shape_tanimoto", "colour_tanimoto", "combo"]
    assert float(first.split(",")[6]) == pytest.approx(found["combo"], abs=0.02)
    assert float(second.split(",")[3]) == pytest.approx(1.0, abs=1e-5)
    capsys.readouterr()
    assert main(["solve", *map(str, paths), "--by", "charge"]) == 2
    assert "expected one of shape, colour, combo" in capsys.readouterr().err
