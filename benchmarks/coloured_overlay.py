"""The overlay by shape and colour beside RDKit's aligners, on the same pairs in one run. JSON on stdout.

    python benchmarks/coloured_overlay.py --smiles zinc250k.smi.gz [--pairs 300]

The molecules are the last lines of the file, each with one ETKDG conformer; both of a pair are rotated and translated
at random. Every method is judged at the pose it returns by our score, the mean of both Tanimoto coefficients
(`ours`), at the nearest maximum of our score (`ours, refined`), and by the score of RDKit's `rdShapeAlign`
(`rdShapeAlign`: its own features and radii), so that no method is judged by its own score alone. Speeds are pairs a
second of processor time, medians over blocks between which the methods take turns; ours on two threads also by the
clock. `shortfall` is what the search loses against a thousand starts.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rdkit.Chem import rdGaussianShape, rdShapeAlign
from scipy.spatial.transform import Rotation
from screens import rdkit_of

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.records import Molecule
from metricvae.metrics.shape.solver.coloured import (
    ColouredMolecule,
    coloured,
    coloured_channels,
    overlay_coloured,
)
from metricvae.metrics.shape.solver.coloured_search import overlaps_at, refine_score, score_of
from metricvae.metrics.shape.solver.overlays import THOROUGH

SEED, BLOCKS = 2026, 6
Floats = npt.NDArray[np.float64]
Align = Callable[[Molecule, Molecule], Molecule]
"""The second molecule where a method lays it on the first."""


def ours(a: Molecule, b: Molecule) -> Molecule:
    found = overlay_coloured([coloured(a), coloured(b)], [(0, 1)], threads=1)[0]
    return b.moved(found.rotation, found.translation)


def shape_align(a: Molecule, b: Molecule) -> Molecule:
    """RDKit's port of PubChem's align3d, shape and colour alike."""
    probe = rdkit_of(b)
    rdShapeAlign.AlignMol(rdkit_of(a), probe, useColors=True, opt_param=0.5)
    return replace(b, positions=probe.GetConformer().GetPositions())


def gaussian_shape(a: Molecule, b: Molecule) -> Molecule:
    """RDKit's own overlay of Gaussians, shape and colour alike."""
    options = rdGaussianShape.ShapeOverlayOptions()
    options.optimMode = rdGaussianShape.OptimMode.SHAPE_PLUS_COLOR
    options.optParam = 0.5
    probe = rdkit_of(b)
    rdGaussianShape.AlignMol(rdkit_of(a), probe, overlayOpts=options)
    return replace(b, positions=probe.GetConformer().GetPositions())


METHODS: dict[str, Align] = {"metricvae": ours, "rdShapeAlign": shape_align, "rdGaussianShape": gaussian_shape}


def judged(a: Molecule, b: Molecule, laid: Molecule) -> dict[str, float]:
    """The scores of a pose."""
    one, two = coloured(a), coloured(b)
    rotation, translation = _motion(b.positions, laid.positions)
    # from the molecules' own coordinates to their axes
    axes, own = one.molecule.axes, two.molecule.axes
    turn = axes.T @ rotation @ own
    shift = axes.T @ (rotation @ two.molecule.centre + translation - one.molecule.centre)
    whole = np.array(one.volumes) + np.array(two.volumes)
    fixed, moving = coloured_channels(one), coloured_channels(two)
    here = score_of(overlaps_at(fixed, moving, turn, shift), whole, 0.5)
    best, _, _ = refine_score(fixed, moving, 1.0, whole, 0.5, turn, shift)
    where = rdShapeAlign.ShapeInputOptions()
    where.normalize = False  # type: ignore[assignment]
    shape, colour = rdShapeAlign.ScoreMol(rdkit_of(a), rdkit_of(laid), where, where)
    return {"ours": here, "ours, refined": score_of(best, whole, 0.5), "rdShapeAlign": (shape + colour) / 2}


def _motion(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    """The rigid motion between two sets of positions (n, 3)."""
    centres = before.mean(axis=0), after.mean(axis=0)
    found, _ = Rotation.align_vectors(after - centres[1], before - centres[0])
    rotation = found.as_matrix()
    return rotation, centres[1] - rotation @ centres[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smiles", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=300)
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    molecules = _molecules(options.smiles, 2 * options.pairs, rng)
    pairs = list(zip(molecules[::2], molecules[1::2], strict=True))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in METHODS}
    rates: dict[str, list[float]] = {name: [] for name in METHODS}
    ours(*pairs[0])
    for block in np.array_split(np.arange(len(pairs)), BLOCKS):
        for name, align in METHODS.items():
            began = time.process_time()
            laid = [align(*pairs[row]) for row in block]
            rates[name].append(len(block) / (time.process_time() - began))
            for row, one in zip(block, laid, strict=True):
                a, b = pairs[row]
                found[name].append(judged(a, b, one))
    report: dict[str, Any] = {
        name: {key: round(float(np.mean([one[key] for one in rows])), 4) for key in rows[0]}
        | {"pairs_a_second": round(float(np.median(rates[name])))}
        for name, rows in found.items()
    }
    print(json.dumps(report | {"many": _many(molecules)}, indent=1))


def _molecules(path: Path, count: int, rng: np.random.Generator) -> list[Molecule]:
    with gzip.open(path, "rt") as file:
        lines = [line.split()[0] for line in file if line.strip()]
    found: list[Molecule] = []
    for line in reversed(lines):
        try:
            one = conform(line, SEED)[0]
        except InputError:
            continue
        rotation = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
        found.append(one.moved(rotation, rng.normal(0, 10, 3)))
        if len(found) == count:
            break
    return found


def _many(molecules: list[Molecule]) -> dict[str, float]:
    """Speed and shortfall of the batch."""
    ready: list[ColouredMolecule] = [coloured(one) for one in molecules]
    half = len(ready) // 2
    pairs = np.array([(a, half + b) for a in range(min(40, half)) for b in range(min(40, half))])
    rates = []
    for part in np.array_split(pairs, BLOCKS):
        began, cpu = time.perf_counter(), time.process_time()
        overlay_coloured(ready, part, threads=2)
        rates.append((len(part) / (time.perf_counter() - began), len(part) / (time.process_time() - cpu)))
    few = pairs[:: max(1, len(pairs) // 300)]
    fast, slow = overlay_coloured(ready, few).scores(), overlay_coloured(ready, few, config=THOROUGH).scores()
    clock, processor = np.median(rates, axis=0)
    return {
        "pairs_a_second_two_threads": round(float(clock)),
        "pairs_a_second_of_processor_time": round(float(processor)),
        "mean_score": float(fast.mean()),
        "shortfall": float((slow - fast).mean()),
    }


if __name__ == "__main__":
    main()
