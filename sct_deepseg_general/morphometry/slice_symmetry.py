"""How alike the halves of the cord are in one slice, and the areas of its quarters.

The cord's axis of symmetry comes from the image: the direction about which the histogram of
gradient directions is most symmetric (Sun, Pattern Recognition Letters 1995), weighted towards
the cord. Rows run from right to left, columns from back to front.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.morphometry.fine_slice import PITCH, FineSlice, turned

__all__ = ["SliceSymmetry", "axis_angle", "symmetry_of"]

BINS = 180
LARGEST_ANGLE = math.radians(40)
REACH = 30.0
"""Variance of the weight around the cord; SCT takes a voxel for 0.1 mm here, whatever its size."""

Floats = NDArray[np.float64]
Pair = tuple[float, float]


@dataclass(frozen=True)
class SliceSymmetry:
    """Areas of the quarters (mm²), and how a half mirrored onto the other agrees with it.

    For right and left (`rl`) and for front and back (`ap`): Dice, Hausdorff distance (mm) and
    area that differs (mm²).
    """

    area_quadrant_anterior_left: float
    area_quadrant_anterior_right: float
    area_quadrant_posterior_left: float
    area_quadrant_posterior_right: float
    symmetry_dice_rl: float
    symmetry_hausdorff_rl: float
    symmetry_difference_rl: float
    symmetry_dice_ap: float
    symmetry_hausdorff_ap: float
    symmetry_difference_ap: float


@dataclass(frozen=True)
class _Agreement:
    dice: float
    hausdorff: float
    difference: float


def axis_angle(image: Floats, centre: Pair) -> float:
    """The angle (radians) of the image's axis of symmetry near the voxel `centre`.

    `image` is a whole slice; 0 is the AP axis, at most 40 degrees to either side are tried.
    """
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(_direction_histogram(image, centre), sigma=2, mode="wrap")
    mirrored = smooth[(np.arange(BINS)[:, None] - np.arange(BINS)[None, :]) % BINS] @ smooth
    largest = int(LARGEST_ANGLE / (math.pi / BINS) + 1e-9)
    candidates = range(-largest, largest + 1)
    best = max(candidates, key=lambda step: (mirrored[step], -abs(step), step))
    return best * math.pi / BINS


def symmetry_of(fine: FineSlice, centre: Pair, angle: float) -> SliceSymmetry:
    """The symmetry of a fine slice turned by `angle` (radians) about its centre."""
    straight = _framed(turned(fine, centre, angle))
    right, left = np.split(straight, [math.ceil(centre[0])], axis=0)
    column = math.ceil(centre[1])
    sides = _mirrored(straight, round(centre[0]))
    ends = _mirrored(straight.T, round(centre[1]))
    return SliceSymmetry(
        _area(left[:, column:]),
        _area(right[:, column:]),
        _area(left[:, :column]),
        _area(right[:, :column]),
        sides.dice,
        sides.hausdorff,
        sides.difference,
        ends.dice,
        ends.hausdorff,
        ends.difference,
    )


def _direction_histogram(image: Floats, centre: Pair) -> Floats:
    across, along = _gradient(image), _gradient(image.T).T
    direction = np.arctan2(across, along)
    strength = np.hypot(across, along)
    strongest = strength.max(initial=0.0)
    if strongest > 0:
        strength /= strongest
    row = (np.arange(1, image.shape[0] - 1) - centre[0]) * PITCH
    column = (np.arange(1, image.shape[1] - 1) - centre[1]) * PITCH
    weight = np.exp(-0.5 / REACH * (row[:, None] ** 2 + column[None, :] ** 2))
    histogram, _ = np.histogram(
        (direction + math.pi / BINS) % (2 * math.pi),
        bins=BINS,
        range=(0, 2 * math.pi),
        weights=strength * weight,
    )
    return histogram


def _gradient(image: Floats) -> Floats:
    """Sobel's derivative along the rows' direction, without the outermost voxels."""
    smooth = image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]
    return np.asarray((smooth[2:] - smooth[:-2]) / (8 * PITCH))


def _framed(fine: FineSlice) -> Floats:
    frame = np.zeros(fine.extent)
    (row, column), (height, width) = fine.start, fine.values.shape
    frame[row : row + height, column : column + width] = fine.values
    return frame


def _area(values: Floats) -> float:
    return float(values.sum()) * PITCH * PITCH


def _mirrored(values: Floats, middle: int) -> _Agreement:
    """The rows from `middle` on against those before it, mirrored about `middle`."""
    upper = values[middle:]
    rows = 2 * middle - np.arange(middle, values.shape[0])
    lower = np.where((rows >= 0)[:, None], values[np.maximum(rows, 0)], 0.0)
    common, total = float((upper * lower).sum()), float(upper.sum() + lower.sum())
    return _Agreement(
        2 * common / total if total > 0 else 0.0,
        _hausdorff(upper > 0.5, lower > 0.5) * PITCH,
        (total - 2 * common) * PITCH * PITCH,
    )


def _hausdorff(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    from scipy.ndimage import distance_transform_edt

    if not one.any() or not other.any():
        return math.inf if one.any() or other.any() else 0.0
    there = distance_transform_edt(~other)[one].max()
    back = distance_transform_edt(~one)[other].max()
    return float(max(there, back))
