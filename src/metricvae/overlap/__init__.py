"""The exact answer: the maximum overlap of two shapes, fast (`solve`) and by full enumeration (`solve_dense`)."""

from metricvae.overlap.certify import Certificate, certify
from metricvae.overlap.dense import solve_dense
from metricvae.overlap.edges import Edge
from metricvae.overlap.joins import Join, join, joined
from metricvae.overlap.planar import Effort, Prepared, move_mask, overlap_area, solve
from metricvae.overlap.records import Overlap, Pose

__all__ = [
    "Certificate",
    "Edge",
    "Effort",
    "Join",
    "Overlap",
    "Pose",
    "Prepared",
    "certify",
    "join",
    "joined",
    "move_mask",
    "overlap_area",
    "solve",
    "solve_dense",
]
