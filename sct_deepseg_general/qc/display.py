"""An image and its masks as they are displayed: patient's left on the left, anterior up.

Every array here has axes (x, y, z) that run to the patient's Right, Posterior and Inferior
(nibabel's letters), so that `array[:, :, z].T` is an axial slice with anterior up and
`array[x].T` a sagittal one with the head up and anterior on the left. Left is shown left,
as in SCT's reports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import (
    Array,
    Axcodes,
    Box,
    Grid,
    Probability,
    Segmentation,
    Volume,
)

__all__ = ["DiscMark", "Display", "Mask", "centres", "displayed"]

Mask = NDArray[np.bool_]

_CODES: Axcodes = ("R", "P", "I")


@dataclass(frozen=True)
class DiscMark:
    """A disc to draw: its number, its place, and whether it was detected in the image.

    The place is in mm (RAS) where a disc is given, and in voxels within a `Display`.
    """

    number: int
    place: tuple[float, float, float]
    detected: bool = True


@dataclass(frozen=True, eq=False)
class Display:
    """What is drawn, in display axes; `spacing` in mm, `box` and `centres` in voxels.

    `centres` (slices, 2) is the cord's centre (x, y) in each slice; where a slice has no cord
    it is the nearest slice's, and the middle of the image where there is no cord at all.
    """

    image: Array
    mask: Mask
    probability: Array | None
    other: Mask | None
    box: Box | None
    spacing: tuple[float, float, float]
    centres: NDArray[np.float64]
    discs: tuple[DiscMark, ...] = ()
    labels: tuple[Mask, ...] = ()

    @property
    def slices(self) -> int:
        """The number of axial slices."""
        return int(self.mask.shape[2])

    def number(self, z: int) -> int:
        """The slice's number counted from inferior to superior, from 0, as SCT counts."""
        return self.slices - 1 - z


def displayed(
    image: Volume,
    segmentation: Segmentation,
    probability: Probability | None = None,
    other: Segmentation | None = None,
    box: Box | None = None,
    discs: tuple[DiscMark, ...] = (),
    labels: Sequence[Segmentation] = (),
) -> Display:
    """Image, masks, probability and masks of labels (x, y, z), all on one grid, in display axes;
    `box` in voxels of that grid.
    """
    mask = _shown(segmentation) > 0
    second = None if other is None else _shown(other) > 0
    grid = image.grid.reoriented(_CODES)
    return Display(
        image=_shown(image),
        mask=mask,
        probability=None if probability is None else _shown(probability),
        other=second,
        box=None if box is None else box.on_axes(image.grid, grid),
        spacing=grid.spacing,
        centres=centres(mask if mask.any() or second is None else second),
        discs=tuple(_disc_on(disc, grid) for disc in discs),
        labels=tuple(_shown(label) > 0 for label in labels),
    )


def _shown(volume: Volume) -> Array:
    """A volume's data in display axes, which are opposite to LAS on each axis."""
    return volume.reoriented(AXES).data[::-1, ::-1, ::-1]


def _disc_on(disc: DiscMark, grid: Grid) -> DiscMark:
    x, y, z = (float(v) for v in apply_affine(np.linalg.inv(grid.affine), disc.place))
    return replace(disc, place=(x, y, z))


def centres(mask: Mask) -> NDArray[np.float64]:
    """The centre of mass of each slice of `mask` (x, y, z), an array (slices, 2) in voxels; see
    `Display.centres`.
    """
    shape = mask.shape
    area = mask.sum(axis=(0, 1))
    present = np.flatnonzero(area)
    if not present.size:
        return np.tile([shape[0] / 2 - 0.5, shape[1] / 2 - 0.5], (shape[2], 1))
    along_x = np.arange(shape[0]) @ mask.sum(axis=1)[:, present] / area[present]
    along_y = np.arange(shape[1]) @ mask.sum(axis=0)[:, present] / area[present]
    every = np.arange(shape[2])
    return np.stack(
        [np.interp(every, present, along_x), np.interp(every, present, along_y)], axis=1
    )
