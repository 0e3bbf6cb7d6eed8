"""Known vulnerabilities of what an environment's `metricvae` brings: fails on one that is not listed with a reason.

    python .ci/audit.py ENVIRONMENT/bin/python PIP_AUDIT

What metricvae and all of its extras that are installed there depend on is asked of pip-audit (`pip-audit` of the extra
`audit`, from another environment), by exact versions. `.ci/advisories.txt` names advisories that do not concern us, one
a line, each with its reason. Where the service cannot be reached this says so, and passes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ADVISORIES = Path(__file__).with_name("advisories.txt")
PATIENCE = 240
"""Seconds for the answers of the service."""

CLOSURE = """
import re
from importlib.metadata import PackageNotFoundError, distribution
from pip._vendor.packaging.requirements import Requirement
found, asked = {}, [("metricvae", "all")]
for name, extra in asked:
    try:
        one = distribution(name)
    except PackageNotFoundError:
        continue
    found[re.sub("[-_.]+", "-", name).lower()] = one.version.partition("+")[0]
    for text in one.requires or []:
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": extra}) or need.marker.evaluate({"extra": ""}):
            asked += [pair for e in ("", *need.extras) if (pair := (need.name, e)) not in asked]
found.pop("metricvae", None)
print("\\n".join(f"{name}=={version}" for name, version in sorted(found.items())))
"""
"""Prints what metricvae depends on in the environment that runs it; of a build with a local version, its release."""


def accepted(text: str) -> dict[str, str]:
    """Reasons by advisory: lines `ID reason`, or comments.

    Raises:
        ValueError: a line without a reason.
    """
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if bare := [line[0] for line in lines if len(line) < 2]:
        raise ValueError(f"{bare[0]} is listed without a reason")
    return {name: reason for name, reason in lines}


def complaints(document: Mapping[str, Any], reasons: Mapping[str, str]) -> list[str]:
    """A line for each vulnerability that pip-audit found and nobody gave a reason for."""
    lines = []
    for one in document["dependencies"]:
        for found in one.get("vulns", ()):
            names = [found["id"], *found.get("aliases", ())]
            if not reasons.keys() & set(names):
                mended = ", ".join(found["fix_versions"]) or "no release"
                lines.append(f"{one['name']} {one['version']}: {', '.join(names)}; mended in {mended}")
    return lines


def unreachable(said: str) -> str:
    """The last line of what pip-audit said, without addresses."""
    lines = [line for line in said.splitlines() if line.strip()]
    return re.sub(r"\S*://\S+|host='[^']*'", "...", lines[-1])[:200] if lines else "it said nothing"


def main() -> int:
    """Ask, and say what was found."""
    python, pip_audit = sys.argv[1:]
    reasons = accepted(ADVISORIES.read_text(encoding="utf-8"))
    pins = subprocess.run([python, "-c", CLOSURE], check=True, capture_output=True, text=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "pins.txt", Path(folder) / "answer.json"
        asked.write_text(pins, encoding="utf-8")
        words = [pip_audit, "--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "15"]
        words += ["-r", str(asked), "-f", "json", "-o", str(answer)]
        try:
            said = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE).stderr
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        try:
            document = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            print(f"NOT AUDITED: no answer from the vulnerability service ({unreachable(said)})")
            return 0
    print(report(document, found := complaints(document, reasons)))
    return 1 if found else 0


def report(document: Mapping[str, Any], found: list[str]) -> str:
    """What was asked, what the service does not know, and what was found."""
    asked = document["dependencies"]
    skipped = [one["name"] for one in asked if "skip_reason" in one]
    if len(skipped) == len(asked):
        return f"NOT AUDITED: the vulnerability service knows none of {len(asked)} packages"
    unknown = f"; not known to the service: {', '.join(skipped)}" if skipped else ""
    verdict = found or ["no known vulnerability that is not listed with a reason"]
    return "\n".join([f"{len(asked) - len(skipped)} packages audited{unknown}", *verdict])


if __name__ == "__main__":
    sys.exit(main())
