"""The container is built of pinned images for an unprivileged user, and the citation is that of this version."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import metricvae

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile and what follows each."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line]


def test_every_stage_is_built_from_one_pinned_image(instructions: list[tuple[str, str]]) -> None:
    images = {rest.split()[0] for name, rest in instructions if name == "FROM"}
    assert len(images) == 1
    (image,) = images
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", image)
    assert len([name for name, _ in instructions if name == "FROM"]) == 3


def test_the_last_stage_runs_the_command_line_as_nobody_in_particular(instructions: list[tuple[str, str]]) -> None:
    last = max(place for place, (name, _) in enumerate(instructions) if name == "FROM")
    final = instructions[last:]
    users = [rest for name, rest in final if name == "USER"]
    assert users
    assert int(users[-1]) >= 10_000
    assert ("ENTRYPOINT", '["metricvae"]') in final
    assert not any(name == "ADD" for name, _ in instructions)


def test_the_environment_has_extras_that_there_are_and_keeps_to_the_constraints(
    instructions: list[tuple[str, str]],
) -> None:
    (extras,) = (rest.partition("=")[2] for name, rest in instructions if name == "ARG" and rest.startswith("EXTRAS"))
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    installs = [rest for name, rest in instructions if name == "RUN" and "pip install" in rest]
    assert installs
    assert all(one.count("pip install") == one.count("-c /constraints.txt") for one in installs)


def test_only_what_is_copied_goes_to_the_builder(instructions: list[tuple[str, str]]) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    sent = {line[1:] for line in ignored if line.startswith("!")}
    copied = {
        word for name, rest in instructions if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]
    }
    assert {word.split("/")[0] for word in copied} == sent
    assert all((ROOT / word).exists() for word in copied)


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed")
def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    done = subprocess.run(["hadolint", str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"] == metricvae.__version__
    assert citation["license"] == PROJECT["license"]
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["preferred-citation"]["authors"][0]["family-names"] == "Gritsevskiy"
    assert str(citation["preferred-citation"]["year"]) in (ROOT / "README.md").read_text(encoding="utf-8")
