"""Cross-sectional area from the probability: less biased by partial volume than the mask.

A mask counts a voxel at the cord's edge wholly or not at all. The probability's edge voxels
count by their value, so at 1 mm their errors cancel instead of following the threshold.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometrics import Morphometrics
from sct_deepseg_general.slice_shape import SliceShape
from sct_deepseg_general.upright import AXES, upright
from sct_deepseg_general.volume import Probability, Segmentation, Volume

__all__ = ["REACH", "soft_areas"]

REACH = 2.0
"""How far beyond the mask, in mm in the slice, the probability counts: its edge, not its noise."""

Floats = NDArray[np.float64]


def soft_areas(
    probability: Probability, segmentation: Segmentation, morphometrics: Morphometrics
) -> Floats:
    """Soft area in mm² of every slice (LAS order), NaN where the mask holds no cord.

    It is the sum of the probabilities, not rescaled, of the voxels of the mask and of those
    within `REACH` of it in the slice, times the voxel's area and the cosines of the angles
    that `morphometrics` was measured with. A slice that is wholly 0.5 has half the area.

    Raises:
        ImageError: the three do not belong together.
    """
    if not probability.grid.matches(segmentation.grid):
        raise ImageError(
            f"The probability has the shape {probability.grid.shape}, the mask "
            f"{segmentation.grid.shape}, or they lie elsewhere: both must be on the same grid."
        )
    areas = np.full(len(morphometrics.shapes), np.nan)
    cord = upright(Volume(segmentation.data, segmentation.grid))
    if cord is None:
        return areas
    across, along, _ = morphometrics.spacing
    margin = tuple(math.ceil(REACH / size) for size in (across, along))
    values, mask = _grown(probability, cord.start, cord.mask, margin)
    for index in range(mask.shape[2]):
        z = cord.start[2] + index
        shape = morphometrics.shapes[z]
        if shape is not None:
            near = _near(mask[:, :, index], (across, along))
            total = float(values[:, :, index][near].sum(dtype=np.float64))
            areas[z] = total * across * along * _foreshortening(shape)
    return areas


def _foreshortening(shape: SliceShape) -> float:
    return math.cos(math.radians(shape.angle_ap)) * math.cos(math.radians(shape.angle_rl))


def _grown(
    probability: Probability,
    start: tuple[int, int, int],
    mask: NDArray[np.bool_],
    margin: tuple[int, ...],
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Probability and mask in LAS, in the mask's box and `margin` voxels more in the slice."""
    data = probability.reoriented(AXES).data
    before = [min(grow, low) for grow, low in zip(margin, start, strict=False)]
    after = [
        min(grow, whole - low - size)
        for grow, whole, low, size in zip(margin, data.shape, start, mask.shape, strict=False)
    ]
    x, y = (
        slice(low - less, low + size + more)
        for low, less, size, more in zip(start, before, mask.shape, after, strict=False)
    )
    z = slice(start[2], start[2] + mask.shape[2])
    padding = [*zip(before, after, strict=True), (0, 0)]
    return data[x, y, z], np.pad(mask, padding)


def _near(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.bool_]:
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        return mask
    return np.asarray(distance_transform_edt(~mask, sampling=spacing) <= REACH)
