"""Measure the labels and the model of density maps: accuracy on molecules that no training saw, invariance, real maps.

    python benchmarks/maps.py labels [--pairs 50]
    python benchmarks/maps.py fragments DATA [--model maps]
    python benchmarks/maps.py molecules --smiles FILE --unlike DATA [--count 400] [--model maps]
    python benchmarks/maps.py real FOLDER [--model maps]

`labels` compares labels from atoms with a search of 4,992 starts, and with the overlay of the maps on their grids.
`fragments` takes the test split of a data set of `metricvae label correlation`. `molecules` takes SMILES, evenly
spaced in a file, of scaffolds that DATA has not, and shows each in two orientations, grids and boxes at one resolution.
`real` takes a folder of maps; pairs are scaled together, so that the larger fits into the model's cube.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from metricvae.core.dataset_files import read_dataset
from metricvae.core.errors import InputError
from metricvae.evaluation.evaluate import answer
from metricvae.evaluation.invariance import motion_change
from metricvae.kinds.molecule.conformers import conform
from metricvae.kinds.molecule.fragments import draw
from metricvae.kinds.molecule.records import Molecule
from metricvae.kinds.molecule.scaffolds import scaffold
from metricvae.kinds.volume.io import read_map
from metricvae.kinds.volume.random_maps import RESOLUTIONS, Posed, random_map
from metricvae.kinds.volume.records import DensityMap
from metricvae.kinds.volume.resampling import outline_of
from metricvae.metrics.correlation.labelling import SEARCH
from metricvae.metrics.correlation.solver.atoms import atomic_map, correlate_many, correlations
from metricvae.metrics.shape.solver.maps import overlay_maps
from metricvae.metrics.shape.solver.overlays import OverlayConfig
from metricvae.prediction.predictor import Predictor
from metricvae.prediction.records import Encoded

Floats = npt.NDArray[np.float64]
FINEST = OverlayConfig(starts=4992, optimised=4992, refined=512, final=512)


def labels(pairs: int) -> dict[str, object]:
    """How far labels are from finer searches, and from the overlay of maps on grids."""
    seen = [random_map(one, 7, number) for number, one in enumerate(draw(2 * pairs, seed=77))]
    maps = [atomic_map(one.molecule, one.resolution) for one in seen]
    ends = np.arange(2 * pairs).reshape(-1, 2)
    fast, finest = (correlations(correlate_many(maps, ends, config)) for config in (SEARCH, FINEST))
    began = time.perf_counter()
    on_grids = np.array([overlay_maps(seen[a].map, seen[b].map).correlation for a, b in ends])
    return {
        "pairs": pairs,
        "below the finest search, mean and worst": [float((finest - fast).mean()), float((finest - fast).max())],
        "grids less atoms, mean, 5 and 95 %": [float((on_grids - fast).mean()), *percentiles(on_grids - fast, 5, 95)],
        "correlation of both": float(np.corrcoef(on_grids, fast)[0, 1]),
        "seconds a pair on grids": (time.perf_counter() - began) / pairs,
        "atoms": fast.tolist(),
        "grids": on_grids.tolist(),
    }


def fragments(data: Path, model: str) -> dict[str, object]:
    """Errors on the test split of a data set, and the change under motions of the tensors."""
    predictor, known = Predictor.load(model), read_dataset(data)
    answers = answer(predictor, known)
    said = answers.predictions
    found = accuracy(said.value, said.low, said.high, answers.value)
    encoded = predictor.encode_pairs(known, answers.rows[:2_000])
    rows = np.random.default_rng(0).integers(0, len(encoded.left.codes), (2, 2_000_000))
    began = time.perf_counter()
    predictor.values(encoded.left, encoded.right, *rows % min(len(encoded.left.codes), len(encoded.right.codes)))
    return found | {"pairs a second from codes": rows.shape[1] / (time.perf_counter() - began)}


def molecules(smiles: Path, unlike: Path, count: int, model: str) -> dict[str, object]:
    """Errors on pairs of molecules of scaffolds that a data set has not, and the change of codes under motions."""
    known = set(pq.read_table(unlike / "objects.parquet", columns=["group"])["group"].to_pylist())
    random = np.random.default_rng(0)
    first: list[Posed] = []
    second: list[Posed] = []
    for number, one in enumerate(itertools.islice(_unlike(smiles, known, 4 * count), count)):
        resolution = float(random.uniform(*RESOLUTIONS))
        for seed, views in enumerate((first, second)):
            views.append(random_map(one, seed, number, resolutions=(resolution, resolution)))
    predictor = Predictor.load(model)
    began = time.perf_counter()
    here, there = (predictor.encode([one.map for one in views]) for views in (first, second))
    seconds = time.perf_counter() - began
    ends = random.integers(0, len(first), (10_000, 2))
    ends = ends[ends[:, 0] != ends[:, 1]]
    exact = exact_of(first, ends)
    said = predictor.predict(here, here, *ends.T)
    return accuracy(said.value, said.low, said.high, exact) | {
        "molecules": len(first),
        "change of the code under motion and grid, 50, 90, 95 %": percentiles(change(here, there), 50, 90, 95),
        "the same, of the kind's motions of tensors": percentiles(
            motion_change(predictor, [one.map for one in first], 1_000, seed=0).codes, 50, 90, 95
        ),
        "change of the prediction under motion and grid, 50, 95 %": percentiles(
            np.abs(predictor.values(there, there, *ends.T) / said.value - 1), 50, 95
        ),
        "predicted correlation of a map and its other view, 5, 50 %": percentiles(
            predictor.values(here, there, *np.array([np.arange(len(first))] * 2)), 5, 50
        ),
        "maps encoded a second": 2 * len(first) / seconds,
        "novel": float((here.novelty > 1).double().mean()),
    }


def _unlike(path: Path, known: set[str], tried: int) -> Iterator[Molecule]:
    """Molecules of a gzipped file of SMILES, of other scaffolds."""
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    for place in np.linspace(0, len(lines) - 2, tried).astype(int):
        text = lines[place].split()[0]
        try:
            if scaffold(text) not in known:
                yield conform(text, seed=int(place))[0]
        except InputError:
            continue


def exact_of(seen: list[Posed], ends: npt.NDArray[np.int64]) -> Floats:
    """(k,) correlations of pairs (k, 2) of maps, from their atoms."""
    return correlations(correlate_many([atomic_map(one.molecule, one.resolution) for one in seen], ends, SEARCH))


def accuracy(value: Floats, low: Floats, high: Floats, exact: Floats) -> dict[str, object]:
    """Figures of predictions with intervals."""
    return {
        "pairs": len(exact),
        "spread of the exact values": float(exact.std()),
        "Pearson": float(np.corrcoef(value, exact)[0, 1]),
        "R2": float(1 - np.square(value - exact).sum() / np.square(exact - exact.mean()).sum()),
        "mean absolute error": float(np.abs(value - exact).mean()),
        "inside the 90 % interval": float(((low <= exact) & (exact <= high)).mean()),
        "width of the interval": float((high - low).mean()),
    }


def change(a: Encoded, b: Encoded) -> Floats:
    """|z - z'| / |z| of each object."""
    return ((a.codes - b.codes).norm(dim=1) / a.codes.norm(dim=1)).double().numpy()


