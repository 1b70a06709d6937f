"""Planes of an image that hold no signal: lost slices, and borders that were filled with zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Array, Box, Volume

__all__ = ["BlankPlanes", "blank_ends", "blank_planes"]

REACH = 5.0
"""Distance in mm from the mask up to which a plane is examined."""
FLAT = 1e-3
"""Range of a plane, as a share of that of the region, up to which it counts as constant."""
DARK = 0.3
"""Intensity of a lost slice, as a share of that on both sides, or of the next slice where the
signal ends at once. In the training images the darkest slice between brighter ones has 0.68, and
from one slice to the next the signal falls to 0.57 or more, but for the first slice of two."""
BESIDE = 10.0
"""Distance in mm from the end of the mask up to which a loss of signal may have cut it."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BlankPlanes:
    """Which planes along each axis hold no signal: three vectors of bool, of the image's shape.

    `along` is the axis along the body, whose planes are axial slices.
    """

    planes: tuple[Bools, Bools, Bools]
    along: int

    @property
    def any(self) -> bool:
        """Whether any plane of any axis is blank."""
        return any(bool(one.any()) for one in self.planes)

    @property
    def slices(self) -> tuple[int, ...]:
        """The axial slices without signal, counted along the image's own axis."""
        return tuple(int(z) for z in np.flatnonzero(self.planes[self.along]))

    def cleared(self, data: Array) -> Array:
        """A copy of an array (x, y, z) that is 0 in every plane without signal."""
        data = data.copy()
        for axis, blank in enumerate(self.planes):
            np.moveaxis(data, axis, 0)[blank] = 0
        return data


def blank_planes(image: Volume, mask: Array) -> BlankPlanes:
    """The planes of an image (x, y, z) without signal in and around a mask of its shape.

    A plane is blank if it is constant there. An axial slice is blank too if it is much darker
    than slices on both of its sides, as where only noise was recorded, or if the signal ends from
    one slice to the next; signal that fades towards an end of the field of view is not. Only planes
    within the extent of the mask are examined.
    """
    along = next(axis for axis, code in enumerate(image.grid.axcodes) if code in "IS")
    planes = [np.zeros(n, np.bool_) for n in image.grid.shape]
    box = Box.around(mask)
    if box is not None:
        near = box.grown([int(np.ceil(REACH / mm)) for mm in image.grid.spacing], image.grid.shape)
        low, extent = float(image.data[near.slices].min()), _range(image.data[near.slices])
        for axis in range(3):
            span = range(box.start[axis], box.stop[axis])
            own = mask if axis == along else None
            regions = [_region(image, _within(near, axis, at), own) for at in span]
            blank = np.array([_range(data) <= FLAT * extent for data in regions])
            if axis == along:
                levels = np.array([np.percentile(data, 90) - low for data in regions])
                blank |= _lost(levels) | _ended(levels)
            planes[axis][span.start : span.stop] = blank
    return BlankPlanes((planes[0], planes[1], planes[2]), along)


def blank_ends(image: Volume, mask: Array) -> tuple[int, ...]:
    """The axial slices without signal at the ends of an image (x, y, z), where they may have cut a
    mask of its shape: they are constant, or the signal ends at once.

    Slices are counted along the image's own axis.
    """
    along = next(axis for axis, code in enumerate(image.grid.axcodes) if code in "IS")
    box = Box.around(mask)
    if box is None:
        return ()
    margin = [int(np.ceil(REACH / mm)) for mm in image.grid.spacing]
    near = box.grown(margin, image.grid.shape)
    count, reach = image.grid.shape[along], int(np.ceil(BESIDE / image.grid.spacing[along]))
    whole = [_region(image, _within(near, along, at), None) for at in range(count)]
    held = range(box.start[along], box.stop[along])
    low = min(float(whole[at].min()) for at in held)
    extent = max(float(whole[at].max()) for at in held) - low
    blank = np.array([_range(data) <= FLAT * extent for data in whole])
    blank |= _ended(np.array([np.percentile(data, 90) - low for data in whole]))
    first = int(blank.argmin()) if blank[0] else 0
    last = int(blank[::-1].argmin()) if blank[-1] else 0
    lower = range(first) if 0 <= held.start - first <= reach else range(0)
    upper = range(count - last, count) if 0 <= count - last - held.stop <= reach else range(0)
    return (*lower, *upper)


def _ended(levels: NDArray[np.float64]) -> Bools:
    """Slices at either end, less than half of all, where a level that had not faded falls below
    `DARK` of it.
    """
    lost, usual = np.zeros(levels.size, np.bool_), float(np.median(levels))
    for way in (slice(None), slice(None, None, -1)):
        some, found = levels[way], lost[way]
        for k in range((levels.size - 1) // 2, 0, -1):
            if some[:k].max() < DARK * some[k] and some[k] > DARK * usual:
                found[:k] = True
                break
    return lost


def _range(data: Array) -> float:
    return float(data.max()) - float(data.min())  # integers of 8 and 16 bits would overflow


def _lost(levels: NDArray[np.float64]) -> Bools:
    """Slices whose level is below `DARK` of that of slices on both sides."""
    before = np.maximum.accumulate(levels)
    after = np.maximum.accumulate(levels[::-1])[::-1]
    return np.asarray(levels < DARK * np.minimum(before, after))


def _within(near: Box, axis: int, at: int) -> Box:
    """The part of a box in the plane `at` of an axis."""
    start, stop = list(near.start), list(near.stop)
    start[axis], stop[axis] = at, at + 1
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _region(image: Volume, part: Box, mask: Array | None) -> Array:
    """The intensities of a part of a plane, or those around what a mask holds of it."""
    data = image.data[part.slices]
    held = None if mask is None else Box.around(mask[part.slices])
    if held is None:
        return data
    margin = [int(np.ceil(REACH / mm)) for mm in image.grid.spacing]
    return data[held.grown(margin, part.shape).slices]
