"""The overlay of molecules against a thorough search and other aligners, on the same pairs in one run. JSON on stdout.

    python benchmarks/overlay.py --smiles zinc250k.smi.gz --sdf moses_aq_1000.sdf [--pairs 300] [--poses 20]

Needs RDKit. shepherd-score takes part where it can be imported; of what it asks for, its shape overlay uses only torch:

    pip install --no-deps --target PEERS shepherd-score && PYTHONPATH=PEERS python benchmarks/overlay.py ...

The sets are the last lines of the SMILES file, each with one ETKDG conformer relaxed by MMFF94, and the records of the
SD file; hydrogens are left out. Every method is given both molecules rotated and translated at random, and is judged by
our first-order Gaussian overlap with Bondi radii at the pose it returns. Since others maximise overlaps that differ a
little from ours (one radius for all, cut off at a distance), `after_refinement` judges the maximum of our overlap
nearest to their pose. Speeds are the medians over blocks of pairs, between which the methods take turns: per second of
processor time, and by the clock for ours on two threads.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdMolAlign, rdShapeAlign, rdShapeHelpers
from rdkit.Geometry import Point3D
from scipy.spatial.transform import Rotation

from metricvae.kinds.molecule.records import radii_of
from metricvae.metrics.shape.solver.gaussian_molecule import PreparedMolecule, exponents, prepare
from metricvae.metrics.shape.solver.overlays import THOROUGH, overlay, overlay_many
from metricvae.metrics.shape.solver.volumes import Channels, overlap_volume, refine

try:
    from rdkit.Chem import rdGaussianShape
except ImportError:
    rdGaussianShape = None
sys.modules.setdefault("open3d", mock.MagicMock())  # shepherd-score imports it and needs it for surfaces only
try:
    from shepherd_score.alignment import optimize_ROCS_overlay_analytical
except ImportError:
    optimize_ROCS_overlay_analytical = None

Floats = npt.NDArray[np.float64]
SEED = 2026
BLOCKS = 10
SINGLE_ALPHA = 0.81
"""The exponent that shepherd-score gives every heavy atom."""


@dataclass(frozen=True)
class Mover:
    """A molecule in a random pose, as we and as others take it."""

    mol: Any
    places: Floats
    alpha: Floats
    prepared: PreparedMolecule


def posed(mol: Any, rng: np.random.Generator) -> Mover:
    """A copy of a molecule, rotated and translated at random."""
    copy = Chem.Mol(mol)
    rotation = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    places = mol.GetConformer().GetPositions() @ rotation.T + rng.normal(0, 10, 3)
    place(copy, places)
    radii = radii_of([atom.GetAtomicNum() for atom in copy.GetAtoms()])
    return Mover(copy, places, exponents(radii), prepare(places, radii))


def place(mol: Any, places: Floats) -> None:
    for i, (x, y, z) in enumerate(places.tolist()):
        mol.GetConformer().SetAtomPosition(i, Point3D(x, y, z))


Align = Callable[[Mover, Mover], tuple[Floats, float]]
"""Positions (m, 3) of the second molecule laid on the first, and the score the method reports."""


def ours(a: Mover, b: Mover) -> tuple[Floats, float]:
    found = overlay(a.prepared, b.prepared)
    return b.places @ found.rotation.T + found.translation, found.tanimoto


def pubchem(a: Mover, b: Mover) -> tuple[Floats, float]:
    """RDKit's rdShapeAlign, PubChem's align3d."""
    probe = Chem.Mol(b.mol)
    score, _ = rdShapeAlign.AlignMol(a.mol, probe, useColors=False, opt_param=1.0)
    return probe.GetConformer().GetPositions(), score


def gaussian(careful: bool) -> Align:
    """RDKit's rdGaussianShape, as it comes or with everything that makes it more careful."""
    inputs, options = rdGaussianShape.ShapeInputOptions(), rdGaussianShape.ShapeOverlayOptions()
    inputs.useColors = False
    options.optimMode = rdGaussianShape.OptimMode.SHAPE_ONLY
    if careful:
        inputs.allCarbonRadii, options.useDistCutoff = False, False
        options.startMode, options.shapeConvergenceCriterion = rdGaussianShape.StartMode.ROTATE_45, 1e-6

    def align(a: Mover, b: Mover) -> tuple[Floats, float]:
        probe = Chem.Mol(b.mol)
        score = rdGaussianShape.AlignMol(a.mol, probe, inputs, inputs, options)[1]
        return probe.GetConformer().GetPositions(), score

    return align


