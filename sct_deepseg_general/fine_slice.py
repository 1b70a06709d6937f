"""One axial slice brought to fine pixels: seen along the centreline, rescaled, 0.1 mm.

A slice is an array (x, y) of nibabel LAS: rows run from right to left, columns from back to
front. The steps are SCT's: the slice is shrunk by the cosines of the centreline's angles,
rescaled to [0, 1] by its own extremes, and resampled linearly to 0.1 mm. Shrinking and
resampling are linear and separable, so each is a product with a small matrix of weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEAR_ZERO", "PITCH", "FineSlice", "centre_of", "fine_slice", "rotated"]

NEAR_ZERO = 1e-6
"""What resampling leaves of a zero; values up to here are background."""

PITCH = 0.1
"""Pixel size in mm of the slices that are measured."""

MARGIN = 3
"""Voxels kept around the cord when it is cut out."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FineSlice:
    """The cord cut out and resampled to `PITCH`: values in [0, 1], rows right to left."""

    values: Floats

    @property
    def area(self) -> float:
        return float(self.values.sum()) * PITCH * PITCH


def fine_slice(
    slice_: Floats,
    spacing: tuple[float, float],
    cosines: tuple[float, float] = (1.0, 1.0),
    start: tuple[int, int] = (0, 0),
    extent: tuple[int, int] | None = None,
) -> FineSlice | None:
    """The cord of one slice, seen along the centreline, at `PITCH`; None if the slice is empty.

    `slice_` may be a part of the image's slice, which begins at voxel `start` and is `extent`
    voxels large: rows are shrunk by `cosines[0]`, columns by `cosines[1]`, about voxel (0, 0)
    of the whole, and the background of a part is zero. `spacing` is in mm.
    """
    extent = extent or (slice_.shape[0], slice_.shape[1])
    rows = _shrinking(slice_.shape[0], cosines[0], start[0], extent[0])
    columns = _shrinking(slice_.shape[1], cosines[1], start[1], extent[1])
    shrunk = rows @ slice_ @ columns.T
    if not (shrunk >= NEAR_ZERO).any():
        return None
    rescaled = _rescaled(shrunk, whole=slice_.shape == extent)
    cut = _cut_out(rescaled)
    return FineSlice(_zoom(cut.shape[0], spacing[0]) @ cut @ _zoom(cut.shape[1], spacing[1]).T)


def rotated(fine: FineSlice, angle: float) -> Floats:
    """The fine slice turned by `angle` (radians) about its centre; same shape.

    Interpolated linearly; zero where the source lies outside. Only what the cord can reach is
    computed, and only where neighbours differ are they blended.
    """
    values = fine.values
    if angle == 0.0:
        return values
    centre = centre_of(np.rint(values) > 0)
    turned = np.zeros_like(values)
    rows, columns = _reach(values, centre, angle)
    row = np.arange(values.shape[0])[rows, None] - centre[0]
    column = np.arange(values.shape[1])[None, columns] - centre[1]
    sine, cosine = math.sin(angle), math.cos(angle)
    turned[rows, columns] = _bilinear(
        values,
        sine * column + (cosine * row + centre[0]),
        cosine * column + (centre[1] - sine * row),
    )
    return turned


def _reach(values: Floats, centre: tuple[float, float], angle: float) -> tuple[slice, slice]:
    """The part of the turned slice that what is not zero can fall into."""
    filled = values > 0
    row, column = (np.flatnonzero(filled.any(axis=axis))[[0, -1]] for axis in (1, 0))
    row = (row + np.array([-1, 1]) - centre[0])[:, None]
    column = (column + np.array([-1, 1]) - centre[1])[None, :]
    sine, cosine = math.sin(angle), math.cos(angle)
    rows = cosine * row - sine * column + centre[0]
    columns = sine * row + cosine * column + centre[1]
    return _span(rows, values.shape[0]), _span(columns, values.shape[1])


def _span(positions: Floats, size: int) -> slice:
    return slice(max(0, math.floor(positions.min())), min(size, math.ceil(positions.max()) + 1))


