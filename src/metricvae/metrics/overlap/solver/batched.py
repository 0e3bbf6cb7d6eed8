"""The search of :mod:`metricvae.metrics.overlap.solver.search` for many pairs at once, in PyTorch, for GPUs.

The scan, the local optimisation and the simplex search are the same, with loops over poses as tensor dimensions. Only
the outlines are traced on the CPU, once per shape. Results agree with those of `solve` up to rounding, which may lead
the optimisation to another of two equal maxima; on a CPU this is slower than the compiled loops.

In shapes: n shapes, p pairs, k poses of each pair, m points or segments of an outline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from metricvae.metrics.overlap.solver.kernels import BORDER
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.scan import MIN_SEPARATION, dft_matrices, grid_spacing, inverse_dft_matrices
from metricvae.metrics.overlap.solver.search import (
    COMPARED_POSES,
    ITERATIONS,
    SHORTEST_STEPS,
    SIMPLEX_EVALUATIONS,
    SIMPLEX_SIZE,
    PreparedMask,
    SearchConfig,
    check_pair,
    first_step_lengths,
    overlap_record,
    segment_lengths,
)

NUMBERS_AT_ONCE = 1 << 26
"""Numbers of spectra that are multiplied at a time; a pixel that is interpolated counts as two. It bounds the memory:
about forty bytes each."""

SIMPLEX_CORNERS = 4
"""Poses of a pair that are compared pixel by pixel at a time, at most: those of a simplex in three dimensions."""


def solve_batch(
    shapes: Sequence[PreparedMask],
    pairs: npt.NDArray[np.int64],
    config: SearchConfig | None = None,
    *,
    device: torch.device | str = "cuda",
) -> list[Overlap]:
    """Maximum overlaps of many pairs, as `solve` finds them.

    Args:
        shapes: on canvases of one size.
        pairs: (p, 2) indices of `shapes`: the one that stays and the one that moves.
        config: search configuration; default as in `solve`.
        device: where to compute.

    Raises:
        InputError: canvases that differ in size, or a blank shape.
    """
    config = config or SearchConfig()
    for a, b in pairs.tolist():
        check_pair(shapes[a], shapes[b])
    used, rows = np.unique(pairs, return_inverse=True)
    table = _ShapeTable.of([shapes[i] for i in used.tolist()], config, torch.device(device))
    ends = torch.from_numpy(rows.reshape(-1, 2)).to(device)
    at_once = max(1, NUMBERS_AT_ONCE // _numbers_a_pair(table, config))
    found: list[Overlap] = []
    for start in range(0, len(pairs), at_once):
        area, poses = (part.cpu().double().numpy() for part in _solve(table, ends[start : start + at_once], config))
        for (a, b), overlap, pose in zip(pairs[start : start + at_once].tolist(), area, poses, strict=True):
            found.append(overlap_record(shapes[a], shapes[b], float(overlap), pose))
    return found


def _numbers_a_pair(table: _ShapeTable, config: SearchConfig) -> int:
    """What `NUMBERS_AT_ONCE` counts, of one pair, in the stage of the search that has most of it."""
    scanned = config.angles * (2 * config.frequencies + 1) * (config.frequencies + 1)
    optimised = config.local_optimisations * table.coarse.shape[-1]
    compared = SIMPLEX_CORNERS * table.points.shape[-1]
    return max(scanned, 2 * optimised, 2 * compared)


@dataclass(frozen=True)
class _ShapeTable:
    """The shapes as tensors on the device.

    Attributes:
        images, sums: (n * rows * columns,) float32: bordered masks and the integrals along their rows.
        rows, columns: of one image.
        size: longer side of the canvas in pixels.
        centre: (n, 2) centroid x, y in pixels of a bordered image.
        area, radius: (n,).
        coarse, fine: (n, 4, m) outlines in long and short segments, padded with zeros.
        points: (n, 3, m) pixels set, x and y from the centroid, and 1; padded with zeros.
        fixed_spectra: (n, 2 cutoff + 1, 1, cutoff + 1) complex spectra of the shapes as they are.
        rotated_spectra: (n, 2 cutoff + 1, angles / 2, cutoff + 1), rotated by half a circle's angles.
    """

    images: Tensor
    sums: Tensor
    rows: int
    columns: int
    size: int
    centre: Tensor
    area: Tensor
    radius: Tensor
    coarse: Tensor
    fine: Tensor
    points: Tensor
    fixed_spectra: Tensor
    rotated_spectra: Tensor

    @classmethod
    def of(cls, shapes: list[PreparedMask], config: SearchConfig, device: torch.device) -> _ShapeTable:
        masks = torch.from_numpy(np.stack([shape.mask for shape in shapes])).to(device).float()
        images = functional.pad(masks, (BORDER,) * 4)
        _, rows, columns = images.shape
        halves = functional.pad((images[..., :-1] + images[..., 1:]) / 2, (1, 0))
        size = max(shapes[0].mask.shape)
        coarse, fine = (_stack_padded([shape.outline(n) for shape in shapes], device) for n in segment_lengths(size))
        points = _stack_padded([np.vstack([s.points, np.ones((1, s.area), np.float32)]) for s in shapes], device)
        centre = torch.tensor([shape.centroid for shape in shapes], dtype=torch.float32, device=device) + BORDER
        radius = torch.tensor([shape.radius for shape in shapes], dtype=torch.float32, device=device)
        area = torch.tensor([float(shape.area) for shape in shapes], device=device)
        bare = cls(
            *(images.reshape(-1), halves.cumsum(-1).reshape(-1), rows, columns, size),
            *(centre, area, radius, coarse, fine, points, area, area),
        )
        small = _downsample(bare, masks, config)
        fixed, rotated = _spectra(*small, 2, config), _spectra(*small, config.angles, config)
        return replace(bare, fixed_spectra=fixed, rotated_spectra=rotated)

    def interpolate(
        self, which: Tensor, u: Tensor, v: Tensor, *, integrals: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """Bilinear values of images `which` (p, 1, 1) at columns u and rows v (p, k, m), and, where asked for, the
        integrals of the interpolated rows up to there, each (p, k, m)."""
        u, v = u.clamp(0.0, self.columns - 1.001), v.clamp(0.0, self.rows - 1.001)
        column, row = u.long(), v.long()
        fu, fv = u - column, v - row
        at = which * (self.rows * self.columns) + row * self.columns + column
        here, right = self.images[at], self.images[at + 1]
        below, across = self.images[at + self.columns], self.images[at + self.columns + 1]
        top, bottom = here + (right - here) * fu, below + (across - below) * fu
        value = top + (bottom - top) * fv
        if not integrals:
            return value, None
        upper = self.sums[at] + 0.5 * fu * (here + top)
        lower = self.sums[at + self.columns] + 0.5 * fu * (below + bottom)
        return value, upper + (lower - upper) * fv

    def image_points(self, b: Tensor, points: Tensor, pose: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Columns and rows (p, k, m) of the second image on which points (p, 2, m) of the first shape fall under poses
        (p, k, 3), and the cosines and sines of these, (p, k, 1)."""
        cos, sin = pose[..., :1].cos(), pose[..., :1].sin()
        x, y = points[:, 0, None] - pose[..., 1:2], points[:, 1, None] - pose[..., 2:3]
        centre = self.centre[b][:, :, None, None]
        return cos * x - sin * y + centre[:, 0], sin * x + cos * y + centre[:, 1], cos, sin

    def overlap_at(self, a: Tensor, b: Tensor, pose: Tensor) -> Tensor:
        """The overlap (p, k) in pixels of shapes a and b (p,) at poses (p, k, 3), as the kernel of this name."""
        points = self.points[a]
        u, v, _, _ = self.image_points(b, points, pose)
        value, _ = self.interpolate(b[:, None, None], u, v)
        return (value * points[:, 2, None]).sum(-1)

    def overlap_along(self, outline: Tensor, b: Tensor, pose: Tensor) -> Tensor:
        """The overlap (p, k) in pixels as an integral along outlines (p, 4, m), as the kernel of this name."""
        u, v, cos, sin = self.image_points(b, outline, pose)
        _, integral = self.interpolate(b[:, None, None], u, v, integrals=True)
        assert integral is not None
        return ((cos * outline[:, 2, None] - sin * outline[:, 3, None]) * integral).sum(-1)

    def gradient_along(self, outline: Tensor, b: Tensor, pose: Tensor) -> Tensor:
        """The gradient (p, k, 3) of the overlap with respect to angle, x and y, as the kernel of this name."""
        u, v, _, _ = self.image_points(b, outline, pose)
        value, _ = self.interpolate(b[:, None, None], u, v)
        push = torch.einsum("pkm,pcm->pkc", value, outline[:, 2:])
        arm = outline[:, 3] * outline[:, 0] - outline[:, 2] * outline[:, 1]
        moment = torch.einsum("pkm,pm->pk", value, arm) - pose[..., 1] * push[..., 1] + pose[..., 2] * push[..., 0]
        return torch.stack([moment, -push[..., 0], -push[..., 1]], dim=-1)


