"""The shape of the cord in one axial slice: area, diameters, ellipse, solidity.

A slice is an array (x, y) of nibabel LAS: rows run from right to left, columns from back to
front. The method is SCT's: the slice is shrunk by the cosines of the centreline's angles,
rescaled to [0, 1] by its own extremes, resampled linearly to 0.1 mm, and measured there. Both
steps are linear and separable, so each is a product with a small matrix of weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEAR_ZERO", "PITCH", "FineSlice", "SliceShape", "fine_slice", "rotated", "shape_of"]

NEAR_ZERO = 1e-6
"""What resampling leaves of a zero; values up to here are background."""

PITCH = 0.1
"""Pixel size in mm of the slices that are measured."""

MARGIN = 3
"""Voxels kept around the cord when it is cut out."""

DIAMETER_BAND = 15
"""Half the width, in fine pixels, of the 3 mm band that the AP diameter is averaged over."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SliceShape:
    """The cord in one slice; lengths in mm, areas in mm², angles in degrees.

    `angle_ap` and `angle_rl` are the centreline's angles about the AP and the RL axis.
    `diameter_ap` is the mean over a 3 mm wide band through the centre, along the cord's own AP
    axis, the sum of `length_anterior` and `length_posterior`; `diameter_ap_ellipse` and
    `diameter_rl` are axes of the ellipse of equal second moments, `orientation` its direction.
    `solidity` is the area over that of the convex hull; `length` the slice's thickness along
    the centreline. Shape is NaN where no fine pixel is more than half filled.
    """

    area: float
    angle_ap: float
    angle_rl: float
    diameter_ap: float
    diameter_ap_ellipse: float
    diameter_rl: float
    length_anterior: float
    length_posterior: float
    eccentricity: float
    orientation: float
    solidity: float
    length: float


@dataclass(frozen=True, eq=False)
class FineSlice:
    """The cord cut out and resampled to `PITCH`: values in [0, 1], rows right to left."""

    values: Floats

    @property
    def area(self) -> float:
        return float(self.values.sum()) * PITCH * PITCH


@dataclass(frozen=True)
class _Ellipse:
    """The ellipse of equal second moments; pixels, radians."""

    row: float
    column: float
    major: float
    minor: float
    orientation: float


def shape_of(fine: FineSlice, angles: tuple[float, float], thickness: float) -> SliceShape:
    """All measures of one slice; `angles` about AP and RL in radians, `thickness` in mm."""
    about_ap, about_rl = angles
    inside = fine.values > 0.5
    ellipse = _ellipse(inside)
    anterior, posterior = _anterior_posterior(fine, ellipse)
    across, front = _diameters(ellipse)
    return SliceShape(
        area=fine.area,
        angle_ap=math.degrees(about_ap),
        angle_rl=math.degrees(about_rl),
        diameter_ap=posterior + anterior,
        diameter_ap_ellipse=front,
        diameter_rl=across,
        length_anterior=anterior,
        length_posterior=posterior,
        eccentricity=_eccentricity(ellipse),
        orientation=math.degrees(ellipse.orientation),
        solidity=_solidity(inside),
        length=thickness / (math.cos(about_ap) * math.cos(about_rl)),
    )


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
    centre = _centre(np.rint(values) > 0)
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


def _centre(inside: NDArray[np.bool_]) -> tuple[float, float]:
    by_row, by_column = inside.sum(axis=1), inside.sum(axis=0)
    count = by_row.sum()
    if count == 0:
        return math.nan, math.nan
    rows, columns = np.arange(inside.shape[0]), np.arange(inside.shape[1])
    return float(rows @ by_row / count), float(columns @ by_column / count)


