"""Labelling on a Ray cluster: pairs a second against workers, and the cost of a thousand million. JSON on stdout.

    python benchmarks/cluster.py [--pairs 20000] [--workers 1,2]

The cluster is this machine's own (`--ray local`). Beside it stands labelling by processes, without Ray. Rates are those
of the labelling stage, once the first part is back. Needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from metricvae.labelling.run import label
from metricvae.metrics.overlap.labelling import OverlapPlan
from metricvae.runtime.files import sha256_of

SEED = 2017
MANY = 1_000_000_000


def rate(workers: int, pairs: int, ray: str | None) -> tuple[float, str]:
    """Pairs a second while labelling, and the checksum of the pairs."""
    marks: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        label(
            OverlapPlan("mixed", pairs, SEED),
            Path(folder) / "data",
            workers=workers,
            ray=ray,
            on_progress=lambda p: marks.append((time.monotonic(), p.done)) if p.stage == "labelling pairs" else None,
        )
        digest = sha256_of(Path(folder) / "data" / "pairs.parquet")
    first = next(mark for mark in marks if mark[1] > 0)  # by then the workers have started
    return (marks[-1][1] - first[1]) / (marks[-1][0] - first[0]), digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--workers", default="1,2")
    options = parser.parse_args()
    rows, digests = [], set()
    for workers in map(int, options.workers.split(",")):
        for name, ray in (("processes", None), ("Ray", "local")):
            found, digest = rate(workers, options.pairs, ray)
            digests.add(digest)
            rows.append(
                {
                    "by": name,
                    "workers": workers,
                    "pairs_per_second": round(found, 1),
                    "core_hours_for_a_thousand_million": round(MANY * workers / found / 3600),
                }
            )
            print(rows[-1], file=sys.stderr)
    print(json.dumps({"pairs": options.pairs, "rows": rows, "same_bytes": len(digests) == 1}, indent=2))


if __name__ == "__main__":
    main()
