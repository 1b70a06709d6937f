"""One axial slice brought to fine pixels: seen along the centreline, rescaled, 0.1 mm.

A slice is an array (x, y) of nibabel LAS: rows run from right to left, columns from back to
front. The steps are SCT's: the slice is shrunk by the cosines of the centreline's angles,
rescaled to [0, 1] by its own extremes, and resampled linearly to 0.1 mm. Shrinking and
resampling are linear and separable, so each is a product with a small matrix of weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import NEAR_ZERO

__all__ = ["PITCH", "FineSlice", "fine_slice", "shrunk_slice", "turned"]

PITCH = 0.1
"""Pixel size in mm of the slices that are measured."""

MARGIN = 3
"""Voxels around the cord that the frame of a fine slice reaches."""

Floats = NDArray[np.float64]
Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class FineSlice:
    """The cord on fine pixels: `values` in [0, 1] lie at pixel `start` of a frame.

    Rows run from right to left, columns from back to front; the rest of the frame, `extent`
    pixels large, is zero.
    """

    values: Floats
    start: tuple[int, int]
    extent: tuple[int, int]

    @property
    def area(self) -> float:
        """In mm²."""
        return float(self.values.sum()) * PITCH * PITCH


def fine_slice(
    slice_: Floats,
    spacing: Pair,
    cosines: Pair = (1.0, 1.0),
    start: tuple[int, int] = (0, 0),
    extent: tuple[int, int] | None = None,
) -> FineSlice | None:
    """The cord of one slice, seen along the centreline, at `PITCH`; None if the slice is empty.

    `slice_` may be a part of the image's slice, which begins at voxel `start` and is `extent`
    voxels large: rows are shrunk by `cosines[0]`, columns by `cosines[1]`, about voxel (0, 0)
    of the whole, and what is not in the part is zero. `spacing` is in mm.
    """
    extent = extent or (slice_.shape[0], slice_.shape[1])
    rows, row = _shrinking(slice_.shape[0], cosines[0], start[0], extent[0])
    columns, column = _shrinking(slice_.shape[1], cosines[1], start[1], extent[1])
    shrunk = rows @ slice_ @ columns.T
    if not (shrunk >= NEAR_ZERO).any():
        return None
    rescaled = _rescaled(shrunk, whole=slice_.shape == extent)
    inside: NDArray[np.bool_] = np.asarray(rescaled > NEAR_ZERO)
    by_row, by_column = np.asarray(inside.any(axis=1)), np.asarray(inside.any(axis=0))
    rows, top, height = _zoom(by_row, row, extent[0], spacing[0])
    columns, left, width = _zoom(by_column, column, extent[1], spacing[1])
    return FineSlice(rows @ rescaled @ columns.T, (top, left), (height, width))


def shrunk_slice(slice_: Floats, cosines: Pair) -> Floats:
    """A whole slice seen along the centreline: shrunk about voxel (0, 0), zeros beyond."""
    rows, _ = _shrinking(slice_.shape[0], cosines[0], 0, slice_.shape[0])
    columns, _ = _shrinking(slice_.shape[1], cosines[1], 0, slice_.shape[1])
    shrunk = np.zeros(slice_.shape)
    shrunk[: len(rows), : len(columns)] = rows @ slice_ @ columns.T
    return shrunk


def turned(fine: FineSlice, centre: Pair, angle: float) -> FineSlice:
    """The fine slice turned by `angle` (radians) about the frame's point `centre`.

    Interpolated linearly; what leaves the frame is lost. Only what the cord can reach is
    computed, and only where neighbours differ are they blended.
    """
    if angle == 0.0:
        return fine
    rows, columns = _reach(fine, centre, angle)
    sine, cosine = math.sin(angle), math.cos(angle)
    row = np.arange(*rows, dtype=np.float64)[:, None] - centre[0]
    column = np.arange(*columns, dtype=np.float64)[None, :] - centre[1]
    source = _Grid(cosine * row + centre[0], sine * column, centre[1] - sine * row, cosine * column)
    return FineSlice(_bilinear(fine, source), (rows[0], columns[0]), fine.extent)


@dataclass(frozen=True, eq=False)
class _Grid:
    """A turned grid of points: a point's row and column are each a sum of two parts.

    The first part belongs to the point's row in the grid (n, 1), the second to its column (1, m).
    """

    row_by_row: Floats
    row_by_column: Floats
    column_by_row: Floats
    column_by_column: Floats

    @property
    def corner_rows(self) -> Floats:
        """Rows of the four corners, where they are extreme."""
        return np.asarray(self.row_by_row[[0, -1]] + self.row_by_column[:, [0, -1]])

    @property
    def corner_columns(self) -> Floats:
        return np.asarray(self.column_by_row[[0, -1]] + self.column_by_column[:, [0, -1]])


def _shrinking(size: int, cosine: float, start: int, extent: int) -> tuple[Floats, int]:
    """Weights (new voxels, old voxels) of an axis shrunk about the image's voxel 0.

    The new voxels are those that the part can reach, beginning at the second value.
    """
    first = max(0, math.floor((start - 1) * cosine))
    last = min(extent, math.ceil((start + size) * cosine) + 1)
    return _linear_weights(np.arange(first, last) / cosine - start, size), first


def _rescaled(values: Floats, *, whole: bool) -> Floats:
    lowest = values.min() if whole else 0.0
    highest = values.max()
    if highest <= lowest:
        return np.ones_like(values)
    return np.asarray((values - lowest) / (highest - lowest))


def _zoom(
    filled: NDArray[np.bool_], start: int, extent: int, spacing: float
) -> tuple[Floats, int, int]:
    """Weights (fine pixels, voxels) of linear interpolation to `PITCH`; outside is zero.

    The frame holds the filled voxels and `MARGIN` more within the image, in whole fine pixels;
    the weights are for those pixels that the voxels reach, the first of which follows, and
    then the frame's size. Voxel 0 is the image's voxel `start`, and `extent` the image's size.
    """
    span = np.flatnonzero(filled)
    low = max(-start, int(span[0]) - MARGIN)
    high = min(extent - start, int(span[-1]) + 1 + MARGIN)
    size = round((high - low) * (spacing / PITCH)) or 1
    step = (high - low) / size
    first = max(0, math.floor((-low - 0.5) / step - 0.5))
    last = min(size, math.ceil((filled.size - low + 0.5) / step - 0.5) + 1)
    positions = np.arange(first, last) + 0.5
    return _linear_weights(positions * step - 0.5 + low, filled.size), first, size


def _linear_weights(positions: NDArray[Any], size: int) -> Floats:
    return np.maximum(0.0, 1.0 - np.abs(positions[:, None] - np.arange(size)))


def _reach(fine: FineSlice, centre: Pair, angle: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """The frame's rows and columns that the turned cord can fall into, as (first, end)."""
    (top, left), (height, width) = fine.start, fine.values.shape
    row = np.array([top - 1, top + height])[:, None] - centre[0]
    column = np.array([left - 1, left + width])[None, :] - centre[1]
    sine, cosine = math.sin(angle), math.cos(angle)
    rows = cosine * row - sine * column + centre[0]
    columns = sine * row + cosine * column + centre[1]
    return _span(rows, fine.extent[0]), _span(columns, fine.extent[1])


