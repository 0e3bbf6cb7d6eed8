"""Hooks of the site: pages that lie beside `docs/`, links to them, and formulae as MathML."""

from __future__ import annotations

import html
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]

BESIDE = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
    *sorted(f"benchmarks/{p.name}" for p in ROOT.glob("benchmarks/*.md")),
)
"""Pages outside `docs/`, by their paths in the repository, which are those in the site too."""

LINK = re.compile(r"(?P<before>!?\[(?P<text>[^\]]*)\]\()(?P<target>[^)\s#]+)(?P<rest>#[^)\s]*)?\)")
FENCE = re.compile(r"^(```.*?^```\s*?$)", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"\$`([^`]+)`\$")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Blocks of the language `math` become MathML, which browsers show without a script."""
    fences = config.mdx_configs.setdefault("pymdownx.superfences", {})
    fences["custom_fences"] = [{"name": "math", "class": "math", "format": _block_of_math}]
    return config


def _block_of_math(source: str, *_: Any, **__: Any) -> str:
    return f'<div class="math">{convert(source, display="block")}</div>'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages beside `docs/`."""
    for path in BESIDE:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """Point links at where pages lie in the site; what is not in it is named and not linked. Inline formulae."""
    parts = FENCE.split(markdown)
    for k in range(0, len(parts), 2):  # the others are blocks of code
        text = LINK.sub(lambda found: _linked(found, page.file, files), parts[k])
        parts[k] = INLINE.sub(_inline_math, text)
    return "".join(parts)


def _inline_math(found: re.Match[str]) -> str:
    """A formula in a line; inside a `span`, as Markdown takes a line that begins with `math` for a block."""
    return f"<span>{convert(html.unescape(found[1]))}</span>"


def _linked(found: re.Match[str], source: File, files: Files) -> str:
    target = found["target"]
    if re.match(r"[a-z]+:|/", target):
        return found[0]
    place = _in_site(posixpath.normpath(posixpath.join(posixpath.dirname(_in_repository(source.src_uri)), target)))
    if files.get_file_from_path(place) is None:
        if (ROOT / _in_repository(place)).exists() or (ROOT / place).exists():
            return f"{found['text']} (`{place}`)"
        return found[0]  # mkdocs says that it is broken
    relative = posixpath.relpath(place, posixpath.dirname(source.src_uri) or ".")
    return f"{found['before']}{relative}{found['rest'] or ''})"


def _in_repository(path: str) -> str:
    """The path in the repository of a path in the site."""
    return path if path in BESIDE else f"docs/{path}"


def _in_site(path: str) -> str:
    """The path in the site of a path in the repository."""
    return path.removeprefix("docs/")