def _stack_padded(arrays: list[npt.NDArray[np.float32]], device: torch.device) -> Tensor:
    """(c, m_i) arrays as one (n, c, max m) tensor, padded with zeros."""
    out = np.zeros((len(arrays), arrays[0].shape[0], max(array.shape[1] for array in arrays)), np.float32)
    for row, array in zip(out, arrays, strict=True):
        row[:, : array.shape[1]] = array
    return torch.from_numpy(out).to(device)


def _downsample(table: _ShapeTable, masks: Tensor, config: SearchConfig) -> tuple[_ShapeTable, float, int]:
    """The shapes on the coarse grid of the scan, its pixels between two samples, and samples to each side."""
    spacing, _ = grid_spacing(table.size, config.frequencies)
    factor = max(1, round(spacing))
    height, width = masks.shape[1:]
    whole = functional.pad(masks, (0, -width % factor, 0, -height % factor))
    small = functional.avg_pool2d(whole[:, None], factor)[:, 0]
    images = functional.pad(small, (BORDER,) * 4)
    centre = (table.centre - BORDER - (factor - 1) / 2) / factor + BORDER
    reach = math.ceil(float(table.radius.max()) / spacing)
    shrunk = replace(
        table, images=images.reshape(-1), rows=images.shape[1], columns=images.shape[2], centre=centre, sums=images
    )
    return shrunk, spacing / factor, reach