def crippen(a: Mover, b: Mover) -> tuple[Floats, float]:
    """RDKit's Open3DAlign with Crippen's contributions, which ESPsim aligns with; reports one minus a distance."""
    probe = Chem.Mol(b.mol)
    rdMolAlign.GetCrippenO3A(probe, a.mol).Align()
    return probe.GetConformer().GetPositions(), 1 - rdShapeHelpers.ShapeTanimotoDist(a.mol, probe)


def shepherd(a: Mover, b: Mover) -> tuple[Floats, float]:
    """shepherd-score with its own numbers of starts and steps, both molecules centred as it asks for."""
    centre_a, centre_b = a.places.mean(axis=0), b.places.mean(axis=0)
    fixed, moving = (torch.tensor(one, dtype=torch.float32) for one in (a.places - centre_a, b.places - centre_b))
    moved, _, score = optimize_ROCS_overlay_analytical(fixed, moving, SINGLE_ALPHA)
    return moved.numpy().astype(np.float64) + centre_a, float(score)


def methods() -> dict[str, Align]:
    found: dict[str, Align] = {"metricvae": ours, "rdShapeAlign": pubchem, "Open3DAlign (Crippen)": crippen}
    if rdGaussianShape is not None:
        found |= {"rdGaussianShape": gaussian(False), "rdGaussianShape, careful": gaussian(True)}
    if optimize_ROCS_overlay_analytical is not None:
        found["shepherd-score"] = shepherd
    return found


def tanimoto(a: Mover, b: Mover, overlap: float) -> float:
    return overlap / (a.prepared.volume + b.prepared.volume - overlap)


def judged(a: Mover, b: Mover, places: Floats) -> tuple[float, float]:
    """Shape Tanimoto at a pose of b, and at the top of the overlap nearest to it."""
    middle = places.mean(axis=0)
    here = overlap_volume(a.places, a.alpha, places, b.alpha)
    refined = refine(
        channel(a.places - middle, a.alpha), channel(places - middle, b.alpha), np.ones(1), np.eye(3), np.zeros(3)
    )[0]
    return tanimoto(a, b, here), tanimoto(a, b, refined)


def channel(places: Floats, alpha: Floats) -> Channels:
    """Atoms that all overlap."""
    return Channels(places, alpha, np.array([0, len(places)]))


@dataclass
class Tally:
    """What one method did."""

    at_pose: list[float] = field(default_factory=list)
    after_refinement: list[float] = field(default_factory=list)
    stretched: float = 0.0
    rates: list[float] = field(default_factory=list)


def run_block(align: Align, pairs: list[tuple[Mover, Mover]], tally: Tally) -> None:
    start = time.process_time()
    poses = [align(a, b)[0] for a, b in pairs]
    tally.rates.append(len(pairs) / (time.process_time() - start))
    for (a, b), places in zip(pairs, poses, strict=True):
        here, refined = judged(a, b, places)
        tally.at_pose.append(here)
        tally.after_refinement.append(refined)
        lengths = [np.linalg.norm(one - one.mean(axis=0), axis=1) for one in (places, b.places)]
        tally.stretched = max(tally.stretched, float(np.abs(lengths[0] - lengths[1]).max()))


def compared(pairs: list[tuple[Mover, Mover]], found: dict[str, Align]) -> dict[str, Any]:
    """Scores and speeds of every method, and of the thorough search."""
    molecules = [one.prepared for pair in pairs for one in pair]
    rows = np.arange(len(molecules)).reshape(-1, 2)
    best = overlay_many(molecules, rows, THOROUGH).tanimoto
    tallies = {name: Tally() for name in found}
    many: dict[int, list[float]] = {1: [], 2: []}
    for block in np.array_split(np.arange(len(pairs)), BLOCKS):
        for name, align in found.items():
            run_block(align, [pairs[i] for i in block], tallies[name])
        for threads in many:
            start = time.perf_counter()
            overlay_many(molecules, np.tile(rows[block], (20, 1)), threads=threads)
            many[threads].append(20 * len(block) / (time.perf_counter() - start))
    start = time.process_time()
    overlay_many(molecules, np.tile(rows, (5, 1)), threads=1)
    processor = 5 * len(rows) / (time.process_time() - start)
    report = {name: figures(tally, best) for name, tally in tallies.items()}
    report["metricvae"] |= {
        "many_a_processor_second": round(processor),
        "many_a_second_one_thread": round(float(np.median(many[1]))),
        "many_a_second_two_threads": round(float(np.median(many[2]))),
    }
    report["thorough"] = {"mean": round(float(best.mean()), 5)}
    return report


