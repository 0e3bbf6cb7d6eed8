"""What the package brings and is made of: the oldest dependencies, their audit, a wheel whose bytes repeat."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
AUDIT = ROOT / ".ci" / "audit.py"


def pins(name: str) -> dict[str, str]:
    """Versions by package of a file of constraints."""
    text = (ROOT / "constraints" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", text, re.MULTILINE))


def bounds() -> dict[str, set[str]]:
    """Lower bounds by package of all dependencies and extras."""
    found: dict[str, set[str]] = {}
    for text in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()):
        if not text.startswith("metricvae["):
            name, bound = re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)", text).groups()  # type: ignore[union-attr]
            found.setdefault(name, set()).add(bound)
    return found


def test_the_oldest_versions_are_those_that_the_project_lets_in() -> None:
    oldest = pins("oldest.txt")
    assert oldest.keys() == bounds().keys()
    for name, (bound, *others) in bounds().items():
        assert not others, name
        assert f"{oldest[name]}.".startswith(f"{bound}."), name
    assert pins("cpu.txt") == {"torch": oldest["torch"]}


@pytest.fixture
def audit() -> dict[str, Any]:
    if not AUDIT.exists():
        pytest.skip("the checks of the repository are not here")
    return runpy.run_path(str(AUDIT))


VULNERABLE = {
    "dependencies": [
        {"name": "safe", "version": "1", "vulns": []},
        {
            **{"name": "old", "version": "2"},
            "vulns": [{"id": "PYSEC-2", "aliases": ["CVE-2"], "fix_versions": ["3"]}],
        },
        {"name": "foreign", "skip_reason": "not found"},
    ]
}


def test_a_known_vulnerability_is_a_complaint_unless_there_is_a_reason(audit: dict[str, Any]) -> None:
    (line,) = audit["complaints"](VULNERABLE, {})
    assert line == "old 2: PYSEC-2, CVE-2; mended in 3"
    assert audit["report"](VULNERABLE, [line]) == f"2 packages audited; not known to the service: foreign\n{line}"
    for name in ("PYSEC-2", "CVE-2"):
        assert audit["complaints"](VULNERABLE, audit["accepted"](f"# why\n{name} nothing of ours calls it\n")) == []
    with pytest.raises(ValueError, match="CVE-2 is listed without a reason"):
        audit["accepted"]("CVE-2\n")
    nothing = {"dependencies": VULNERABLE["dependencies"][2:]}
    assert audit["report"](nothing, []) == "NOT AUDITED: the vulnerability service knows none of 1 packages"


@pytest.mark.parametrize("writes", [True, False])
def test_a_service_that_cannot_be_reached_is_said_and_no_failure(audit: dict[str, Any], tmp_path: Path, writes: bool):
    answer = '{"dependencies": [{"name": "old", "version": "2", "vulns": [{"id": "CVE-2", "fix_versions": []}]}]}'
    tool = tmp_path / "pip-audit"
    act = f"open(sys.argv[-1], 'w').write({answer!r})" if writes else "sys.exit('no way to host://somewhere/')"
    tool.write_text(f"#!{sys.executable}\nimport sys\n{act}\n")
    tool.chmod(0o755)
    done = subprocess.run([sys.executable, AUDIT, sys.executable, tool], capture_output=True, text=True, check=False)
    said = "1 packages audited\nold 2: CVE-2; mended in no release\n"
    unreached = "NOT AUDITED: no answer from the vulnerability service (no way to ...)\n"
    assert (done.returncode, done.stdout) == ((1, said) if writes else (0, unreached)), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed")
def test_two_wheels_of_one_source_are_the_same_bytes(tmp_path: Path) -> None:
    wheels = []
    for number, umask in enumerate((0o022, 0o077)):
        source = tmp_path / f"checkout-{number}"
        shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__", "*.nb[ci]"))
        for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE", ".gitignore"):
            shutil.copyfile(ROOT / name, source / name)
        os.utime(source / "src" / "metricvae" / "__init__.py", (1_000_000_000 + number, 1_000_000_000 + number))
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / f"dist-{number}")],
            **{"cwd": source, "check": True, "umask": umask, "capture_output": True},
            env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "PYTHONHASHSEED": str(number)},
        )
        (wheel,) = (tmp_path / f"dist-{number}").glob("*.whl")
        wheels.append(wheel.read_bytes())
    assert len(wheels[0]) > 1_000_000
    assert wheels[0] == wheels[1]