def _spectra(table: _ShapeTable, spacing: float, reach: int, angles: int, config: SearchConfig) -> Tensor:
    """Low frequencies of the shapes at half of `angles` rotations: (n, 2 cutoff + 1, rotations, cutoff + 1)."""
    cutoff, half = config.frequencies, angles // 2
    sampled = half // 2 if half % 2 == 0 else half
    device, count = table.images.device, len(table.area)
    offset = torch.arange(-reach, reach + 1, device=device) * spacing
    x, y = offset.repeat(2 * reach + 1), offset.repeat_interleave(2 * reach + 1)
    angle = torch.arange(sampled, device=device) * (2 * math.pi / angles)
    pose = functional.pad(angle[None, :, None], (0, 2)).expand(count, -1, -1)
    which = torch.arange(count, device=device)
    u, v, _, _ = table.image_points(which, torch.stack([x, y]).expand(count, -1, -1), pose)
    value, _ = table.interpolate(which[:, None, None], u, v)
    images = value.reshape(count, sampled, 2 * reach + 1, 2 * reach + 1)
    across, cosines, sines = (torch.from_numpy(matrix).to(device) for matrix in dft_matrices(cutoff, reach))
    right = torch.complex(across[:, : cutoff + 1].contiguous(), across[:, cutoff + 1 :].contiguous())
    half_down = torch.complex(cosines, -sines)  # vertical frequencies from 0, at samples from 0
    whole = torch.cat([half_down[:, 1:].flip(1).conj(), half_down], dim=1)
    down = torch.cat([whole[1:].flip(0).conj(), whole])
    found = torch.einsum("yr,ntrx->nytx", down, images.to(right.dtype) @ right)
    if sampled == half:
        return found
    frequency = torch.arange(-cutoff, cutoff + 1, device=device)[:, None]
    column = torch.arange(cutoff + 1, device=device)[None, :]
    sign = torch.where(frequency <= 0, 1, -1)
    quarter = found[:, cutoff + sign * column, :, frequency.abs().expand(-1, cutoff + 1)].permute(2, 0, 3, 1)
    return torch.cat([found, torch.where(sign[None, :, None] > 0, quarter, quarter.conj())], dim=2)


