"""Cross-sectional area from the probability: less biased by partial volume than the mask.

A mask counts a voxel at the cord's edge wholly or not at all. The probability's edge voxels
count by their value, so at 1 mm their errors cancel instead of following the threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES, upright
from sct_deepseg_general.image.volume import Array, Grid, Probability, Segmentation, Volume
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.slice_shape import SliceShape

__all__ = ["REACH", "Surroundings", "areas_around", "soft_areas", "surroundings"]

REACH = 2.0
"""How far beyond the mask, in mm in the slice, the probability counts: its edge, not its noise."""

Floats = NDArray[np.float64]
Slices3 = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The voxels of a mask and those within `REACH` of it in each slice, in LAS.

    `mask` and `near` cover the part `part` of the image; `unit` is what a voxel of each slice of
    the part adds to the area (mm²), NaN where the slice has no shape.
    """

    grid: Grid
    part: Slices3
    mask: NDArray[np.bool_]
    near: NDArray[np.bool_]
    unit: Floats

    def values(self, volume: Volume) -> Array:
        """A volume of the same grid, in LAS, in the part.

        Raises:
            ImageError: it is on another grid.
        """
        if not volume.grid.matches(self.grid):
            raise ImageError(
                f"The probability has the shape {volume.grid.shape}, the mask "
                f"{self.grid.shape}, or they lie elsewhere: both must be on the same grid."
            )
        return np.asarray(volume.reoriented(AXES).data[self.part])

    def area(self, weights: Array) -> Floats:
        """Area in mm² of every slice of the image: the sum of the part's `weights` near the
        mask, NaN where the mask holds no cord.
        """
        slices = self.grid.reoriented(AXES).shape[2]
        areas = np.full(slices, np.nan)
        sums = np.where(self.near, weights, 0).sum(axis=(0, 1), dtype=np.float64)
        areas[self.part[2]] = sums * self.unit
        return areas


def soft_areas(
    probability: Probability, segmentation: Segmentation, morphometrics: Morphometrics
) -> Floats:
    """Sum the probabilities in and around a mask to an area of each slice.

    Parameters
    ----------
    probability : Probability
        The probability of the cord, 0 to 1, with axes (x, y, z) in any order and direction.
    segmentation : Segmentation
        The mask, on the same grid.
    morphometrics : Morphometrics
        What `morphometrics.measure` gave for the mask.

    Returns
    -------
    ndarray of float, shape (slices,)
        The soft area in mm² of each slice, lowest first; NaN where the mask holds no cord.

    Raises
    ------
    ImageError
        The three do not belong together.

    Notes
    -----
    The probabilities of the voxels of the mask and of those within `REACH` of it in the slice are
    added up, not rescaled, and multiplied by the area of a voxel and the cosines of the slice's
    angles. A slice that is wholly 0.5 has half the area.

    Examples
    --------
    >>> import numpy as np
    >>> from sct_deepseg_general.image.nifti import load_segmentation
    >>> from sct_deepseg_general.image.volume import Probability
    >>> from sct_deepseg_general.morphometry.morphometrics import measure
    >>> from sct_deepseg_general.morphometry.soft_area import soft_areas
    >>> mask = load_segmentation("t2_seg.nii.gz")
    >>> half = Probability(0.5 * mask.data.astype(np.float32), mask.grid)
    >>> table = measure(mask)
    >>> ratio = np.nanmean(soft_areas(half, mask, table) / table.area)
    >>> round(float(ratio), 2)
    0.5
    """
    return areas_around(surroundings(segmentation, morphometrics), probability, morphometrics)


def areas_around(
    around: Surroundings | None, probability: Probability, morphometrics: Morphometrics
) -> Floats:
    """As `soft_areas`: the area in mm² of each slice, shape (slices,), of a mask whose
    `surroundings` are known.
    """
    if around is None:
        return np.full(len(morphometrics.shapes), np.nan)
    return around.area(around.values(probability))


def surroundings(segmentation: Segmentation, morphometrics: Morphometrics) -> Surroundings | None:
    """The neighbourhood of a mask that `morphometrics` was measured from; None if it is empty."""
    cord = upright(Volume(segmentation.data, segmentation.grid))
    if cord is None:
        return None
    across, along, _ = morphometrics.spacing
    low, high = [], []
    for axis, size in enumerate((across, along)):
        margin, start, count = math.ceil(REACH / size), cord.start[axis], cord.mask.shape[axis]
        low.append(min(margin, start))
        high.append(min(margin, cord.grid.shape[axis] - start - count))
    mask = np.pad(cord.mask, [*zip(low, high, strict=True), (0, 0)])
    x, y = (slice(cord.start[a] - low[a], cord.start[a] - low[a] + mask.shape[a]) for a in (0, 1))
    z = slice(cord.start[2], cord.start[2] + mask.shape[2])
    near = [_near(mask[:, :, index], (across, along)) for index in range(mask.shape[2])]
    unit = [_unit(shape, across * along) for shape in morphometrics.shapes[z]]
    return Surroundings(segmentation.grid, (x, y, z), mask, np.stack(near, axis=2), np.array(unit))


def _unit(shape: SliceShape | None, pixel: float) -> float:
    if shape is None:
        return math.nan
    return pixel * math.cos(math.radians(shape.angle_ap)) * math.cos(math.radians(shape.angle_rl))


def _near(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> NDArray[np.bool_]:
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        return mask
    return np.asarray(distance_transform_edt(~mask, sampling=spacing) <= REACH)