def _ellipse(inside: NDArray[np.bool_]) -> _Ellipse:
    """From the second moments about the centre, in whole numbers so that symmetry is exact."""
    by_row, by_column = inside.sum(axis=1), inside.sum(axis=0)
    count = int(by_row.sum())
    if count == 0:
        return _Ellipse(*[math.nan] * 5)
    rows, columns = np.arange(inside.shape[0]), np.arange(inside.shape[1])
    sum_row, sum_column = int(rows @ by_row), int(columns @ by_column)
    crossed = int(np.round(rows.astype(float) @ (inside.astype(float) @ columns)))
    along_rows = count * int(rows**2 @ by_row) - sum_row**2
    along_columns = count * int(columns**2 @ by_column) - sum_column**2
    mixed = count * crossed - sum_row * sum_column
    return _Ellipse(
        sum_row / count,
        sum_column / count,
        *_axes(along_rows / count**2, along_columns / count**2, mixed / count**2),
        _orientation(along_rows, along_columns, mixed),
    )


def _axes(along_rows: float, along_columns: float, mixed: float) -> tuple[float, float]:
    """Major and minor axis (full lengths) from the covariance of the pixels' coordinates."""
    mean = (along_rows + along_columns) / 2
    spread = math.hypot((along_rows - along_columns) / 2, mixed)
    return 4 * math.sqrt(mean + spread), 4 * math.sqrt(max(mean - spread, 0.0))


def _orientation(along_rows: int, along_columns: int, mixed: int) -> float:
    """Direction of the major axis from the rows' direction, in (-π/2, π/2]."""
    if along_rows == along_columns:
        return math.pi / 4 if mixed > 0 else -math.pi / 4
    return 0.5 * math.atan2(2 * mixed, along_rows - along_columns)


def _diameters(ellipse: _Ellipse) -> tuple[float, float]:
    """RL and AP diameter in mm: the axis nearer to the rows is RL."""
    major, minor = ellipse.major * PITCH, ellipse.minor * PITCH
    return (major, minor) if abs(ellipse.orientation) < math.pi / 4 else (minor, major)


def _eccentricity(ellipse: _Ellipse) -> float:
    if ellipse.major == 0:
        return 0.0
    return math.sqrt(max(0.0, 1 - (ellipse.minor / ellipse.major) ** 2))


def _anterior_posterior(fine: FineSlice, ellipse: _Ellipse) -> tuple[float, float]:
    """Lengths in mm from the centre to the front and to the back, along the cord's AP axis."""
    if math.isnan(ellipse.orientation):
        return math.nan, math.nan
    turned = rotated(fine, -ellipse.orientation)
    row, column = _centre(turned > 0.5)
    if math.isnan(row):
        return math.nan, math.nan
    middle, split = round(row), round(column)
    band = turned[max(0, middle - DIAMETER_BAND) : middle + DIAMETER_BAND]
    profile = band.mean(axis=0)
    return float(profile[split:].sum()) * PITCH, float(profile[:split].sum()) * PITCH


def _solidity(inside: NDArray[np.bool_]) -> float:
    """Pixels over the pixels whose centre lies in the convex hull of the pixels' edge midpoints."""
    rows = np.flatnonzero(inside.any(axis=1))
    if rows.size == 0:
        return math.nan
    first = inside.argmax(axis=1)[rows]
    last = inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)[rows]
    each_row = np.arange(rows[0], rows[-1] + 1)
    left = _convex_below(rows, first, each_row)
    right = -_convex_below(rows, -last, each_row)
    hull = np.floor(right + 1e-9) - np.ceil(left - 1e-9) + 1
    return float(inside.sum() / hull.sum())


def _convex_below(
    rows: NDArray[np.int64], columns: NDArray[np.int64], at: NDArray[np.int64]
) -> Floats:
    """The greatest convex curve below the pixels' edge midpoints, at the rows `at`."""
    heights = np.concatenate([rows - 0.5, rows, rows + 0.5])
    edges = np.concatenate([columns, columns - 0.5, columns])
    order = np.lexsort((edges, heights))
    heights, edges = heights[order], edges[order]
    keep = np.concatenate([[True], heights[1:] > heights[:-1]])
    heights, edges = heights[keep], edges[keep]
    corners, here = [0], 0
    while here < heights.size - 1:
        slopes = (edges[here + 1 :] - edges[here]) / (heights[here + 1 :] - heights[here])
        here += slopes.size - int(slopes[::-1].argmin())
        corners.append(here)
    return np.asarray(np.interp(at, heights[corners], edges[corners]))
