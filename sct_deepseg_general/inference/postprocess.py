"""From probability to segmentation: threshold, largest object, holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.blank import BlankPlanes
from sct_deepseg_general.image.volume import Box, Probability, Segmentation

__all__ = ["Cleaning", "Smallest", "segmented", "without_small"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Cleaning:
    """How the probability becomes a mask."""

    threshold: float = 0.5
    largest: bool = True
    """Keep only the largest object (26 neighbours)."""
    fill_holes: bool = True
    """Fill holes, voxels enclosed in three dimensions."""


@dataclass(frozen=True)
class Smallest:
    """The size of the smallest object that is kept, in voxels or in mm³."""

    size: float
    unit: Literal["vox", "mm3"]

    @property
    def text(self) -> str:
        """The size with its unit, as -remove-small takes it."""
        return f"{self.size:g}{self.unit}"

    def voxels(self, spacing: Sequence[float]) -> float:
        """The number of voxels of that size, for voxels of `spacing` mm."""
        return self.size if self.unit == "vox" else self.size / float(np.prod(spacing))


def without_small(mask: NDArray[Any], voxels: float) -> Mask:
    """The mask (x, y, z) without the objects of fewer voxels; they join at faces and edges.

    An object of just that size is kept.
    """
    from scipy import ndimage

    structure = ndimage.generate_binary_structure(3, 2)
    labels, _ = ndimage.label(mask, structure)
    sizes = np.bincount(labels.ravel())
    kept = sizes >= voxels
    kept[0] = False
    return np.asarray(kept[labels])


def segmented(
    probability: Probability, cleaning: Cleaning, blank: BlankPlanes | None = None
) -> Segmentation:
    """The mask (x, y, z), uint8 0 or 1, on the probability's grid: cord from the threshold on.

    In the planes of `blank`, which hold no signal, there is no cord; the slices on both sides of
    them count as neighbours, so that a gap does not cost the smaller part.
    """
    mask = probability.data >= cleaning.threshold
    kept: Any = slice(None)
    if blank is not None and blank.any:
        mask = blank.cleared(mask)
        kept = np.flatnonzero(~blank.planes[blank.along])
    along = 2 if blank is None else blank.along
    cleaned = np.zeros_like(mask)
    np.moveaxis(cleaned, along, 2)[..., kept] = _cleaned(
        np.moveaxis(mask, along, 2)[..., kept], cleaning
    )
    mask = cleaned
    return Segmentation(mask.astype(np.uint8), probability.grid, probability.header)


def _cleaned(mask: Mask, cleaning: Cleaning) -> Mask:
    box = Box.around(mask)
    if box is None:
        return mask
    inner = mask[box.slices]
    inner = _largest(inner) if cleaning.largest else inner
    cleaned = np.zeros_like(mask)
    cleaned[box.slices] = _filled(inner) if cleaning.fill_holes else inner
    return cleaned


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
