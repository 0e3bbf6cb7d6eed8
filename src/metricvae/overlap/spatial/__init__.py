"""The exact answer in space: the largest overlap volume of two molecules over all rotations and translations."""

from metricvae.overlap.spatial.bodies import Prepared, prepare
from metricvae.overlap.spatial.overlaying import THOROUGH, Effort, overlay, overlay_many
from metricvae.overlap.spatial.records import Overlay, Overlays
from metricvae.overlap.spatial.volumes import overlap_volume

__all__ = [
    "THOROUGH",
    "Effort",
    "Overlay",
    "Overlays",
    "Prepared",
    "overlap_volume",
    "overlay",
    "overlay_many",
    "prepare",
]
