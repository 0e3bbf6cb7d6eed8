"""The exact answer: the maximum overlap of two shapes, fast (`solve`) and by full enumeration (`solve_dense`)."""

from metricvae.overlap.dense import solve_dense
from metricvae.overlap.planar import Effort, Prepared, move_mask, overlap_area, solve
from metricvae.overlap.records import Overlap, Pose

__all__ = ["Effort", "Overlap", "Pose", "Prepared", "move_mask", "overlap_area", "solve", "solve_dense"]
