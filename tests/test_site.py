"""The documentation builds without a warning, every link in it leads somewhere, and its pages load nothing from
elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("mkdocs", "material", "mkdocstrings_handlers", "latex2mathml")

LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""Attributes by which a page loads something, without a click."""

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED), reason="the extra docs is not installed"
)


class Addresses(HTMLParser):
    """What a page loads, what it links to, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.linked.append(given["href"])
        elif tag in LOADS and LOADS[tag] in given and given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(given[LOADS[tag]])


def is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `mkdocs build --strict` builds it."""
    folder = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Addresses]:
    found = {}
    for path in site.rglob("*.html"):
        found[path] = Addresses()
        found[path].feed(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_pages_load_nothing_from_elsewhere(pages: dict[Path, Addresses]) -> None:
    assert len(pages) > 60
    assert [(path.name, one) for path, page in pages.items() for one in page.loaded if is_elsewhere(one)] == []


@pytest.mark.slow
def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert styles
    loaded = [
        one for style in styles for one in re.findall(r"url\(\s*['\"]?([^)'\"]+)|@import\s+['\"]([^'\"]+)", style)
    ]
    assert [address for pair in loaded for address in pair if is_elsewhere(address)] == []


def broken_links(pages: dict[Path, Addresses], site: Path) -> Iterator[str]:
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are of the place that the site is served at
        for link in page.linked + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                yield f"{path.relative_to(site)}: {link}"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{path.relative_to(site)}: no anchor {link}"


@pytest.mark.slow
def test_no_link_is_broken(pages: dict[Path, Addresses], site: Path) -> None:
    resolved = {path.resolve(): page for path, page in pages.items()}
    assert list(broken_links(resolved, site.resolve())) == []


@pytest.mark.slow
def test_formulae_are_shown_without_a_script(site: Path) -> None:
    page = (site / "equations.html").read_text(encoding="utf-8")
    assert page.count("<math ") >= 4
    assert "$`" not in page


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"- (?:\w+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    results = {f"benchmarks/{path.name}" for path in (ROOT / "benchmarks").glob("*.md")}
    assert listed == written | results | {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