def _span(positions: Floats, extent: int) -> tuple[int, int]:
    first = min(extent, max(0, math.floor(positions.min())))
    return first, max(first, min(extent, math.ceil(positions.max()) + 1))


def _bilinear(fine: FineSlice, source: _Grid) -> Floats:
    """The values at the frame's points `source`; zero outside the frame."""
    around, top, left = _surrounded(fine, source)
    rows = (source.row_by_row - top) + source.row_by_column
    columns = (source.column_by_row - left) + source.column_by_column
    corner = rows.astype(np.intp)
    corner *= around.shape[1]
    corner += columns.astype(np.intp)
    found = around.ravel().take(corner).ravel()
    at = np.flatnonzero(_uneven(around).ravel().take(corner))
    row, column = rows.ravel()[at], columns.ravel()[at]
    within = (row >= -top) & (row <= fine.extent[0] - 1 - top)
    within &= (column >= -left) & (column <= fine.extent[1] - 1 - left)
    down, right = row - np.floor(row), column - np.floor(column)
    found[at] = _blend(around, corner.ravel()[at], down, right) * within
    return np.asarray(found.reshape(rows.shape))


def _surrounded(fine: FineSlice, source: _Grid) -> tuple[Floats, int, int]:
    """The values in an array of zeros that holds every point and its neighbours; its start."""
    top, height = _hull(source.corner_rows, fine.start[0], fine.values.shape[0])
    left, width = _hull(source.corner_columns, fine.start[1], fine.values.shape[1])
    around = np.zeros((height, width))
    row, column = fine.start[0] - top, fine.start[1] - left
    around[row : row + fine.values.shape[0], column : column + fine.values.shape[1]] = fine.values
    return around, top, left


def _hull(corners: Floats, start: int, size: int) -> tuple[int, int]:
    """First and number of pixels that a grid with these corners and the values need."""
    first = min(start, math.floor(corners.min()))
    end = max(start + size, math.floor(corners.max()) + 2)
    return first, end + 1 - first


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
