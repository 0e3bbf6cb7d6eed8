"""PoseBusters (package `posebusters`) on the first poses that `docking.py --sdf FOLDER` wrote. JSON on stdout.

    python benchmarks/docking.py DATA --set test --count 40 --out own.jsonl --sdf poses
    python benchmarks/docking_validity.py DATA poses --set test --records own.jsonl

Each pose goes with the protein of its complex through the configuration `dock`. Given are the share of poses that pass
all its checks, how often each check fails, and how often `DockedPose.valid` says the same.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
from collections import Counter
from pathlib import Path

from docking import complexes
from posebusters import PoseBusters
from rdkit import rdBase


def failed_checks(pose: Path, protein: Path) -> list[str]:
    """Names of the checks that a pose fails."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "protein.pdb"
        plain.write_bytes(gzip.decompress(protein.read_bytes()))
        table = PoseBusters(config="dock").bust([pose], None, plain)
    (row,) = table.to_dict("records")
    return [str(name) for name, good in row.items() if isinstance(good, bool | type(table.iloc[0, 0])) and not good]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("poses", type=Path)
    parser.add_argument("--set", choices=("dev", "test"), default="dev")
    parser.add_argument("--records", type=Path, help="what docking.py wrote of the same run")
    options = parser.parse_args()
    rdBase.DisableLog("rdApp.*")
    lines = options.records.read_text().splitlines() if options.records else []
    own = {one["id"]: not one["faults"][0] for one in map(json.loads, lines) if "faults" in one}
    failures, same, good, count = Counter[str](), [], 0, 0
    for row in complexes(options.data, options.set, 10_000):
        pose = options.poses / f"{row['id']}.sdf"
        if pose.exists():
            failed = failed_checks(pose, options.data / row["protein"])
            failures.update(failed)
            count, good = count + 1, good + (not failed)
            if row["id"] in own:
                same.append(own[row["id"]] == (not failed))
    report = {"poses": count, "valid": round(good / max(count, 1), 4), "failures": dict(failures.most_common())}
    print(json.dumps(report | ({"agreement": round(sum(same) / len(same), 4)} if same else {})))


if __name__ == "__main__":
    main()
