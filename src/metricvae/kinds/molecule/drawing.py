"""Pictures of molecules: a query and its hits, drawn flat and laid on one another in space."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from metricvae.core.hits import FoundObject
from metricvae.kinds.molecule.extra import require
from metricvae.kinds.molecule.mol_blocks import mol_block
from metricvae.kinds.molecule.records import Molecule

WIDE, HIGH, MARGIN, LEGEND = 320, 190, 12, 44
"""Pixels: size of a picture, space about it, height of the words under it."""

SMOOTHER = 3
"""Drawn so many times as large, then shrunk."""

QUERY, HIT = (120, 120, 120), (213, 94, 0)
"""Grey, and Okabe and Ito's vermilion."""

HETEROATOMS = {
    **{
        5: (200, 115, 85),
        7: (70, 130, 235),
        8: (226, 72, 60),
        9: (36, 152, 96),
        14: (160, 125, 90),
        15: (222, 124, 20),
    },
    **{16: (176, 140, 0), 17: (36, 152, 96), 33: (150, 90, 200), 34: (190, 125, 0), 35: (176, 84, 50)},
    **{52: (176, 125, 0), 53: (148, 84, 196)},
}
"""Red, green and blue of elements other than carbon, by atomic number, in structural formulas on no ground."""

_SUPERFLUOUS = re.compile(
    r"<!--.*?-->|\sclass='[^']*'|fill-rule:evenodd;|;stroke-width:1\.3px|;stroke-linecap:butt|;stroke-linejoin:miter"
    r"|;stroke-opacity:1",
    re.DOTALL,
)
"""What an SVG of RDKit says beside the picture, and what is the default."""

Places = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Laid:
    """A hit where it lies on the query.

    Attributes:
        molecule: moved onto the query.
        words: two lines at most.
    """

    molecule: Molecule
    words: str


def draw_hits(query: Molecule, hits: Sequence[Laid]) -> bytes:
    """A PNG: the query, then a row for each hit, flat on the left and laid on the query (grey) on the right."""
    rows = [(flat_picture(query), space_picture(query, None), f"{query.id}, the query")]
    rows += [(flat_picture(hit.molecule), space_picture(query, hit.molecule), hit.words) for hit in hits]
    width, height = 2 * WIDE + 3 * MARGIN, HIGH + LEGEND + MARGIN
    sheet = Image.new("RGB", (width, height * len(rows) + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (flat, space, words) in enumerate(rows):
        top = MARGIN + place * height
        sheet.paste(flat, (MARGIN, top))
        sheet.paste(space, (WIDE + 2 * MARGIN, top))
        pen.multiline_text((MARGIN, top + HIGH + 4), words, fill="black", font=ImageFont.load_default(15))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def draw_found(query: Molecule, hits: Sequence[FoundObject]) -> bytes:
    """A query, and every hit flat and laid on it, as a PNG."""
    from metricvae.kinds.molecule.kind import posed

    words = [f"{hit.name}\n{hit.score_name} {hit.exact:.3f}, predicted {hit.predicted:.3f}" for hit in hits]
    shown = [Laid(posed(hit.value, hit.pose), text) for hit, text in zip(hits, words, strict=True)]
    return draw_hits(posed(query, None), shown)


def flat_picture(molecule: Molecule) -> Image.Image:
    """The structural formula."""
    drawing = require("rdkit.Chem.Draw.rdMolDraw2D")
    canvas = drawing.MolDraw2DCairo(WIDE, HIGH)
    drawing.PrepareAndDrawMolecule(canvas, _rdkit_molecule(molecule))
    canvas.FinishDrawing()
    return Image.open(io.BytesIO(canvas.GetDrawingText())).convert("RGB")


def flat_svg(molecule: Molecule, width: int = 240, height: int = 150) -> str:
    """The structural formula as an SVG element on no ground: its lines in the colour of the text about it, its
    heteroatoms in colours that are read on white and on black. Nothing of a molecule that RDKit refuses."""
    mol = _rdkit_molecule(molecule)
    if mol is None:
        return ""
    drawing = require("rdkit.Chem.Draw.rdMolDraw2D")
    canvas = drawing.MolDraw2DSVG(width, height)
    options = canvas.drawOptions()
    options.useBWAtomPalette()
    options.updateAtomPalette({number: tuple(part / 255 for part in colour) for number, colour in HETEROATOMS.items()})
    options.clearBackground, options.fixedBondLength, options.bondLineWidth, options.padding = False, 24, 1.3, 0.03
    drawing.PrepareAndDrawMolecule(canvas, mol)
    canvas.FinishDrawing()
    inner = re.search(r"<svg[^>]*>(.*)</svg>", canvas.GetDrawingText(), re.DOTALL)
    assert inner is not None
    drawn = _SUPERFLUOUS.sub("", inner[1]).replace("#000000", "currentColor").strip()
    return (
        f'<svg viewBox="0 0 {width} {height}" stroke-width="{options.bondLineWidth}" aria-hidden="true">{drawn}</svg>'
    )


def _rdkit_molecule(molecule: Molecule) -> Any:
    chem = require("rdkit.Chem")
    return chem.MolFromSmiles(molecule.smiles) if molecule.smiles else chem.MolFromMolBlock(mol_block(molecule))


def space_picture(query: Molecule, hit: Molecule | None) -> Image.Image:
    """Bonds of the query, and of a hit on it, seen along the query's shortest axis."""
    off = query.positions - query.centre
    axes = np.linalg.svd(off, full_matrices=False)[2]
    shown = [(query, QUERY)] + ([] if hit is None else [(hit, HIT)])
    flat = [((one.positions - query.centre) @ axes.T, one, colour) for one, colour in shown]
    reach = np.max([np.abs(places[:, :2]).max(axis=0) for places, _, _ in flat], axis=0) + 1.0
    middle = SMOOTHER * np.array([WIDE, HIGH]) / 2
    scale = float((middle / reach).min()) * np.array([1.0, -1.0])
    picture = Image.new("RGB", (SMOOTHER * WIDE, SMOOTHER * HIGH), "white")
    pen = ImageDraw.Draw(picture)
    for places, one, colour in flat:
        _draw_bonds(pen, middle + places[:, :2] * scale, one, colour)
    return picture.resize((WIDE, HIGH), Image.Resampling.LANCZOS)


def _draw_bonds(pen: ImageDraw.ImageDraw, places: Places, molecule: Molecule, colour: tuple[int, int, int]) -> None:
    thick = SMOOTHER * 4
    for first, second in molecule.bonds[:, :2].tolist():
        pen.line([*places[first], *places[second]], fill=colour, width=thick)
    for (x, y), element in zip(places, molecule.elements, strict=True):
        size = thick * (0.55 if element == 6 else 1.5)
        pen.ellipse([x - size, y - size, x + size, y + size], fill=colour)
