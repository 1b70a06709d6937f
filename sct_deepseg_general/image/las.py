"""Volumes with their axes along the body's: LAS, as nibabel writes it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import (
    NEAR_ZERO,
    Array,
    Axcodes,
    Box,
    Grid,
    Probability,
    Segmentation,
    Volume,
)

__all__ = ["AXES", "InLas", "Upright", "decimal_spacing", "support", "upright"]

AXES: Axcodes = ("L", "A", "S")
"""Where the axes point to; SCT writes it RPI."""

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Upright:
    """The smallest part of an image that holds what is not background, in LAS.

    `data`, in which the background is 0, begins at voxel `start` of the whole image in LAS, whose
    geometry is `grid`; `spacing` is its voxel size in mm.
    """

    data: Array
    start: Shape
    grid: Grid
    spacing: tuple[float, float, float]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The voxels (x, y, z; LAS) that are not background."""
        return np.asarray(self.data > NEAR_ZERO)


@dataclass(frozen=True, eq=False)
class InLas:
    """An image, its segmentation and its probability of cord on one grid, all in LAS.

    A result is brought to LAS once, and measuring, judging and drawing take it from here.
    """

    image: Volume
    segmentation: Segmentation
    probability: Probability

    @classmethod
    def of(cls, image: Volume, segmentation: Segmentation, probability: Probability) -> InLas:
        """The three in LAS, from any axis order; they share a grid."""
        return cls(
            image.reoriented(AXES), segmentation.reoriented(AXES), probability.reoriented(AXES)
        )


def upright(volume: Volume) -> Upright | None:
    """Crop a volume to what is not background, and bring it to LAS.

    Parameters
    ----------
    volume : Volume
        `data` (x, y, z) with axes in any order and direction.

    Returns
    -------
    Upright or None
        The part in LAS and where it begins; None if all is background.

    Raises
    ------
    ImageError
        The volume holds values that are not finite.

    Examples
    --------
    >>> from sct_deepseg_general.image.volume import Segmentation
    >>> mask = np.zeros((8, 8, 8), np.uint8)
    >>> mask[2:4, 3:5, 1:7] = 1
    >>> cord = upright(Segmentation(mask, Grid((8, 8, 8), np.diag([-1.0, 1, 1, 1]))))
    >>> cord.start, cord.data.shape
    ((2, 3, 1), (2, 2, 6))
    """
    box = support(volume)
    if box is None:
        return None
    grid = volume.grid.reoriented(AXES)
    part = volume.cropped(box).reoriented(AXES)
    origin = apply_affine(np.linalg.inv(grid.affine), part.grid.affine[:3, 3])
    x, y, z = (int(v) for v in np.rint(origin))
    return Upright(_without_background(part.data), (x, y, z), grid, decimal_spacing(grid.spacing))


def _without_background(data: Array) -> Array:
    """The values with 0 for what is background: of a soft mask that was interpolated, values below
    0 are.
    """
    if data.dtype.kind not in "fi" or data.min() >= 0:
        return data
    return np.where(data > NEAR_ZERO, data, 0).astype(data.dtype)


def support(volume: Volume) -> Box | None:
    """The smallest box, in voxels, around what is not background; None if all is."""
    data = volume.data
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise ImageError("The mask holds values that are not finite: save it again without them.")
    return Box.around(data > (NEAR_ZERO if data.dtype.kind == "f" else 0))


def decimal_spacing(spacing: tuple[float, float, float]) -> tuple[float, float, float]:
    """Voxel sizes in mm without the digits that float32 adds: 0.30000001192 becomes 0.3."""
    x, y, z = (_decimal(value) for value in spacing)
    return x, y, z


def _decimal(value: float) -> float:
    digits = -int(np.floor(np.log10(np.spacing(np.float32(value))))) - 1
    return round(float(np.float32(value)), digits)