def _scan(table: _ShapeTable, a: Tensor, b: Tensor, config: SearchConfig) -> Tensor:
    """Poses of the coarse grid, ranked as candidates, (p, k, 3)."""
    _, cell = grid_spacing(table.size, config.frequencies)
    reach = min(math.ceil(float(torch.maximum(table.radius[a], table.radius[b]).max()) / cell), config.frequencies)
    fixed, rotated = table.fixed_spectra[a], table.rotated_spectra[b]
    product = torch.cat([fixed * rotated.conj(), fixed * rotated], dim=2)
    cosines, sines, across_cosines, across_sines = (
        torch.from_numpy(matrix).to(fixed.device) for matrix in inverse_dft_matrices(config.frequencies, reach)
    )
    quarter = torch.complex(cosines, sines)  # shifts from 0, frequencies from 0
    whole = torch.cat([quarter[:, 1:].flip(1).conj(), quarter], dim=1)
    down = torch.cat([whole[1:].flip(0).conj(), whole])
    part = torch.einsum("dy,pytx->ptdx", down, product)
    even, odd = part.real @ across_cosines, part.imag @ across_sines
    correlation = torch.cat([(even - odd)[..., 1:].flip(-1), even + odd], dim=-1)
    height, shift = _peaks(correlation)
    angle = torch.arange(config.angles, device=fixed.device)[:, None] * (2 * math.pi / config.angles)
    poses = torch.cat([angle.expand(*height.shape)[..., None], shift * cell], dim=-1).flatten(1, 2)
    return poses.gather(1, _rank_candidates(height, shift)[..., None].expand(-1, -1, 3))


