"""Planes of an image that hold no signal: lost slices, and borders that were filled with zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Array, Box, Volume

__all__ = ["BlankPlanes", "blank_planes"]

REACH = 5.0
"""Distance in mm from the mask up to which a plane is examined."""
FLAT = 1e-3
"""Range of a plane, as a share of that of the region, up to which it counts as constant."""

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
        """Whether there is one."""
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
    """The planes of an image (x, y, z) that are constant in and around a mask of its shape.

    Only planes within the extent of the mask are examined, so that dark planes elsewhere do not
    count.
    """
    along = next(axis for axis, code in enumerate(image.grid.axcodes) if code in "IS")
    planes = tuple(np.zeros(n, np.bool_) for n in image.grid.shape)
    box = Box.around(mask)
    if box is not None:
        near = box.grown([int(np.ceil(REACH / mm)) for mm in image.grid.spacing], image.grid.shape)
        limit = FLAT * float(np.ptp(image.data[near.slices]))
        for axis in range(3):
            own = mask if axis == along else None
            for at in range(box.start[axis], box.stop[axis]):
                planes[axis][at] = _range(image, _within(near, axis, at), own) <= limit
    x, y, z = planes
    return BlankPlanes((x, y, z), along)


def _within(near: Box, axis: int, at: int) -> Box:
    """The part of a box in the plane `at` of an axis."""
    start, stop = list(near.start), list(near.stop)
    start[axis], stop[axis] = at, at + 1
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def _range(image: Volume, part: Box, mask: Array | None) -> float:
    """The range of the intensities in a part of a plane, or around what a mask holds of it."""
    data = image.data[part.slices]
    held = None if mask is None else Box.around(mask[part.slices])
    if held is not None:
        margin = [int(np.ceil(REACH / mm)) for mm in image.grid.spacing]
        data = data[held.grown(margin, part.shape).slices]
    return float(np.ptp(data))