def _rescaled(values: Floats, *, whole: bool) -> Floats:
    lowest = values.min() if whole else 0.0
    highest = values.max()
    if highest <= lowest:
        return np.ones_like(values)
    return np.asarray((values - lowest) / (highest - lowest))


def _cut_out(values: Floats) -> Floats:
    inside = values > NEAR_ZERO
    spans = []
    for axis in (1, 0):
        filled = np.flatnonzero(inside.any(axis=axis))
        spans.append(slice(max(0, filled[0] - MARGIN), filled[-1] + 1 + MARGIN))
    return values[spans[0], spans[1]]


def _shrinking(size: int, cosine: float, start: int, extent: int) -> Floats:
    """Weights (new voxels, old voxels) of an axis shrunk about the image's voxel 0.

    The new voxels are those that the part can reach and `MARGIN` more.
    """
    first = max(0, math.floor((start - 1) * cosine) - MARGIN)
    last = min(extent, math.ceil((start + size) * cosine) + 1 + MARGIN)
    return _linear_weights(np.arange(first, last) / cosine - start, size)


def _zoom(size: int, spacing: float) -> Floats:
    """Weights (fine pixels, voxels) of linear interpolation to `PITCH`; outside is zero."""
    fine = max(1, round(size * (spacing / PITCH)))
    positions = (np.arange(fine) + 0.5) * (size / fine) - 0.5
    return _linear_weights(np.asarray(positions, dtype=np.float64), size)


def _linear_weights(positions: Floats, size: int) -> Floats:
    below = np.floor(positions).astype(np.intp)
    fraction = positions - below
    weights = np.zeros((positions.size, size + 2))
    each = np.arange(positions.size)
    weights[each, np.clip(below + 1, 0, size + 1)] = 1 - fraction
    weights[each, np.clip(below + 2, 0, size + 1)] += fraction
    return weights[:, 1:-1]


def _bilinear(values: Floats, rows: Floats, columns: Floats) -> Floats:
    """`values` at (rows, columns), a turned grid; zero outside the array."""
    padding = _overshoot(rows, values.shape[0]) + _overshoot(columns, values.shape[1]) + 1
    padded = np.pad(values, padding)
    top, left = (rows + padding).astype(np.intp), (columns + padding).astype(np.intp)
    corner = top * padded.shape[1] + left
    found = padded.ravel()[corner]
    at = np.nonzero(_uneven(padded).ravel()[corner])
    within = (rows[at] >= 0) & (rows[at] <= values.shape[0] - 1)
    within &= (columns[at] >= 0) & (columns[at] <= values.shape[1] - 1)
    down, right = rows[at] + padding - top[at], columns[at] + padding - left[at]
    found[at] = _blend(padded, corner[at], down, right) * within
    return np.asarray(found)


def _overshoot(positions: Floats, size: int) -> int:
    """How far a grid of positions reaches beyond an axis; its extremes are at its corners."""
    corners = positions[:: max(1, positions.shape[0] - 1), :: max(1, positions.shape[1] - 1)]
    return math.ceil(max(0.0, -float(corners.min()), float(corners.max()) - size + 1))


def _uneven(values: Floats) -> NDArray[np.bool_]:
    """Where a pixel, the one below, the one beside and the one across are not all alike."""
    uneven = np.zeros(values.shape, dtype=np.bool_)
    down = values[1:] != values[:-1]
    uneven[:-1, :-1] = down[:, 1:] | down[:, :-1] | (values[:-1, 1:] != values[:-1, :-1])
    return uneven


def _blend(values: Floats, corner: NDArray[np.intp], down: Floats, right: Floats) -> Floats:
    flat, width = values.ravel(), values.shape[1]
    upper = flat[corner] * (1 - right) + flat[corner + 1] * right
    lower = flat[corner + width] * (1 - right) + flat[corner + width + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def centre_of(inside: NDArray[np.bool_]) -> tuple[float, float]:
    by_row, by_column = inside.sum(axis=1), inside.sum(axis=0)
    count = by_row.sum()
    if count == 0:
        return math.nan, math.nan
    rows, columns = np.arange(inside.shape[0]), np.arange(inside.shape[1])
    return float(rows @ by_row / count), float(columns @ by_column / count)
