"""The exact answer in space: the largest overlap volume of two molecules, and the best overlay of two density maps."""

from metricvae.overlap.spatial.bodies import Prepared, prepare
from metricvae.overlap.spatial.dense import overlay_dense
from metricvae.overlap.spatial.maps import MapEffort, MapOverlay, overlay_maps
from metricvae.overlap.spatial.overlaying import THOROUGH, Effort, overlay, overlay_many
from metricvae.overlap.spatial.records import Overlay, Overlays
from metricvae.overlap.spatial.volumes import overlap_volume

__all__ = [
    "THOROUGH",
    "Effort",
    "MapEffort",
    "MapOverlay",
    "Overlay",
    "Overlays",
    "Prepared",
    "overlap_volume",
    "overlay",
    "overlay_dense",
    "overlay_many",
    "overlay_maps",
    "prepare",
]
