"""The search of :mod:`metricvae.metrics.overlap.solver.planar` for many pairs at once, in PyTorch, for graphics cards.

The same scan, the same walks, the same last search: whatever loops over poses there is a dimension of a tensor here.
Only the outlines are traced on the CPU, once a shape. Answers agree with those of `solve` up to rounding, which may
lead a walk to another of two equal poses; a processor runs this more slowly than the compiled loops.

In shapes: p pairs, k poses of each, m points or chords, n shapes; a look-up reads pixels at (p, k, m) places.
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
from metricvae.metrics.overlap.solver.planar import (
    FINEST,
    JUDGED,
    LAST,
    LOOKS,
    ROUNDS,
    Effort,
    Prepared,
    check_pair,
    chord_lengths,
    first_steps,
    report,
)
from metricvae.metrics.overlap.solver.records import Overlap
from metricvae.metrics.overlap.solver.scan import APART, backward, forward, pitch

PLACES = 1 << 26
"""Look-ups at a time, which bounds the memory: about forty bytes each."""


def solve_batch(
    shapes: Sequence[Prepared],
    pairs: npt.NDArray[np.int64],
    effort: Effort | None = None,
    *,
    device: torch.device | str = "cuda",
) -> list[Overlap]:
    """Maximum overlaps of many pairs, as `solve` finds them.

    Args:
        shapes: on canvases of one size.
        pairs: (p, 2) rows of `shapes`: the one that stays and the one that moves.
        effort: how hard to search; the default is the measured one.
        device: where; `cuda` fills a card, `cpu` is for comparison.

    Raises:
        InputError: canvases that differ in size, or a blank shape.
    """
    effort = effort or Effort()
    for a, b in pairs.tolist():
        check_pair(shapes[a], shapes[b])
    used, rows = np.unique(pairs, return_inverse=True)
    table = _Table.of([shapes[i] for i in used.tolist()], effort, torch.device(device))
    ends = torch.from_numpy(rows.reshape(-1, 2)).to(device)
    at_once = max(1, PLACES // (effort.climbs * table.coarse.shape[-1]))
    found: list[Overlap] = []
    for start in range(0, len(pairs), at_once):
        area, frame = (part.cpu().double().numpy() for part in _solve(table, ends[start : start + at_once], effort))
        for (a, b), overlap, pose in zip(pairs[start : start + at_once].tolist(), area, frame, strict=True):
            found.append(report(shapes[a], shapes[b], float(overlap), pose))
    return found


@dataclass(frozen=True)
class _Table:
    """Shapes on the device.

    Attributes:
        images, sums: (n * rows * columns,) float32: bordered masks and the integrals along their rows.
        rows, columns: of one image.
        size: longer side of the canvas in pixels.
        centre: (n, 2) centroid x, y in pixels of a bordered image.
        area, radius: (n,).
        coarse, fine: (n, 4, m) outlines in long and short chords, filled up with zeros.
        points: (n, 3, m) pixels set, x and y from the centroid, and 1; filled up with zeros.
        resting, turning: complex spectra at no turn, (n, 2 waves + 1, 1, waves + 1), and at half a circle's.
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
    resting: Tensor
    turning: Tensor

    @classmethod
    def of(cls, shapes: list[Prepared], effort: Effort, device: torch.device) -> _Table:
        masks = torch.from_numpy(np.stack([shape.mask for shape in shapes])).to(device).float()
        images = functional.pad(masks, (BORDER,) * 4)
        _, rows, columns = images.shape
        halves = functional.pad((images[..., :-1] + images[..., 1:]) / 2, (1, 0))
        size = max(shapes[0].mask.shape)
        coarse, fine = (_stacked([shape.outline(n) for shape in shapes], device) for n in chord_lengths(size))
        points = _stacked([np.vstack([s.points, np.ones((1, s.area), np.float32)]) for s in shapes], device)
        centre = torch.tensor([shape.centroid for shape in shapes], dtype=torch.float32, device=device) + BORDER
        radius = torch.tensor([shape.radius for shape in shapes], dtype=torch.float32, device=device)
        area = torch.tensor([float(shape.area) for shape in shapes], device=device)
        bare = cls(
            *(images.reshape(-1), halves.cumsum(-1).reshape(-1), rows, columns, size),
            *(centre, area, radius, coarse, fine, points, area, area),
        )
        small = _shrunk(bare, masks, effort)
        return replace(bare, resting=_spectra(*small, 2, effort), turning=_spectra(*small, effort.angles, effort))

    def look(self, which: Tensor, u: Tensor, v: Tensor, *, integrals: bool = False) -> tuple[Tensor, Tensor | None]:
        """Interpolated pixels of images `which` (p, 1, 1) at columns u and rows v, (p, k, m), and the integrals of
        their interpolated rows up to there."""
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

    def places(self, b: Tensor, points: Tensor, pose: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where points (p, 2, m) fall in the second image under poses (p, k, 3): columns and rows, (p, k, m), and the
        cosines and sines, (p, k, 1)."""
        cos, sin = pose[..., :1].cos(), pose[..., :1].sin()
        x, y = points[:, 0, None] - pose[..., 1:2], points[:, 1, None] - pose[..., 2:3]
        centre = self.centre[b][:, :, None, None]
        return cos * x - sin * y + centre[:, 0], sin * x + cos * y + centre[:, 1], cos, sin

    def overlap_at(self, a: Tensor, b: Tensor, pose: Tensor) -> Tensor:
        """The overlap of shapes a and b (p,) at poses (p, k, 3), (p, k): that of the kernel of this name."""
        points = self.points[a]
        u, v, _, _ = self.places(b, points, pose)
        value, _ = self.look(b[:, None, None], u, v)
        return (value * points[:, 2, None]).sum(-1)

    def overlap_along(self, outline: Tensor, b: Tensor, pose: Tensor) -> Tensor:
        """The overlap along outlines (p, 4, m), (p, k)."""
        u, v, cos, sin = self.places(b, outline, pose)
        _, integral = self.look(b[:, None, None], u, v, integrals=True)
        assert integral is not None
        return ((cos * outline[:, 2, None] - sin * outline[:, 3, None]) * integral).sum(-1)

    def slopes_along(self, outline: Tensor, b: Tensor, pose: Tensor) -> Tensor:
        """The derivatives of the overlap after angle, x and y, (p, k, 3)."""
        u, v, _, _ = self.places(b, outline, pose)
        value, _ = self.look(b[:, None, None], u, v)
        push = torch.einsum("pkm,pcm->pkc", value, outline[:, 2:])
        arm = outline[:, 3] * outline[:, 0] - outline[:, 2] * outline[:, 1]
        turning = torch.einsum("pkm,pm->pk", value, arm) - pose[..., 1] * push[..., 1] + pose[..., 2] * push[..., 0]
        return torch.stack([turning, -push[..., 0], -push[..., 1]], dim=-1)


def _stacked(arrays: list[npt.NDArray[np.float32]], device: torch.device) -> Tensor:
    """(c, m_i) arrays as one (n, c, max m) tensor, filled up with zeros."""
    out = np.zeros((len(arrays), arrays[0].shape[0], max(array.shape[1] for array in arrays)), np.float32)
    for row, array in zip(out, arrays, strict=True):
        row[:, : array.shape[1]] = array
    return torch.from_numpy(out).to(device)


def _shrunk(table: _Table, masks: Tensor, effort: Effort) -> tuple[_Table, float, int]:
    """The shapes on the coarse grid of the scan, pixels of it between samples, samples from the centroid outwards."""
    sampled, _ = pitch(table.size, effort.waves)
    factor = max(1, round(sampled))
    height, width = masks.shape[1:]
    whole = functional.pad(masks, (0, -width % factor, 0, -height % factor))
    small = functional.avg_pool2d(whole[:, None], factor)[:, 0]
    images = functional.pad(small, (BORDER,) * 4)
    centre = (table.centre - BORDER - (factor - 1) / 2) / factor + BORDER
    reach = math.ceil(float(table.radius.max()) / sampled)
    shrunk = replace(
        table, images=images.reshape(-1), rows=images.shape[1], columns=images.shape[2], centre=centre, sums=images
    )
    return shrunk, sampled / factor, reach


def _spectra(table: _Table, sampled: float, reach: int, angles: int, effort: Effort) -> Tensor:
    """Waves of the shapes at the first half of `angles` equal turns, (n, 2 waves + 1, turns, waves + 1)."""
    waves, half = effort.waves, angles // 2
    drawn = half // 2 if half % 2 == 0 else half
    device, count = table.images.device, len(table.area)
    offset = torch.arange(-reach, reach + 1, device=device) * sampled
    x, y = offset.repeat(2 * reach + 1), offset.repeat_interleave(2 * reach + 1)
    turn = torch.arange(drawn, device=device) * (2 * math.pi / angles)
    pose = functional.pad(turn[None, :, None], (0, 2)).expand(count, -1, -1)
    which = torch.arange(count, device=device)
    u, v, _, _ = table.places(which, torch.stack([x, y]).expand(count, -1, -1), pose)
    value, _ = table.look(which[:, None, None], u, v)
    pictures = value.reshape(count, drawn, 2 * reach + 1, 2 * reach + 1)
    across, cosines, sines = (torch.from_numpy(matrix).to(device) for matrix in forward(waves, reach))
    right = torch.complex(across[:, : waves + 1].contiguous(), across[:, waves + 1 :].contiguous())
    half_down = torch.complex(cosines, -sines)  # waves down from 0, at samples from 0
    whole = torch.cat([half_down[:, 1:].flip(1).conj(), half_down], dim=1)
    down = torch.cat([whole[1:].flip(0).conj(), whole])
    found = torch.einsum("yr,ntrx->nytx", down, pictures.to(right.dtype) @ right)
    if drawn == half:
        return found
    wave = torch.arange(-waves, waves + 1, device=device)[:, None]
    column = torch.arange(waves + 1, device=device)[None, :]
    sign = torch.where(wave <= 0, 1, -1)
    quarter = found[:, waves + sign * column, :, wave.abs().expand(-1, waves + 1)].permute(2, 0, 3, 1)
    return torch.cat([found, torch.where(sign[None, :, None] > 0, quarter, quarter.conj())], dim=2)


def _scan(table: _Table, a: Tensor, b: Tensor, effort: Effort) -> Tensor:
    """Poses of the coarse grid, the most promising first, (p, k, 3)."""
    _, cell = pitch(table.size, effort.waves)
    reach = min(math.ceil(float(torch.maximum(table.radius[a], table.radius[b]).max()) / cell), effort.waves)
    still, turning = table.resting[a], table.turning[b]
    product = torch.cat([still * turning.conj(), still * turning], dim=2)
    cosines, sines, across_cosines, across_sines = (
        torch.from_numpy(matrix).to(still.device) for matrix in backward(effort.waves, reach)
    )
    quarter = torch.complex(cosines, sines)  # shifts from 0, waves from 0
    whole = torch.cat([quarter[:, 1:].flip(1).conj(), quarter], dim=1)
    down = torch.cat([whole[1:].flip(0).conj(), whole])
    part = torch.einsum("dy,pytx->ptdx", down, product)
    even, odd = part.real @ across_cosines, part.imag @ across_sines
    correlation = torch.cat([(even - odd)[..., 1:].flip(-1), even + odd], dim=-1)
    height, shift = _peaks(correlation)
    turn = torch.arange(effort.angles, device=still.device)[:, None] * (2 * math.pi / effort.angles)
    poses = torch.cat([turn.expand(*height.shape)[..., None], shift * cell], dim=-1).flatten(1, 2)
    return poses.gather(1, _promising(height, shift)[..., None].expand(-1, -1, 3))


def _peaks(correlation: Tensor) -> tuple[Tensor, Tensor]:
    """The two highest cells of each turn, more than `APART` apart: (p, turns, 2) heights, (p, turns, 2, 2) shifts."""
    side = correlation.shape[-1]
    cell = torch.arange(side * side, device=correlation.device)
    row, column = cell // side, cell % side
    flat = correlation.flatten(-2)
    height, at = flat.max(-1, keepdim=True)
    near = (row - at // side).abs().maximum((column - at % side).abs()) <= APART
    second, other = flat.masked_fill(near, -torch.inf).max(-1, keepdim=True)
    where = torch.cat([at, other], dim=-1)
    return torch.cat([height, second], dim=-1), torch.stack([where % side, where // side], dim=-1) - side // 2


def _promising(height: Tensor, shift: Tensor) -> Tensor:
    """Order of all poses of a pair, (p, 2 turns): local maxima first, each part from high to low."""
    local = torch.ones_like(height, dtype=torch.bool)
    for way in (1, -1):
        other_height, other_shift = height.roll(way, 1), shift.roll(way, 1)
        near = (shift[:, :, :, None] - other_shift[:, :, None]).abs().amax(-1) <= APART
        local &= ~(near & (other_height[:, :, None] > height[..., None])).any(-1)
    behind = 2 * height.amax((1, 2), keepdim=True) + 1
    return torch.where(local, height, height - behind).flatten(1).argsort(dim=1, descending=True, stable=True)


def _ascend(
    table: _Table, outline: Tensor, judged: Tensor, b: Tensor, pose: Tensor, steps: Tensor, rounds: int
) -> Tensor:
    """Walk poses (p, k, 3) uphill by resilient steps; returns them from high to low."""
    length, before = steps.expand_as(pose).clone(), torch.zeros_like(pose)
    for _ in range(rounds):
        sign = table.slopes_along(outline, b, pose).sign()
        agreed = sign * before
        length = torch.where(agreed > 0, (1.2 * length).minimum(2.0 * steps), length)
        length = torch.where(agreed < 0, 0.4 * length, length)
        before, pose = sign, pose + sign * length
    order = table.overlap_along(judged, b, pose).argsort(dim=1, descending=True, stable=True)
    return pose.gather(1, order[..., None].expand_as(pose))


def _solve(table: _Table, ends: Tensor, effort: Effort) -> tuple[Tensor, Tensor]:
    """Areas (p,) and poses about the centroids (p, 3) of pairs (p, 2)."""
    first, second = ends.unbind(1)
    swapped = table.area[first] > table.area[second]
    a, b = torch.where(swapped, second, first), torch.where(swapped, first, second)
    pose = _scan(table, a, b, effort)
    coarse, fine = table.coarse[a], table.fine[a]
    finest = torch.from_numpy(FINEST).to(pose)
    steps = torch.from_numpy(first_steps(table.size, effort)).to(pose)
    better = max(effort.finishes, effort.climbs // 2)
    stages = (coarse, effort.climbs), (coarse, better), (fine, effort.finishes)
    for (outline, count), rounds in zip(stages, ROUNDS, strict=True):
        pose = _ascend(table, outline, fine, b, pose[:, :count], steps, rounds)
        steps = (steps / 3).maximum(finest)
    pose = torch.where(swapped[:, None, None], _inverse(pose), pose)[:, :JUDGED]
    best = table.overlap_at(first, second, pose).argmax(1)
    pose = pose[torch.arange(len(pose), device=pose.device), best]
    step = LAST * table.size
    size = torch.stack([step / (table.area[first] / math.pi).sqrt(), *[torch.full_like(pose[:, 0], step)] * 2], dim=1)
    area, pose = _polish(lambda poses: table.overlap_at(first, second, poses), pose, size)
    snapped = _on_pixels(table, first, second, pose)
    there = table.overlap_at(first, second, snapped[:, None])[:, 0]
    return area.maximum(there), torch.where((there > area)[:, None], snapped, pose)


def _inverse(pose: Tensor) -> Tensor:
    cos, sin = pose[..., 0].cos(), pose[..., 0].sin()
    x, y = pose[..., 1], pose[..., 2]
    return torch.stack([-pose[..., 0], sin * y - cos * x, -sin * x - cos * y], dim=-1)


def _polish(overlap: Callable[[Tensor], Tensor], pose: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """The simplex search of Nelder and Mead for all pairs at once: overlaps (p,) and poses (p, 3)."""
    corners = pose[:, None] + functional.pad(torch.diag_embed(steps), (0, 0, 1, 0))
    values = overlap(corners)
    for _ in range(LOOKS // 2):
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


def _on_pixels(table: _Table, a: Tensor, b: Tensor, pose: Tensor) -> Tensor:
    """The nearest poses that lay pixels on pixels, (p, 3)."""
    quarters = (pose[:, 0] * (2 / math.pi)).round()
    cos, sin = (quarters * (math.pi / 2)).cos().round(), (quarters * (math.pi / 2)).sin().round()
    x, y = (table.centre[b] - BORDER).unbind(1)
    offset = table.centre[a] - BORDER - torch.stack([cos * x + sin * y, cos * y - sin * x], dim=1)
    return torch.cat([quarters[:, None] * (math.pi / 2), (offset + pose[:, 1:]).round() - offset], dim=1)
