"""What the vector code of the overlay gains over plain loops: microseconds for the overlaps of sixteen poses.

    python benchmarks/lanes.py

Both take turns on the same two molecules in one process; medians of processor time.
"""

from __future__ import annotations

import json
import time

import numpy as np
from scipy.spatial.transform import Rotation

from metricvae.kinds.molecule.fragments import draw
from metricvae.metrics.shape.solver.gaussian_molecule import prepare
from metricvae.metrics.shape.solver.lanes import WIDTH
from metricvae.metrics.shape.solver.plain import score_plain
from metricvae.metrics.shape.solver.pose_batch import FIELDS, pair_tables, score

ROUNDS, CALLS = 9, 200


def main() -> None:
    a, b = (prepare(one.positions, one.radii).atoms for one in draw(2, seed=1))
    k, c = pair_tables(a.alpha, b.alpha)
    batch = np.zeros((FIELDS, WIDTH), np.float32)
    batch[:4] = Rotation.random(WIDTH, random_state=2).as_quat(scalar_first=True).T
    flat = batch.ravel()
    times: dict[str, list[float]] = {"vector": [], "plain": []}
    for _ in range(ROUNDS + 1):
        for name, function in (("vector", score), ("plain", score_plain)):
            start = time.process_time()
            for _ in range(CALLS):
                function(a, b, k, c, flat)
            times[name].append((time.process_time() - start) / CALLS * 1e6)
    medians = {f"{name}_microseconds": round(float(np.median(all_of[1:])), 1) for name, all_of in times.items()}
    print(json.dumps({"atoms": [len(a.rows), len(b.rows)], **medians}, indent=2))


if __name__ == "__main__":
    main()
