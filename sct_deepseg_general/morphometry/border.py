"""Where on the profile across the cord's border a label's edge lies.

Intensities are averaged over all fine voxels of a slice at the same signed distance to the
label's edge. Along that profile the intensity goes from the cord's to that of the fluid around
it; where it is half-way between them is a place that an image has by itself, whoever drew the
label and in whatever contrast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.morphometry.contours import AXES, Contour, enlarged

__all__ = ["half_way", "profile"]

STEP = 0.1
_AT = np.arange(-2.0, 3.0 + STEP / 2, STEP)
_CORE = (-1.6, -1.0)
"""Between these distances (mm) from the edge the cord is itself."""
_IN_CORE = np.abs(_AT - np.mean(_CORE)) <= np.ptp(_CORE) / 2 + 1e-6
_SMALLEST = 25.0
"""Slices with less cord (mm²) have no core to compare with."""

Floats = NDArray[np.float64]


def half_way(contour: Contour, image: Volume) -> Floats:
    """How far outside a label's edge (mm) the intensity is half-way from cord to surroundings.

    One value for each slice of the image, NaN where there is no label, no such place between the
    cord's core and the extreme within 3 mm outside the edge, or less than 25 mm² of cord.

    Raises
    ------
    ImageError
        Image and label are not on one grid.
    """
    upright = image.reoriented(AXES)
    if not upright.grid.matches(contour.grid):
        raise ImageError("The image and the label are not on one grid: bring the label to it.")
    found = np.full(contour.grid.shape[2], np.nan)
    first, last = contour.part.slices[2].start, contour.part.slices[2].stop
    planes = np.asarray(upright.data[contour.part.slices], float)
    large = contour.areas() >= _SMALLEST
    for z in range(first, last):
        if large[z]:
            fine = enlarged(planes[:, :, z - first], contour.factors)
            found[z] = _crossing(profile(fine, contour.distance[:, :, z - first]))
    return found


def profile(fine: NDArray[np.floating], distance: NDArray[np.floating]) -> Floats:
    """Mean intensity at -2.0, -1.9, ... 3.0 mm from the edge, smoothed by 0.1 mm: an array of shape
    (51,). `fine` (intensities) and `distance` (mm, above zero outside) have one shape.
    """
    index = np.rint((distance.ravel() - _AT[0]) / STEP)
    near = (index >= 0) & (index < _AT.size)
    bins = index[near].astype(np.intp)
    total = np.bincount(bins, fine.ravel()[near], _AT.size)
    count = np.bincount(bins, minlength=_AT.size)
    held = count > 0
    if not held.any():
        return np.full(_AT.size, np.nan)
    means = np.interp(_AT, _AT[held], total[held] / count[held])
    return np.asarray(ndimage.gaussian_filter1d(means, 1.0))


def _crossing(values: Floats) -> float:
    """Where a profile is half-way from the core to its extreme outside the edge, from there in."""
    core = float(values[_IN_CORE].mean())
    outside = np.flatnonzero(_AT >= -1e-6)
    peak = int(outside[np.argmax(np.abs(values[outside] - core))])
    height = values[peak] - core
    if not np.isfinite(height) or height == 0:
        return float("nan")
    share = (values[: peak + 1] - core) / height
    below = np.flatnonzero(share < 0.5)
    if not below.size or below[-1] == peak:
        return float("nan")
    k = int(below[-1])
    return float(_AT[k] + STEP * (0.5 - share[k]) / (share[k + 1] - share[k]))