def percentiles(values: Floats, *at: float) -> list[float]:
    return [float(value) for value in np.percentile(values, at)]


# Real maps


@dataclass(frozen=True)
class Shown:
    """A real map as it is, and after a motion and a resampling."""

    name: str
    here: DensityMap
    there: DensityMap


def real(folder: Path, model: str) -> dict[str, object]:
    """Predicted and exact correlations of real maps with their moved selves and with one another."""
    predictor = Predictor.load(model)
    shown, found = list[Shown](), dict[str, object]()
    for number, path in enumerate(sorted(folder.glob("EMD*"))):
        try:
            shown.append(_shown(path, number))
        except InputError as error:
            found[path.name] = str(error)
    edge = float(predictor.kind().to_json().get("extent") or 30.0)
    for a, b in [*zip(shown, shown, strict=True), *itertools.combinations(shown, 2)]:
        factor = 0.85 * edge / max(outline_of(one.here).extent() for one in (a, b))
        left, right = scaled(a.here, factor), scaled(b.there, factor)
        try:
            here, there = predictor.encode([left]), predictor.encode([right])
            said = predictor.predict(here, there, np.zeros(1, int), np.zeros(1, int))
            novelty = max(float(one.novelty[0]) for one in (here, there))
            numbers = [float(part[0]) for part in (said.value, said.low, said.high)]
            found[f"{a.name} with {b.name}"] = [*numbers, overlay_maps(left, right).correlation, novelty]
        except InputError as error:
            found[f"{a.name} with {b.name}"] = str(error)
    return found


def _shown(path: Path, seed: int) -> Shown:
    one = read_map(path)
    step = max(1, round((one.values.size / 200_000) ** (1 / 3)))
    thin = DensityMap(np.ascontiguousarray(one.values[::step, ::step, ::step]), one.spacing * step, one.origin)
    return Shown(path.name.split(".")[0], thin, moved_copy(thin, seed))


def moved_copy(one: DensityMap, seed: int) -> DensityMap:
    """A map after a random rotation, on a grid of other steps and in another box."""
    rotation = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    outline = outline_of(one)
    spacing = one.spacing * 0.87
    half = np.ceil(0.55 * outline.extent(0.9999) / spacing).astype(int) + 2
    axes = [np.arange(-n, n + 1) * step for n, step in zip(half, spacing, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1) @ rotation + outline.centre
    at = np.moveaxis((points - one.origin) / one.spacing, -1, 0)
    values = map_coordinates(one.values, at, order=3, mode="constant", cval=outline.background)
    return DensityMap(values.astype(np.float32), spacing, -half * spacing)


def scaled(one: DensityMap, factor: float) -> DensityMap:
    """A map in another unit of length."""
    return replace(one, spacing=one.spacing * factor, origin=one.origin * factor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("labels", "fragments", "molecules", "real"))
    parser.add_argument("path", type=Path, nargs="?")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--smiles", type=Path)
    parser.add_argument("--unlike", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--model", default="maps")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        "labels": lambda: labels(options.pairs),
        "fragments": lambda: fragments(options.path, options.model),
        "molecules": lambda: molecules(options.smiles, options.unlike, options.count, options.model),
        "real": lambda: real(options.path, options.model),
    }[options.what]()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
