"""The rules of the source tree, read off the source: import order, no kind named in shared code, who draws, who prints,
and no pickles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import metricvae
from metricvae.kinds import BUILTIN as KINDS
from metricvae.metrics import ALIASES
from metricvae.metrics import BUILTIN as METRICS

ORDER = (
    *("errors", "runtime", "core", "nn", "plotting", "kinds", "metrics", "labelling", "training", "prediction"),
    *(
        "evaluation",
        "search",
        "alignment",
        "decoding",
        "generation",
        "fitting",
        "api",
        "sklearn",
        "autocomplete",
        "reproduction",
        "web",
        "cli",
        "__main__",
    ),
)
"""Packages; each imports from those before it. `errors` is `core/errors.py`, which everything may import."""

MAY_NAME_KINDS = {"kinds", "metrics", "autocomplete", "reproduction", "pretrained", "web", "cli", "sklearn"}
"""Packages that may name a kind or a metric (scikit-learn's rows are vectors; autocomplete is of molecules in pockets;
examples of requests name kinds); all others speak the interfaces of `core`."""

NAMES = {*KINDS, *METRICS, *ALIASES, "masks", "molecules-2d"} - {"tabular"}
"""Kinds and metrics by their names; `tabular` is the metric of values that users bring, whatever they mean."""

SOURCE = Path(metricvae.__file__).parent
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def package_of(parts: tuple[str, ...]) -> str:
    """The entry of `ORDER` that a module belongs to."""
    return "errors" if parts[:2] == ("core", "errors") else parts[0]


def parts_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(SOURCE).with_suffix("").parts


def needed_at_run_time(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes but those for type checkers alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def imports_of(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def calls_of(tree: ast.AST) -> Iterator[str]:
    return (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


def docstrings_of(tree: ast.AST) -> set[int]:
    """Identities of constants that are statements by themselves: docstrings, and texts below constants."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def named_kinds(path: Path, tree: ast.Module) -> list[str]:
    """Where shared code names a kind or a metric: by importing its package, or as a string."""
    if parts_of(path)[0] in MAY_NAME_KINDS:
        return []
    faults = []
    for name in imports_of(iter(ast.walk(tree))):
        parts = name.split(".")
        if parts[0] == "metricvae" and len(parts) > 2 and parts[1] in ("kinds", "metrics"):
            faults.append(f"imports {name}")
    skipped = docstrings_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value in NAMES and id(node) not in skipped:
            faults.append(f"says {node.value!r} in line {node.lineno}")
    return faults


def faults_of(path: Path, source: str) -> list[str]:
    tree, package = ast.parse(source), package_of(parts_of(path))
    faults = [f"names a kind or metric: {fault}" for fault in named_kinds(path, tree)]
    for name in imports_of(needed_at_run_time(tree)):
        parts = name.split(".")
        if parts[0] == "metricvae" and len(parts) > 1:
            imported = package_of(tuple(parts[1:]))
            if ORDER.index(imported) > ORDER.index(package):
                faults.append(f"{package} imports {name}, of a later package")
        if name.startswith("matplotlib.") and package != "plotting":
            faults.append(f"imports {name}: figures are drawn in plotting")
        if parts[0] in {"pickle", "dill", "cloudpickle", "joblib", "shelve"}:
            faults.append(f"imports {name}: nothing is pickled")
    for call in calls_of(tree):
        if call == "print" and package != "cli":
            faults.append("prints: only the command line does")
        if call in {"torch.load", "torch.save", "np.load", "np.save"}:
            faults.append(f"calls {call}: a pickle in disguise")
        if call in {"torch.manual_seed", "np.random.seed", "random.seed"} and "torch.random.fork_rng" not in source:
            faults.append(f"calls {call}: seeds are arguments")
    return faults


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_keeps_the_rules(path: Path) -> None:
    assert faults_of(path, path.read_text(encoding="utf-8")) == []


def test_the_test_sees_faults() -> None:
    source = "import matplotlib.pyplot\nimport pickle\nfrom metricvae.cli import main\nprint(torch.load('x'))"
    assert len(faults_of(SOURCE / "nn" / "broken.py", source)) == 5
    named = '"""silhouette"""\nfrom metricvae.kinds.silhouette import io\nif form == "molecule":\n    pass'
    assert len(faults_of(SOURCE / "search" / "broken.py", named)) == 2
    assert faults_of(SOURCE / "kinds" / "half" / "fine.py", named) == []
    typed = "if TYPE_CHECKING:\n    from metricvae.nn.heads import Head"
    assert faults_of(SOURCE / "core" / "fine.py", typed) == []


def test_no_name_is_defined_twice_for_different_things() -> None:
    """Public classes have one definition each."""
    found: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(SOURCE)))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
