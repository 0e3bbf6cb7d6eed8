"""The exact answer: the maximum overlap of two shapes, fast (`solve`) and by full enumeration (`solve_dense`)."""

from metricvae.overlap.certify import Certificate, certify
from metricvae.overlap.dense import solve_dense
from metricvae.overlap.planar import Effort, Prepared, move_mask, overlap_area, solve
from metricvae.overlap.records import Overlap, Pose

__all__ = [
    "Certificate",
    "Effort",
    "Overlap",
    "Pose",
    "Prepared",
    "certify",
    "move_mask",
    "overlap_area",
    "solve",
    "solve_dense",
]
