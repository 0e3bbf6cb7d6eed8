"""The rules of the house, read off the source: which room imports which, who draws, who prints, and no pickles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import metricvae

ROOMS = (
    *("core", "runtime", "nn", "kinds", "metrics", "labelling", "training", "prediction", "evaluation", "search"),
    *("alignment", "generation", "fitting", "plotting", "reproduction", "cli", "__main__"),
)
SOURCE = Path(metricvae.__file__).parent
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def calls_of(tree: ast.AST) -> Iterator[str]:
    return (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


def faults_of(path: Path, source: str) -> list[str]:
    tree, room = ast.parse(source), room_of(path)
    faults = []
    for name in imports_of(tree):
        parts = name.split(".")
        if parts[0] == "metricvae" and len(parts) > 1 and ROOMS.index(parts[1]) > ROOMS.index(room):
            faults.append(f"{room} imports {parts[1]}, a room to its right")
        if name.startswith("matplotlib.") and room != "plotting":
            faults.append(f"imports {name}: figures are drawn in plotting")
        if parts[0] in {"pickle", "dill", "cloudpickle", "joblib", "shelve"}:
            faults.append(f"imports {name}: nothing is pickled")
    for call in calls_of(tree):
        if call == "print" and room != "cli":
            faults.append("prints: only the command line does")
        if call in {"torch.load", "torch.save", "np.load", "np.save"}:
            faults.append(f"calls {call}: a pickle in disguise")
        if call in {"torch.manual_seed", "np.random.seed", "random.seed"} and "torch.random.fork_rng" not in source:
            faults.append(f"calls {call}: seeds are arguments")
    return faults


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_keeps_the_rules_of_the_house(path):
    assert faults_of(path, path.read_text(encoding="utf-8")) == []


def test_the_test_sees_faults():
    source = "import matplotlib.pyplot\nimport pickle\nfrom metricvae.cli import main\nprint(torch.load('x'))"
    assert len(faults_of(SOURCE / "model" / "broken.py", source)) == 5
