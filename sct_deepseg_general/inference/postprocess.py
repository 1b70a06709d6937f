"""From probability to segmentation: threshold, largest object, holes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Box, Probability, Segmentation

__all__ = ["Cleaning", "segmented"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Cleaning:
    """How the probability becomes a mask."""

    threshold: float = 0.5
    largest: bool = True
    """Keep only the largest object (26 neighbours)."""
    fill_holes: bool = True
    """Fill holes, voxels enclosed in three dimensions."""


def segmented(probability: Probability, cleaning: Cleaning) -> Segmentation:
    """0/1, uint8, on the probability's grid: cord where it is at least the threshold."""
    mask = probability.data >= cleaning.threshold
    box = Box.around(mask)
    if box is not None:
        inner = mask[box.slices]
        inner = _largest(inner) if cleaning.largest else inner
        mask = np.zeros_like(mask)
        mask[box.slices] = _filled(inner) if cleaning.fill_holes else inner
    return Segmentation(mask.astype(np.uint8), probability.grid, probability.header)


def _largest(mask: Mask) -> Mask:
    from scipy import ndimage  # 0.2 s, not for -h

    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(sizes.argmax()))


def _filled(mask: Mask) -> Mask:
    from scipy import ndimage

    return np.asarray(ndimage.binary_fill_holes(mask))