def _peaks(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """Heights (p, rotations, 2) and shifts (p, rotations, 2, 2) of the two highest cells of each rotation, more than
    `MIN_SEPARATION` apart."""
    side = correlation.shape[-1]
    cell = torch.arange(side * side, device=correlation.device)
    flat = correlation.flatten(-2)
    height, at = flat.max(-1, keepdim=True)
    (row, row_at), (column, column_at) = (
        (part.short() for part in parts) for parts in ((cell // side, at // side), (cell % side, at % side))
    )  # a number for every cell of every rotation of every pair: a quarter of the memory of int64
    near = ((row - row_at).abs() <= MIN_SEPARATION) & ((column - column_at).abs() <= MIN_SEPARATION)
    second, other = flat.masked_fill(near, -torch.inf).max(-1, keepdim=True)
    where = torch.cat([at, other], dim=-1)
    return torch.cat([height, second], dim=-1), torch.stack([where % side, where // side], dim=-1) - side // 2


def _rank_candidates(height: Tensor, shift: Tensor) -> Tensor:
    """Order of all poses of a pair, (p, 2 rotations): local maxima first, then the rest, each from high to low."""
    local = torch.ones_like(height, dtype=torch.bool)
    for direction in (1, -1):
        other_height, other_shift = height.roll(direction, 1), shift.roll(direction, 1)
        near = (shift[:, :, :, None] - other_shift[:, :, None]).abs().amax(-1) <= MIN_SEPARATION
        local &= ~(near & (other_height[:, :, None] > height[..., None])).any(-1)
    behind = 2 * height.amax((1, 2), keepdim=True) + 1
    return torch.where(local, height, height - behind).flatten(1).argsort(dim=1, descending=True, stable=True)


def _rprop_ascent(
    table: _ShapeTable, outline: Tensor, fine: Tensor, b: Tensor, pose: Tensor, steps: Tensor, iterations: int
) -> Tensor:
    """Poses (p, k, 3) after local optimisation by resilient steps, the highest overlap first."""
    length, before = steps.expand_as(pose).clone(), torch.zeros_like(pose)
    for _ in range(iterations):
        sign = table.gradient_along(outline, b, pose).sign()
        agreed = sign * before
        length = torch.where(agreed > 0, (1.2 * length).minimum(2.0 * steps), length)
        length = torch.where(agreed < 0, 0.4 * length, length)
        before, pose = sign, pose + sign * length
    order = table.overlap_along(fine, b, pose).argsort(dim=1, descending=True, stable=True)
    return pose.gather(1, order[..., None].expand_as(pose))


def _solve(table: _ShapeTable, pairs: Tensor, config: SearchConfig) -> tuple[Tensor, Tensor]:
    """Maximum areas (p,) and poses about the centroids (p, 3) of pairs (p, 2)."""
    first, second = pairs.unbind(1)
    swapped = table.area[first] > table.area[second]
    a, b = torch.where(swapped, second, first), torch.where(swapped, first, second)
    pose = _scan(table, a, b, config)
    coarse, fine = table.coarse[a], table.fine[a]
    shortest = torch.from_numpy(SHORTEST_STEPS).to(pose)
    steps = torch.from_numpy(first_step_lengths(table.size, config)).to(pose)
    half = max(config.refinements, config.local_optimisations // 2)
    stages = (coarse, config.local_optimisations), (coarse, half), (fine, config.refinements)
    for (outline, count), iterations in zip(stages, ITERATIONS, strict=True):
        pose = _rprop_ascent(table, outline, fine, b, pose[:, :count], steps, iterations)
        steps = (steps / 3).maximum(shortest)
    pose = torch.where(swapped[:, None, None], _inverse_poses(pose), pose)[:, :COMPARED_POSES]
    best = table.overlap_at(first, second, pose).argmax(1)
    pose = pose[torch.arange(len(pose), device=pose.device), best]
    step = SIMPLEX_SIZE * table.size
    size = torch.stack([step / (table.area[first] / math.pi).sqrt(), *[torch.full_like(pose[:, 0], step)] * 2], dim=1)
    area, pose = _nelder_mead(lambda poses: table.overlap_at(first, second, poses), pose, size)
    aligned = _pixel_aligned(table, first, second, pose)
    there = table.overlap_at(first, second, aligned[:, None])[:, 0]
    return area.maximum(there), torch.where((there > area)[:, None], aligned, pose)


def _inverse_poses(pose: Tensor) -> Tensor:
    """The motions that undo poses (..., 3): `inverse_poses` on tensors."""
    cos, sin = pose[..., 0].cos(), pose[..., 0].sin()
    x, y = pose[..., 1], pose[..., 2]
    return torch.stack([-pose[..., 0], sin * y - cos * x, -sin * x - cos * y], dim=-1)


def _nelder_mead(overlap: Callable[[Tensor], Tensor], pose: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """The simplex search of Nelder and Mead (1965) for all pairs at once: overlaps (p,) and poses (p, 3)."""
    corners = pose[:, None] + functional.pad(torch.diag_embed(steps), (0, 0, 1, 0))
    values = overlap(corners)
    for _ in range(SIMPLEX_EVALUATIONS // 2):
        values, order = values.sort(dim=1, descending=True, stable=True)
        corners = corners.gather(1, order[..., None].expand_as(corners))
        middle = corners[:, :3].mean(1)
        away = middle - corners[:, 3]
        value = overlap((middle + away)[:, None])[:, 0]
        factor = torch.where(value > values[:, 0], 2.0, torch.where(value > values[:, 3], 0.5, -0.5))
        plain = (value > values[:, 2]) & (value <= values[:, 0])
        tried = overlap((middle + factor[:, None] * away)[:, None])[:, 0]
        further = ~plain & (tried > value.maximum(values[:, 3]))
        reflected = plain | (~further & (value > values[:, 0]))
        replaced = further | reflected
        corner = middle + torch.where(further, factor, 1.0)[:, None] * away
        shrunk = (corners + corners[:, :1]) / 2
        corners = torch.where(replaced[:, None, None], torch.cat([corners[:, :3], corner[:, None]], 1), shrunk)
        last = torch.where(further, tried, value)
        moved = torch.cat([values[:, :3], last[:, None]], dim=1)
        values = torch.where(replaced[:, None], moved, overlap(shrunk)) if not bool(replaced.all()) else moved
    best = values.argmax(1)
    rows = torch.arange(len(values), device=values.device)
    return values[rows, best], corners[rows, best]


def _pixel_aligned(table: _ShapeTable, a: Tensor, b: Tensor, pose: Tensor) -> Tensor:
    """The nearest poses that put pixels on pixels, (p, 3)."""
    quarters = (pose[:, 0] * (2 / math.pi)).round()
    cos, sin = (quarters * (math.pi / 2)).cos().round(), (quarters * (math.pi / 2)).sin().round()
    x, y = (table.centre[b] - BORDER).unbind(1)
    offset = table.centre[a] - BORDER - torch.stack([cos * x + sin * y, cos * y - sin * x], dim=1)
    return torch.cat([quarters[:, None] * (math.pi / 2), (offset + pose[:, 1:]).round() - offset], dim=1)
