"""How far a mask's edge may lie off, from the border between cord and fluid that the image shows.

The intensity along a line across the cord's border goes from that of the cord to that of the fluid.
Where it is half-way is a place that the image has by itself, and the mask's edge lies at a known
distance from it on images that the model knows. Where that distance is another, or there is no such
place, network and image contradict each other and the area may be wrong. How far the edge may
lie off then, and in how small a cord, is in the model's record, fitted on people with reference
areas (`benchmarks/quality/interval_coverage.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Box, Grid, Probability, Segmentation, Volume

__all__ = ["FARTHEST", "BorderScale", "border_places", "local_means"]

FARTHEST = 0.6
"""A border that is further (mm) from its usual place counts as this far, as does none at all."""
USUAL_AREA = 75.0
"""Area (mm²) from which on the edge of a cord is not more uncertain because the cord is small."""
WINDOW = 30.0
"""Length (mm) along the cord over which the place of the border is averaged."""
STEP = 2.5
"""Where slices are thinner (mm), the border is looked for in as many as lie this far apart."""
FINE = 0.25
"""Largest voxel (mm) of the grid on which the border is looked for."""
ROOM = 6.0
"""mm around the mask that are looked at."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BorderScale:
    """The scale of the interval of an area: the perimeter of the cord times mm of its edge.

    The mm are `always` + `small` x (sqrt(75 mm² / area) - 1, at least 0) + `gap` x (how far, in mm
    and at most 0.6, the border of the image lies from `usual` mm outside the mask's edge).
    """

    usual: float
    always: float
    small: float
    gap: float

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> BorderScale | None:
        """From "scale" of a model's record of intervals, if there is one.

        Raises
        ------
        ValueError
            The numbers are impossible; KeyError or TypeError where they are missing.
        """
        if record is None:
            return None
        found = cls(*(float(record[one.name]) for one in fields(cls)))
        shares = (found.always, found.small, found.gap)
        if not np.isfinite([found.usual, *shares]).all() or min(shares) < 0 or not found.always:
            raise ValueError("impossible numbers of the scale")
        return found

    def of(self, area: Floats, border: Floats) -> Floats:
        """The scale in mm² of each slice, NaN without cord, shape (slices,).

        `area` is in mm², `border` from `border_places` in mm; both have this shape.
        """
        return np.asarray(self.parts(area, border, self.usual) @ self.shares)

    @property
    def shares(self) -> Floats:
        """`always`, `small` and `gap` in the order of `parts`."""
        return np.array([self.always, self.small, self.gap])

    @staticmethod
    def parts(area: Floats, border: Floats, usual: float) -> Floats:
        """What the three shares are multiplied by, mm² per mm, shape (slices, 3)."""
        perimeter = 2 * np.sqrt(np.pi * area)
        small = np.maximum(np.sqrt(USUAL_AREA / area) - 1, 0)
        gap = np.nan_to_num(np.minimum(np.abs(border - usual), FARTHEST), nan=FARTHEST)
        return np.stack([perimeter, perimeter * small, perimeter * gap], axis=-1)


def border_places(image: Volume, probability: Probability, mask: Segmentation) -> Floats:
    """How far outside the mask's edge the image's border between cord and fluid lies, in mm.

    The three volumes have one grid (x, y, z). One value for each slice, lowest first, averaged over
    `WINDOW` mm; NaN where no border is found within it.

    The mask's edge is where the probability is the half, near the mask, and the border is where the
    intensity is half-way between cord and fluid (`morphometry.border`).
    """
    from sct_deepseg_general.morphometry.border import half_way
    from sct_deepseg_general.morphometry.contours import contour_of

    cord = mask.reoriented(AXES)
    thickness, count = cord.grid.spacing[2], cord.grid.shape[2]
    step = max(1, int(STEP / thickness))
    found = np.full(count, np.nan)
    close = _near(cord.data > 0, cord.grid, step)
    if close is not None:
        part, near = close
        sure = np.where(near, probability.reoriented(AXES).data[part], 0)
        if (sure > 0.5).any():
            grid = Grid(sure.shape, cord.grid.affine)  # the slices are looked at one by one
            seen = Volume(image.reoriented(AXES).data[part], grid)
            found[part[2]] = half_way(contour_of(Volume(sure, grid), FINE), seen)
    return local_means(found, WINDOW / thickness)


def local_means(values: Floats, count: float) -> Floats:
    """The mean of the finite values within `count` / 2 places of each one, of the same shape (n,).

    NaN where there is none.
    """
    half = max(0, round((count - 1) / 2))
    known = np.isfinite(values)
    sums, counts = (
        np.convolve(np.pad(v, half), np.ones(2 * half + 1), "valid")
        for v in (np.where(known, values, 0.0), known.astype(float))
    )
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0.5))


def _near(
    mask: NDArray[np.bool_], grid: Grid, step: int
) -> tuple[tuple[slice, slice, slice], NDArray[np.bool_]] | None:
    """The part of an image that holds a mask, in every `step`-th slice, and the voxels of that part
    within two voxels of the mask; None without a mask.
    """
    from scipy.ndimage import binary_dilation

    box = Box.around(mask)
    if box is None:
        return None
    x, y, _ = box.grown(
        [*(int(np.ceil(ROOM / mm)) for mm in grid.spacing[:2]), 0], mask.shape
    ).slices
    part = (x, y, slice(box.slices[2].start, box.slices[2].stop, step))
    plane = np.ones((3, 3, 1), bool)
    return part, binary_dilation(mask[part], plane, iterations=2)
