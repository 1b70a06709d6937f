"""Volumes small enough to travel inside a report: cropped, 8 bits, gzip, base64."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence

import nibabel as nib
import numpy as np

from sct_deepseg_general.image.volume import Array, Box, Segmentation, Volume
from sct_deepseg_general.qc.raster import window

__all__ = ["embedded_image", "embedded_labels", "embedded_mask", "embedded_probability", "region"]

_MARGIN = 30.0  # mm around the cord, across it; along it everything is kept
_MOST_VOXELS = 4_000_000


def region(segmentation: Segmentation, box: Box | None) -> Box:
    """The box of voxels to show: the cord and `box` with a margin in mm, at full length.

    Without cord and without box, the whole grid.
    """
    grid = segmentation.grid
    tight = Box.around(segmentation.data)
    if tight is None:
        return grid.box
    if box is not None:
        tight = tight.joined(box)
    along = [code in "IS" for code in grid.axcodes]
    margin = [
        n if axis else int(np.ceil(_MARGIN / step))
        for n, step, axis in zip(grid.shape, grid.spacing, along, strict=True)
    ]
    return tight.grown(margin, grid.shape)


def embedded_image(image: Volume, box: Box) -> str:
    """The image (x, y, z) in `box` as base64 of a gzipped NIfTI: 8 bits, scaled to intensities."""
    part = image.cropped(box)
    low, high = window(part.data, 0.05, 99.95)
    step = (high - low) / 255
    scaled = np.nan_to_num((part.data - low) / step, nan=0.0, posinf=255.0, neginf=0.0)
    return _encoded(np.clip(np.rint(scaled), 0, 255), part.grid.affine, step, low)


def embedded_mask(mask: Segmentation, box: Box) -> str:
    """The mask (x, y, z) in `box` as such a NIfTI, 0 or 1."""
    part = mask.cropped(box)
    return _encoded(part.data > 0, part.grid.affine, 1.0, 0.0)


def embedded_labels(masks: Sequence[Segmentation], box: Box) -> str:
    """Masks (x, y, z) in `box` as one such NIfTI: 1 in the first, 2 in the second and so on.

    Where masks overlap, the later one is shown.
    """
    numbers = np.zeros(box.shape, np.uint8)
    for number, mask in enumerate(masks, 1):
        numbers[mask.data[box.slices] > 0] = number
    return _encoded(numbers, masks[0].cropped(box).grid.affine, 1.0, 0.0)


def embedded_probability(probability: Volume, box: Box) -> str:
    """The probability (x, y, z; 0 to 1) in `box` as such a NIfTI, in steps of 1/255."""
    part = probability.cropped(box)
    return _encoded(np.rint(np.clip(part.data, 0, 1) * 255), part.grid.affine, 1 / 255, 0.0)


def _encoded(data: Array, affine: Array, slope: float, inter: float) -> str:
    steps = _steps(data.shape)
    thinned = np.ascontiguousarray(data[tuple(slice(None, None, s) for s in steps)], np.uint8)
    image = nib.Nifti1Image(thinned, affine @ np.diag([*steps, 1.0]))
    image.header.set_xyzt_units("mm")
    image.header.set_slope_inter(slope, inter)
    return base64.b64encode(gzip.compress(image.to_bytes(), 4, mtime=0)).decode("ascii")


def _steps(shape: Sequence[int]) -> list[int]:
    """Keep every step-th voxel of the longest axes until the volume is small enough."""
    steps = [1, 1, 1]
    while np.prod([-(-n // s) for n, s in zip(shape, steps, strict=True)]) > _MOST_VOXELS:
        longest = int(np.argmax([n / s for n, s in zip(shape, steps, strict=True)]))
        steps[longest] += 1
    return steps
