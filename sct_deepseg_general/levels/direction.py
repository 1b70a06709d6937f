"""Whether the cord runs along the slices' axis that the header calls inferior-superior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.las import AXES, support
from sct_deepseg_general.image.volume import NEAR_ZERO, Volume

__all__ = ["LARGEST_ANGLE", "LENGTH", "angle_to_slices_axis", "direction_reasons"]

LARGEST_ANGLE = 45.0
"""Degrees between the cord and the axis of the axial slices above which it runs across them."""

LENGTH = 30.0
"""mm along its own direction from which on a mask has one: no cord is as wide."""

Floats = NDArray[np.float64]


def direction_reasons(mask: Volume) -> tuple[str, ...]:
    """Why slices have no levels: the cord (x, y, z; any orientation) runs across them."""
    angle = angle_to_slices_axis(mask)
    if angle <= LARGEST_ANGLE:
        return ()
    told = (
        f"the cord runs at {angle:.0f} degrees to the image's inferior-superior axis: the header "
        "may exchange axes; convert the image from DICOM again, or set its orientation "
        "with SCT's sct_image"
    )
    return (told,)


def angle_to_slices_axis(mask: Volume) -> float:
    """The angle in degrees, 0 to 90, of a mask's longest direction to the axis of axial slices.

    0 where the mask is shorter than `LENGTH`, as its direction is not known.
    """
    box = support(mask)
    if box is None:
        return 0.0
    part = mask.cropped(box)
    voxels = np.argwhere(part.data > NEAR_ZERO).astype(np.float64)
    points = voxels @ part.grid.affine[:3, :3].T
    points -= points.mean(axis=0)
    direction = np.linalg.eigh(points.T @ points)[1][:, -1]
    if np.ptp(points @ direction) < LENGTH:
        return 0.0
    axis = mask.grid.reoriented(AXES).affine[:3, 2]
    cosine = abs(float(direction @ axis)) / float(np.linalg.norm(axis))
    return float(np.degrees(np.arccos(min(1.0, cosine))))
