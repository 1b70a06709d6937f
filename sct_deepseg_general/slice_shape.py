"""The shape of the cord in one axial slice: area, diameters, ellipse, solidity.

Rows run from right to left, columns from back to front; everything is measured on the fine
pixels of `fine_slice`, by SCT's definitions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.fine_slice import PITCH, FineSlice, centre_of, rotated

__all__ = ["SliceShape", "shape_of"]

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
    row, column = centre_of(turned > 0.5)
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
