"""Optional packages: without them the rest works, and what needs one says in one line what to install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metricvae.core.errors import InputError
from metricvae.kinds.molecule.extra import require as require_chem
from metricvae.kinds.points.kind import PointsKind
from metricvae.kinds.silhouette.sources import glyphs
from metricvae.kinds.volume.kind import VolumeKind
from metricvae.plotting.drawing import figure_of
from metricvae.reproduction.any_metric.labels.digits import measure_earth_mover
from metricvae.reproduction.any_metric.labels.proteins import measure_alignment
from metricvae.reproduction.any_metric.labels.series import measure_warping
from metricvae.reproduction.any_metric.labels.words import measure_edits
from metricvae.reproduction.report import require_reporting
from metricvae.runtime.extras import require
from metricvae.runtime.ray_pool import ray_pool
from metricvae.search.ann import InvertedFile
from metricvae.training.logs import summary_writer

ROOT = Path(__file__).parents[1]

DISTRIBUTIONS = {"ot": "POT"}
"""Packages whose distribution has another name."""


def glyph_outline() -> None:
    glyphs.open_font.cache_clear()
    glyphs.outline.cache_clear()
    glyphs.outline(ord("A"))


def ray() -> None:
    with ray_pool("local"):
        pass


USES: dict[tuple[str, str], Callable[[], object]] = {
    ("matplotlib", "plot"): lambda: figure_of(1, 1),
    ("matplotlib", "glyphs"): glyph_outline,
    ("fontTools", "glyphs"): glyph_outline,
    ("matplotlib", "reproduce"): require_reporting,
    ("rdkit", "chem"): lambda: require_chem("rdkit.Chem"),
    ("gemmi", "chem"): lambda: require_chem("gemmi"),
    ("ray", "ray"): ray,
    ("faiss", "search"): lambda: InvertedFile.read(Path()),
    ("tensorboard", "track"): summary_writer,
    ("ot", "any-metric"): lambda: measure_earth_mover([]),
    ("rapidfuzz", "any-metric"): lambda: measure_edits([]),
    ("parasail", "any-metric"): lambda: measure_alignment([]),
    ("dtaidistance", "any-metric"): lambda: measure_warping([]),
    ("plyfile", "points"): lambda: PointsKind().read(Path("cloud.ply")),
    ("mrcfile", "maps"): lambda: VolumeKind().read(Path("map.mrc")),
}


@pytest.mark.parametrize(("package", "extra"), USES)
def test_a_missing_package_is_one_line(package: str, extra: str, hide_package: Callable[[str], None]) -> None:
    hide_package(package)
    with pytest.raises(InputError, match=rf'needs {package}\b.*: pip install "metricvae\[{extra}\]"') as caught:
        USES[package, extra]()
    assert "\n" not in str(caught.value)


def test_a_package_that_is_there_and_broken_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("raise ImportError('libsomething.so is not there')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"drawing needs broken_package, which cannot be imported \(libsomething"):
        require("broken_package", "plot", "drawing")


def with_nested(brings: dict[str, list[str]], extra: str) -> list[str]:
    """The requirements of an extra, and of the extras it is made of."""
    nested = re.findall(r"metricvae\[(.+)\]", " ".join(brings[extra]))
    return sum((with_nested(brings, one) for one in ",".join(nested).split(",") if one), brings[extra])


def test_every_extra_that_is_named_is_there_and_brings_its_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    brings = project["optional-dependencies"]
    named = set().union(
        *(re.findall(r"metricvae\[(\w+)\]", path.read_text()) for path in (ROOT / "src").rglob("*.py")),
        (extra for _, extra in USES),
    )
    assert named <= set(brings)
    for package, extra in USES:
        name = DISTRIBUTIONS.get(package, package)
        assert re.search(rf"\b{name}\b", " ".join(with_nested(brings, extra)), re.IGNORECASE), (package, extra)
    core = " ".join(project["dependencies"]).lower()
    assert not [package for package, _ in USES if re.search(rf"\b{package.lower()}\b", core)]


def test_the_core_predicts_without_any_of_them(tmp_path: Path) -> None:
    for name, radius in (("a.png", 40), ("b.png", 55)):
        mask = np.hypot(*(np.indices((200, 200)) - 99.5)) < radius
        Image.fromarray(255 * mask.astype(np.uint8)).save(tmp_path / name)
    hidden = sorted({package for package, _ in USES})
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden}))\n"
        "from metricvae.cli import main\n"
        "sys.exit(main(['predict', 'overlap', 'a.png', 'b.png']) or main(['solve', 'a.png', 'b.png'])\n"
        "         or 2 - main(['quickstart', '--out', 'report']))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == 'metricvae: a report needs matplotlib: pip install "metricvae[reproduce]"\n'
    assert not (tmp_path / "report").exists()
