"""Silhouettes that were found for a query, laid on it, as an HTML page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib import resources

import numpy as np
import numpy.typing as npt
from PIL import Image

from metricvae.core.hits import FoundObject, PageAbout
from metricvae.kinds.silhouette.records import Mask
from metricvae.metrics.overlap.solver.search import move_mask
from metricvae.plotting.page.hits import ShownObject, Viewer, hit_page

Coverage = npt.NDArray[np.float64]
"""(H, W) in [0, 1]."""

_EDGE = 4
"""Empty pixels about all that is shown."""


def layers_page(query: Mask, found: Sequence[FoundObject], about: PageAbout) -> str:
    """The page of a search for silhouettes; see `metricvae.plotting.page.hits.hit_page`.

    Args:
        query: (H, W) mask.
        found: the hits, best first: masks of its size, with the poses that lay them on it.
        about: the search.

    Raises:
        InputError: no hits.
    """
    first, *others = layers(query, found)
    hits = [_shown(hit.value, layer) for hit, layer in zip(found, others, strict=True)]
    script = resources.files("metricvae.metrics.overlap").joinpath("layers_viewer.js").read_text("utf-8")
    return hit_page(found, about, _shown(query, first), hits, Viewer(script))


def layers(query: Mask, found: Sequence[FoundObject]) -> list[Coverage]:
    """Coverage of a query, and of hits laid on it, in one window that holds all of them."""
    margin = max(query.shape)
    wide = [np.pad(query, margin).astype(np.float64)]
    wide += [np.clip(move_mask(np.pad(hit.value, margin), hit.pose), 0.0, 1.0) for hit in found]
    rows, columns = np.nonzero(np.max(wide, axis=0) > 0)
    top, bottom = max(0, int(rows.min()) - _EDGE), int(rows.max()) + 1 + _EDGE
    left, right = max(0, int(columns.min()) - _EDGE), int(columns.max()) + 1 + _EDGE
    return [one[top:bottom, left:right] for one in wide]


def _shown(mask: Mask, layer: Coverage) -> ShownObject:
    picture = f'<div class="layer" style="--mask:url({_data_uri(mask.astype(np.float64))})"></div>'
    return ShownObject(picture, {"layer": _data_uri(layer)})


def _data_uri(coverage: Coverage) -> str:
    """A PNG that is opaque where something is, to be filled with a colour."""
    opacity = Image.fromarray(np.rint(255 * coverage).astype(np.uint8))
    buffer = io.BytesIO()
    Image.merge("LA", (Image.new("L", opacity.size), opacity)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