def figures(tally: Tally, best: Floats) -> dict[str, float]:
    short, refined = best - np.array(tally.at_pose), best - np.array(tally.after_refinement)
    return {
        "mean": round(float(np.mean(tally.at_pose)), 5),
        "mean_shortfall": round(float(short.mean()), 6),
        "worst_shortfall": round(float(short.max()), 4),
        "share_more_than_0.005_short": round(float((short > 0.005).mean()), 4),
        "mean_shortfall_after_refinement": round(float(refined.mean()), 6),
        "largest_gain": round(float(-refined.min()), 6),
        "largest_change_of_shape_angstroms": round(tally.stretched, 4),
        "a_processor_second": round(float(np.median(tally.rates)), 1),
    }


def steadiness(mols: list[Any], pairs: int, poses: int, found: dict[str, Align]) -> dict[str, Any]:
    """Spread of scores over input poses, in our overlap and as reported; and scores of molecules with themselves."""
    rng = np.random.default_rng(SEED + 1)
    report: dict[str, Any] = {}
    chosen = [[mols[i] for i in rng.choice(len(mols), 2, replace=False)] for _ in range(pairs)]
    cases = [[(posed(a, rng), posed(b, rng)) for _ in range(poses)] for a, b in chosen]
    selves = [(posed(a, rng), posed(a, rng)) for pair in chosen for a in pair]
    for name, align in found.items():
        scores = np.array([[judged(a, b, align(a, b)[0])[0] for a, b in case] for case in cases])
        spread = np.ptp(scores, axis=1) / scores.max(axis=1)
        itself = np.array([[judged(a, b, places)[0], told] for a, b in selves for places, told in [align(a, b)]])
        report[name] = {
            "pairs_within_0.5_percent": round(float((spread <= 0.005).mean()), 3),
            "median_spread": round(float(np.median(spread)), 6),
            "worst_spread": round(float(spread.max()), 4),
            "self_within_0.5_percent": round(float((itself[:, 0] >= 0.995).mean()), 3),
            "worst_self": round(float(itself[:, 0].min()), 4),
            "worst_self_reported": round(float(itself[:, 1].min()), 4),
            "highest_self_reported": round(float(itself[:, 1].max()), 4),
        }
    return report


def from_smiles(path: Path, count: int) -> list[Any]:
    """The last molecules of a SMILES file, one conformer each, without hydrogens."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        lines = [line.split()[0] for line in file if line.strip()]
    mols = []
    for smiles in lines[-count:]:
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        if rdDistGeom.EmbedMolecule(mol, randomSeed=SEED) == 0:
            rdForceFieldHelpers.MMFFOptimizeMolecule(mol)
            mols.append(Chem.RemoveHs(mol))
    return mols


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smiles", type=Path, required=True)
    parser.add_argument("--sdf", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--poses", type=int, default=20)
    parser.add_argument("--steady-pairs", type=int, default=20)
    options = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    torch.set_num_threads(1)
    sets = {
        "smiles": from_smiles(options.smiles, 500),
        "sdf": [Chem.RemoveHs(mol) for mol in Chem.SDMolSupplier(str(options.sdf)) if mol is not None],
    }
    report: dict[str, Any] = {}
    for name, mols in sets.items():
        rng, found = np.random.default_rng(SEED), methods()
        chosen = [rng.choice(len(mols), 2, replace=False) for _ in range(options.pairs)]
        pairs = [(posed(mols[i], rng), posed(mols[j], rng)) for i, j in chosen]
        for align in found.values():
            align(*pairs[0])
        report[name] = {
            "heavy_atoms": round(float(np.mean([len(one.places) for pair in pairs for one in pair])), 1),
            "pairs": compared(pairs, found),
            "steadiness": steadiness(mols, options.steady_pairs, options.poses, found),
        }
        print(name, json.dumps(report[name]), file=sys.stderr)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
