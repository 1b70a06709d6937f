"""A label's edge as a signed distance, to be moved by fractions of a millimetre.

A label is seen slice by slice in nibabel LAS. Its edge is drawn on a finer grid (voxels of at
most `FINEST` mm, unless another size is asked for), and every fine voxel holds its in-plane
distance to that edge in mm, negative inside: a level-set function. Moving the edge outward by d mm
keeps what is nearer than d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Box, Grid, Probability, Volume

__all__ = ["AXES", "FINEST", "REACH", "Contour", "contour_of", "enlarged"]

AXES = ("L", "A", "S")
FINEST = 0.1
"""The largest fine voxel in mm: what is below it, linear interpolation of the label decides."""
REACH = 3.0
"""How far from the edge, in mm, it can be moved and looked at."""

Floats = NDArray[np.float64]
Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Contour:
    """The edge of a label on `grid` (LAS), known in the box `part`.

    `distance` (x, y, z) holds `factors` fine voxels to each voxel in x and y, in mm; `fine` is
    the size of a fine voxel in mm².
    """

    grid: Grid
    part: Box
    factors: tuple[int, int]
    distance: Float

    @property
    def fine(self) -> float:
        """The area of a fine voxel in the plane of the slices, mm²."""
        x, y, _ = self.grid.spacing
        return x * y / (self.factors[0] * self.factors[1])

    def areas(self, offset: ArrayLike = 0.0) -> Floats:
        """Area in mm², in the image's slices, with the edge moved outward by `offset` mm.

        `offset` is one number or one for each slice of the image; shape (slices of the image,).
        """
        inside = self.distance <= self._within(offset)
        areas = np.zeros(self.grid.shape[2])
        areas[self._slices] = inside.sum((0, 1)) * self.fine
        return areas

    def offsets(self, areas: Floats) -> Floats:
        """How far outward (mm) the edge of each slice must go to enclose `areas` (mm²).

        NaN where `areas` is, where the label is empty, or where it would take more than `REACH`.
        """
        found = np.full(self.grid.shape[2], np.nan)
        for z in np.flatnonzero(np.isfinite(areas)):
            if not self._slices.start <= z < self._slices.stop:
                continue
            plane = self.distance[:, :, z - self._slices.start]
            near = np.sort(plane[plane < REACH])
            count = round(float(areas[z]) / self.fine)
            if 0 < count < near.size and near[count] > -REACH:
                found[z] = near[count]
        return found

    def fractions(self, offset: ArrayLike = 0.0) -> Probability:
        """The fraction of each voxel of `grid` inside the edge moved outward by `offset` mm."""
        inside = (self.distance <= self._within(offset)).astype(np.float32)
        (fx, fy), (nx, ny, nz) = self.factors, self.part.shape
        data = np.zeros(self.grid.shape, np.float32)
        data[self.part.slices] = inside.reshape(nx, fx, ny, fy, nz).mean((1, 3))
        return Probability(data, self.grid)

    @property
    def _slices(self) -> slice:
        return self.part.slices[2]

    def _within(self, offset: ArrayLike) -> Floats:
        return np.broadcast_to(np.asarray(offset, float), self.grid.shape[2])[self._slices]


def contour_of(label: Volume, finest: float = FINEST) -> Contour:
    """The edge of a mask or soft label (0 to 1), where it is 0.5, in any orientation, with fine
    voxels of at most `finest` mm in the plane.

    Raises
    ------
    ImageError
        The label is empty.
    """
    upright = label.reoriented(AXES)
    values = np.asarray(upright.data, np.float32)
    if not (values > 0.5).any():
        raise ImageError("The label is empty: there is no edge to move.")
    part = _around(values > 0.5, upright.grid)
    across, along, _ = upright.grid.spacing
    factors = (math.ceil(across / finest - 1e-6), math.ceil(along / finest - 1e-6))
    planes = np.moveaxis(values[part.slices], 2, 0)
    steps = (across / factors[0], along / factors[1])
    distance = np.stack([_signed(enlarged(plane, factors), steps) for plane in planes], -1)
    return Contour(upright.grid, part, factors, distance)


def enlarged(plane: NDArray[np.floating], factors: tuple[int, int]) -> Float:
    """A plane linearly interpolated at the centres of `factors` fine voxels to each voxel."""
    axes = [(np.arange(n * f) + 0.5) / f - 0.5 for n, f in zip(plane.shape, factors, strict=True)]
    points = np.meshgrid(*axes, indexing="ij")
    return np.asarray(ndimage.map_coordinates(plane, points, np.float32, order=1, mode="nearest"))


def _signed(fine: Float, steps: tuple[float, float]) -> Float:
    """In-plane distance (mm) to where `fine` is 0.5, negative inside; huge in an empty slice.

    The edge lies half a fine voxel from the centres on either side of it.
    """
    inside = fine > 0.5
    if not inside.any():
        return np.full(fine.shape, np.inf, np.float32)
    out = ndimage.distance_transform_edt(~inside, sampling=steps)
    into = ndimage.distance_transform_edt(inside, sampling=steps)
    half = min(steps) / 2
    return np.asarray(np.where(inside, half - into, out - half), np.float32)


def _around(mask: NDArray[np.bool_], grid: Grid) -> Box:
    """The slices of a mask, and what lies within `REACH` of it in them."""
    index = np.argwhere(mask)
    (x0, y0, z0), (x1, y1, z1) = index.min(0), index.max(0) + 1
    tight = Box((int(x0), int(y0), int(z0)), (int(x1), int(y1), int(z1)))
    more = [math.ceil((REACH + 1) / mm) for mm in grid.spacing[:2]]
    return tight.grown([*more, 0], grid.shape)
