"""What is compared: silhouettes, where they come from, and rigid motions on them.

`motions` is the one module here that needs torch; it is imported when asked for.
"""

from metricvae.objects.images import decode_png, encode_png, read_folder, read_image
from metricvae.objects.procedural import FAMILIES
from metricvae.objects.raster import rasterise
from metricvae.objects.silhouettes import SIZE, Mask, Silhouette, as_mask
from metricvae.objects.sources import SOURCES, draw, stream
from metricvae.objects.splits import SPLITS, split_of

__all__ = [
    "FAMILIES",
    "SIZE",
    "SOURCES",
    "SPLITS",
    "Mask",
    "Silhouette",
    "as_mask",
    "decode_png",
    "draw",
    "encode_png",
    "rasterise",
    "read_folder",
    "read_image",
    "split_of",
    "stream",
]
