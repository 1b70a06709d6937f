"""The image in the sagittal plane that bends with the cord, as a strip of even rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Array, Volume
from sct_deepseg_general.levels.course import Course

__all__ = ["COLUMNS", "Strip", "Tissue", "channels", "in_view", "sampled", "strip_of", "tissue"]

Floats = NDArray[np.float32]

COLUMNS = (-14, 44)
"""First and last column of a strip, in mm before the centreline."""

HALF_WIDTH = 3
"""mm to the left and right of the centreline over which a strip is averaged."""

_SPINE = (6, 24)  # columns of the vertebral bodies
_CORD = (-2, 3)
_FLUID = ((-7, -3), (4, 8))
_BONE = (9, 21)


@dataclass(frozen=True, eq=False)
class Strip:
    """`data` (rows from the lowest up, columns from the back to the front), 1 mm apart.

    NaN is where the image has nothing. `course` says where the rows are.
    """

    data: Floats
    course: Course

    @property
    def visible(self) -> NDArray[np.bool_]:
        """The rows in which the vertebral bodies are in view: bool, shape (rows,)."""
        return in_view(np.isfinite(self.data))


def strip_of(image: Volume, course: Course) -> Strip:
    """The strip of an image along a cord's course, the mean over `HALF_WIDTH` mm to each side."""
    columns = np.arange(COLUMNS[0], COLUMNS[1] + 1)
    sides = np.arange(-HALF_WIDTH, HALF_WIDTH + 1)
    return Strip(side_mean(sampled(image, course, columns, sides)), course)


def sampled(
    image: Volume, course: Course, columns: Sequence[int] | Array, sides: Sequence[int] | Array
) -> Floats:
    """The image at (rows, columns, sides): mm before and to the left of each row's point.

    Linear interpolation; NaN outside the field of view, which ends half a voxel beyond the
    outer voxels' centres.
    """
    from scipy.ndimage import map_coordinates

    before = np.asarray(columns, np.float64)[None, :, None, None] * course.front[:, None, None]
    beside = np.asarray(sides, np.float64)[None, None, :, None] * course.left[:, None, None]
    places = course.points[:, None, None] + before + beside
    voxels = np.moveaxis(apply_affine(np.linalg.inv(image.grid.affine), places), -1, 0)
    data = np.asarray(image.data, np.float32)
    values = map_coordinates(data, voxels, order=1, mode="nearest")
    ends = np.array(image.grid.shape).reshape(3, 1, 1, 1) - 0.5
    values[((voxels < -0.5) | (voxels > ends)).any(axis=0)] = np.nan
    return np.asarray(values, np.float32)


def side_mean(block: Floats) -> Floats:
    """The mean over the sides (last axis); NaN where fewer than three are in view."""
    inside = np.isfinite(block)
    count = inside.sum(axis=-1)
    total = np.where(inside, block, 0).sum(axis=-1)
    return np.asarray(np.where(count >= 3, total / np.maximum(count, 1), np.nan), np.float32)


def in_view(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The rows of `inside` (rows, columns) more than half of whose columns at the vertebral bodies
    are inside: bool, shape (rows,).
    """
    first, last = (column - COLUMNS[0] for column in _SPINE)
    return np.asarray(inside[:, first:last].mean(axis=1) > 0.5)


def channels(data: Floats) -> Floats:
    """What the network is given: (3, rows, columns), 0 outside the field of view.

    Intensity against the whole strip's median and range; the logarithm of the intensity against
    its surroundings; and 1 inside the field of view.
    """
    inside = np.isfinite(data)
    if not inside.any():
        return np.zeros((3, *data.shape), np.float32)
    low, middle, high = np.percentile(data[inside], [2, 50, 98])
    span = max(float(high - low), 1e-6)
    filled = np.where(inside, data, middle)
    overall = np.clip((filled - middle) / span, -1.5, 1.5)
    logarithm = np.log(np.clip((filled - low) / span, 0, 2) + 0.05)
    weight = inside.astype(np.float32)
    return np.stack([overall * weight, _local(logarithm, weight), weight]).astype(np.float32)


def _local(values: Array, weight: Floats) -> Array:
    """Values against the mean and the spread of their surroundings."""
    from scipy.ndimage import gaussian_filter

    around = (9.0, 6.0)  # rows, columns
    near = gaussian_filter(weight, around) + 1e-3
    mean = gaussian_filter(values * weight, around) / near
    variance = gaussian_filter((values - mean) ** 2 * weight, around) / near
    contrast = (values - mean) / np.sqrt(np.maximum(variance, 0) + 0.02)
    return np.asarray(np.clip(contrast, -3, 3) / 2 * weight)


@dataclass(frozen=True)
class Tissue:
    """How bright tissues are: medians over the mask's rows; NaN where the strip shows none.

    `fluid` is the brightest of what lies 3 to 8 mm before or behind the centreline, over the
    cord; `bone` is what lies 9 to 21 mm before it, where vertebrae and discs are, over `fluid`'s
    intensity.
    """

    fluid: float
    bone: float


def tissue(strip: Strip) -> Tissue:
    """The brightness of fluid and bones, by which contrasts are told apart.

    On T2-weighted images `fluid` is 2 to 4.5, on T2*-weighted ones 1.3 to 2.2, on T1-weighted
    ones below 1; `bone` is below 0.4 on the first two and above it on the last.
    """
    rows = strip.course.inside & np.isfinite(strip.data[:, slice(*_of(_CORD))]).all(axis=1)
    smooth = _along(strip.data)[rows]
    cord = np.median(smooth[:, slice(*_of(_CORD))], axis=1)
    fluid = np.maximum(*(smooth[:, slice(*_of(span))].max(axis=1) for span in _FLUID))
    bone = np.median(smooth[:, slice(*_of(_BONE))], axis=1)
    known = (cord > 0) & (fluid > 0)
    if not known.any():
        return Tissue(float("nan"), float("nan"))
    return Tissue(
        float(np.median(fluid[known] / cord[known])), float(np.median(bone[known] / fluid[known]))
    )


def _along(data: Floats) -> Floats:
    """The mean over 5 mm along the cord of what is in view; 0 where nothing is."""
    from scipy.ndimage import uniform_filter1d

    inside = np.isfinite(data).astype(np.float32)
    total = uniform_filter1d(np.where(inside, data, 0).astype(np.float32), 5, axis=0)
    share = uniform_filter1d(inside, 5, axis=0)
    return np.asarray(np.where(share > 0.1, total / np.maximum(share, 0.1), 0), np.float32)


def _of(columns: tuple[int, int]) -> tuple[int, int]:
    """Columns in mm as indices into a strip."""
    return columns[0] - COLUMNS[0], columns[1] - COLUMNS[0]
