"""Distance along the cord from the pontomedullary junction (PMJ).

Bédard and Cohen-Adad, Frontiers in Neuroimaging 2022 (10.3389/fnimg.2022.1031253): a linear
centreline through the cord and the PMJ's label, smoothed with a 50 mm Hanning window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import upright
from sct_deepseg_general.image.volume import NEAR_ZERO, Volume
from sct_deepseg_general.levels.slices import placed_centreline
from sct_deepseg_general.morphometry.centreline import CentrelineFit, centres, fitted

__all__ = ["EXTENT", "distances", "slices_at"]

EXTENT = 20.0
"""How much cord, in mm, a measure at a distance covers."""

FIT = CentrelineFit("linear", smooth=50.0)

Floats = NDArray[np.float64]


def distances(segmentation: Volume, pmj: Volume) -> Floats:
    """Distance in mm from the PMJ of each slice (LAS order), along the centreline.

    It is measured down from the uppermost slice of cord or label; NaN outside the cord.

    Raises:
        ImageError: different grids, or no label.
    """
    if not segmentation.grid.matches(pmj.grid):
        raise ImageError(
            f"The PMJ file has the shape {pmj.grid.shape}, the mask {segmentation.grid.shape}, "
            "or they lie elsewhere: both must be on the same grid."
        )
    both = (segmentation.data > NEAR_ZERO) | (pmj.data > NEAR_ZERO)
    cord = upright(Volume(both, segmentation.grid))
    if cord is None or not (pmj.data > NEAR_ZERO).any():
        raise ImageError("The PMJ file holds no label: mark the junction with one voxel.")
    curve = fitted(centres(cord.mask), cord.spacing[2], FIT).moved(cord.start)
    points = placed_centreline(curve, cord.grid)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.full(cord.grid.shape[2], np.nan)
    along[curve.z] = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    return along


def slices_at(
    distance: float, distances: Floats, present: NDArray[np.int64], extent: float = EXTENT
) -> tuple[int, ...]:
    """The slices within `extent` mm of cord centred `distance` mm below the PMJ.

    `distances` is that of every slice and `present` the slices that hold cord.

    Raises:
        ImageError: the cord does not reach there.
    """
    known = np.flatnonzero(np.isfinite(distances))
    along = distances[known]
    if not along.min() <= distance <= along.max():
        raise ImageError(
            f"{distance:g} mm from the PMJ is outside the cord, which reaches from "
            f"{along.min():.1f} to {along.max():.1f} mm."
        )
    lowest = known[np.abs(along - distance - extent / 2).argmin()]
    highest = known[np.abs(along - distance + extent / 2).argmin()]
    slices = tuple(range(int(lowest), int(highest)))
    missing = sorted(set(slices) - set(present.tolist()))
    if missing or not slices:
        raise ImageError(
            f"The mask does not cover {extent:g} mm around {distance:g} mm from the PMJ: "
            f"slices {lowest} to {highest} are needed."
        )
    return slices
