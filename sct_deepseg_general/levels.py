"""Which vertebral level each axial slice belongs to, from labelled discs or labelled levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.centreline import Centreline, CentrelineFit, centres, fitted
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.upright import AXES, upright
from sct_deepseg_general.volume import Grid, Volume

__all__ = ["from_discs", "from_levels", "missing_discs", "placed_centreline"]

Levels = NDArray[np.int64]

DISC_SMOOTHING = 20.0
"""SCT's smoothing for the centreline that discs are projected onto."""

HIGHEST_LEVEL = 48
"""49 and 50 mark the pontomedullary groove and junction, which are no levels."""


def from_levels(labels: Volume) -> Levels:
    """The level of each slice of a level map (LAS order), 0 where there is none.

    A slice that touches several levels belongs to the rounded mean of its labelled voxels.
    """
    data = labels.reoriented(AXES).data
    levels = np.zeros(data.shape[2], dtype=np.int64)
    for z in range(data.shape[2]):
        slice_ = data[:, :, z]
        present = slice_[np.isfinite(slice_) & (slice_ != 0)]
        if present.size:
            levels[z] = int(np.round(present.mean(dtype=np.float64)))
    return levels


def from_discs(discs: Volume, segmentation: Volume) -> Levels:
    """The level of each slice (LAS order) between labelled discs, 0 outside the segmentation.

    Disc n is the upper border of vertebra n (3 is the disc C2-C3). Each disc is projected onto
    the nearest point of the segmentation's centreline; slices up to a disc belong to the
    level below it, slices above the topmost disc to the level above.

    Raises:
        ImageError: no disc, no segmentation, or discs that are not in order.
    """
    curve, grid = _centreline(segmentation)
    voxels, values = _labels(discs.reoriented(AXES))
    where = placed_centreline(curve, grid)
    nearest = np.array([_nearest(where, point) for point in voxels])
    order = np.argsort(nearest, kind="stable")
    nearest, values = nearest[order], values[order]
    if (np.diff(values) >= 0).any():
        raise ImageError(
            f"The discs are not in order from below: {', '.join(map(str, values))}. "
            "Check their labels."
        )
    below = np.append(values, values[-1] - 1)
    levels = np.zeros(grid.shape[2], dtype=np.int64)
    levels[curve.z] = below[np.searchsorted(nearest, np.arange(curve.z.size))]
    return levels


def missing_discs(discs: Volume) -> tuple[int, ...]:
    """Discs that are not labelled between the lowest and the highest that are.

    The level below a missing disc takes the slices of the one above it.
    """
    values = {int(value) for value in np.unique(discs.data[discs.data > 0])}
    values = {value for value in values if value <= HIGHEST_LEVEL}
    return tuple(n for n in range(min(values), max(values)) if n not in values) if values else ()


def placed_centreline(curve: Centreline, grid: Grid) -> NDArray[np.float64]:
    """The curve's points in mm (RAS), an array (slices, 3)."""
    voxels = np.stack([curve.x, curve.y, curve.z], axis=1)
    return np.asarray(voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3])


def _centreline(segmentation: Volume) -> tuple[Centreline, Grid]:
    """The curve in voxels of the whole image in LAS, and that image's grid."""
    cord = upright(segmentation)
    if cord is None:
        raise ImageError("The mask is empty: there is no cord to project the discs onto.")
    fit = CentrelineFit(smooth=DISC_SMOOTHING)
    return fitted(centres(cord.mask), cord.spacing[2], fit).moved(cord.start), cord.grid


def _labels(discs: Volume) -> tuple[NDArray[np.float64], Levels]:
    """Positions in mm (RAS) and values of the labelled voxels."""
    voxels = np.argwhere(discs.data > 0)
    values = np.round(discs.data[tuple(voxels.T)]).astype(np.int64)
    kept = values <= HIGHEST_LEVEL
    if not kept.any():
        raise ImageError("The disc file holds no disc: label single voxels with 1, 2, 3 and so on.")
    affine = discs.grid.affine
    return voxels[kept] @ affine[:3, :3].T + affine[:3, 3], values[kept]


def _nearest(points: NDArray[np.float64], point: NDArray[np.float64]) -> int:
    return int(((points - point) ** 2).sum(axis=1).argmin())
