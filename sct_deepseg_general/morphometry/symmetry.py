"""Measures of the mask that need the image too: areas of the quarters, and symmetry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.morphometry.ellipse import ellipse_of, moments_of
from sct_deepseg_general.morphometry.fine_slice import fine_slice, shrunk_slice
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.slice_shape import SliceShape
from sct_deepseg_general.morphometry.slice_symmetry import SliceSymmetry, axis_angle, symmetry_of

__all__ = ["symmetries"]

FEWEST_VOXELS = 10
"""Slices with no more voxels than this have no symmetry to speak of."""

SMOOTHING = 5
"""Slices over which the axis of symmetry is smoothed along the cord (Gaussian, sigma)."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A slice of mask and image as seen along the centreline, and the cord's centre in voxels."""

    mask: Floats
    image: Floats
    centre: tuple[float, float]


def symmetries(
    segmentation: Volume, image: Volume, morphometrics: Morphometrics
) -> tuple[SliceSymmetry | None, ...]:
    """The symmetry of every slice of the image (LAS order), None where there is no cord.

    The slices are seen along the centreline that `morphometrics` was measured with. The axis of
    symmetry is found in the image and smoothed along the cord.

    Raises
    ------
    ImageError
        Mask and image are not on the same grid.
    """
    if not segmentation.grid.matches(image.grid):
        raise ImageError(
            f"The image has the shape {image.grid.shape}, the mask {segmentation.grid.shape}, "
            "or they lie elsewhere: both must be on the same grid."
        )
    from scipy.ndimage import gaussian_filter1d

    mask, anatomy = segmentation.reoriented(AXES).data, image.reoriented(AXES).data
    shapes = {z: shape for z, shape in enumerate(morphometrics.shapes) if shape}
    seen = {z: _seen(mask[:, :, z], anatomy[:, :, z], shape) for z, shape in shapes.items()}
    kept = {z: view for z, view in seen.items() if view is not None}
    found: list[SliceSymmetry | None] = [None] * len(morphometrics.shapes)
    if not kept:
        return tuple(found)
    angles = [axis_angle(view.image, view.centre) for view in kept.values()]
    smooth = gaussian_filter1d(np.array(angles), SMOOTHING)
    for (z, view), angle in zip(kept.items(), smooth, strict=True):
        found[z] = _symmetry(view, morphometrics.spacing, float(angle))
    return tuple(found)


def _seen(mask: NDArray[np.generic], image: NDArray[np.generic], shape: SliceShape) -> _Seen | None:
    about_ap, about_rl = math.radians(shape.angle_ap), math.radians(shape.angle_rl)
    cosines = (math.cos(about_ap), math.cos(about_rl))
    seen = shrunk_slice(mask.astype(np.float64), cosines)
    rounded = np.round(seen) > 0
    if np.count_nonzero(seen) <= FEWEST_VOXELS or not rounded.any():
        return None
    centre = moments_of(rounded, (0, 0)).centre
    return _Seen(seen, shrunk_slice(image.astype(np.float64), cosines), centre)


def _symmetry(
    view: _Seen, spacing: tuple[float, float, float], angle: float
) -> SliceSymmetry | None:
    fine = fine_slice(view.mask, spacing[:2])
    if fine is None:
        return None
    inside = fine.values > 0.5
    if not inside.any():
        return None
    return symmetry_of(fine, ellipse_of(moments_of(inside, fine.start)).centre, angle)
