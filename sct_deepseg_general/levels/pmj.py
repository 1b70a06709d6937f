"""Distance along the cord from the pontomedullary junction (PMJ).

Bédard and Cohen-Adad, Frontiers in Neuroimaging 2022 (10.3389/fnimg.2022.1031253): a linear
centreline through the cord and the PMJ's label, smoothed with a 50 mm Hanning window.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.companion import points_of
from sct_deepseg_general.image.las import upright
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.levels.slices import placed_centreline
from sct_deepseg_general.morphometry.centreline import CentrelineFit, Centres, centres, fitted

__all__ = ["EXTENT", "distances", "missing_length", "slices_at"]

EXTENT = 20.0
"""How much cord, in mm, a measure at a distance covers."""

FIT = CentrelineFit("linear", smooth=50.0)

Floats = NDArray[np.float64]


FARTHEST_ASIDE = 40.0
"""Distance in mm, from front to back and side to side, of the PMJ from the nearest end of the
cord, beyond what the way up explains, from which it cannot be the PMJ of this cord."""

FARTHEST_ABOVE = 40.0
"""Length in mm of mask above the PMJ, in the brainstem, beyond which the label must be wrong."""

PMJ_LABEL = 50
"""The value that marks the PMJ in a file with other labels, as SCT writes it."""


def distances(segmentation: Volume, pmj: Volume) -> Floats:
    """Distance in mm from the PMJ of each slice (LAS order), along the centreline.

    The centreline runs through the cord and, beyond its end, to the PMJ, which need not lie in
    the mask's field of view. Slices above the PMJ have negative distances, slices beyond both
    cord and PMJ are NaN.

    Raises
    ------
    ImageError
        There is no cord, no PMJ or more than one voxel of it, the PMJ is below the cord, or it is
        too far aside.
    """
    cord = upright(segmentation)
    if cord is None:
        raise ImageError("The mask is empty: there is no cord to measure distances along.")
    place = apply_affine(np.linalg.inv(cord.grid.affine), _position(pmj))
    traced = centres(cord.mask)
    traced = replace(
        traced, z=traced.z + cord.start[2], x=traced.x + cord.start[0], y=traced.y + cord.start[1]
    )
    _check_place(place, traced, cord.spacing)
    counts = cord.mask.sum(axis=(0, 1))
    curve = fitted(_with_point(traced, counts[counts > 0], place), cord.spacing[2], FIT)
    points = placed_centreline(curve, cord.grid)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    from_top = np.append(np.cumsum(steps[::-1])[::-1], 0.0)
    from_pmj = from_top - np.interp(place[2], curve.z, from_top)
    along = np.full(cord.grid.shape[2], np.nan)
    inside = (curve.z >= 0) & (curve.z < along.size)
    along[curve.z[inside]] = from_pmj[inside]
    return along


def _position(pmj: Volume) -> Floats:
    """The PMJ in mm (RAS), from a file with one voxel, or one of the value 50 among others."""
    points = points_of(pmj)
    chosen = points.values == PMJ_LABEL
    positions = points.positions[chosen] if chosen.any() else points.positions
    if not len(positions):
        raise ImageError("The PMJ file holds no label: mark the junction with one voxel.")
    if len(positions) > 1:
        raise ImageError(
            f"The PMJ file holds {len(positions)} labelled voxels: mark the junction with one."
        )
    return np.asarray(positions[0], np.float64)


def _check_place(place: Floats, traced: Centres, spacing: tuple[float, float, float]) -> None:
    """The PMJ, in voxels (LAS), must be where a cord's may be."""
    if place[2] <= traced.z[0]:
        raise ImageError(
            f"The PMJ is in slice {place[2]:.0f}, below the cord, whose lowest slice is "
            f"{traced.z[0]}: the PMJ is at the cord's upper end. Check its label."
        )
    above = (traced.z[-1] - place[2]) * spacing[2]
    if above > FARTHEST_ABOVE:
        raise ImageError(
            f"The mask goes on for {above:.0f} mm above the PMJ, where there is no cord: check the "
            "label, and the orientation of the image."
        )
    at = int(np.abs(traced.z - place[2]).argmin())
    aside = np.hypot((place[0] - traced.x[at]) * spacing[0], (place[1] - traced.y[at]) * spacing[1])
    up = abs(place[2] - traced.z[at]) * spacing[2]
    if aside > FARTHEST_ASIDE + up:
        raise ImageError(
            f"The PMJ is {aside:.0f} mm aside of the cord: check that its label belongs to this "
            "image."
        )


def _with_point(traced: Centres, counts: NDArray[np.int64], place: Floats) -> Centres:
    """The centres with the PMJ as one voxel more, in the slice that it lies in."""
    slice_ = int(np.rint(place[2]))
    at = int(np.searchsorted(traced.z, slice_))
    x, y, z = traced.x.copy(), traced.y.copy(), traced.z
    if at < z.size and z[at] == slice_:
        share = 1 / (counts[at] + 1)
        x[at] += share * (place[0] - x[at])
        y[at] += share * (place[1] - y[at])
        return Centres(z, x, y)
    return Centres(np.insert(z, at, slice_), np.insert(x, at, place[0]), np.insert(y, at, place[1]))


def slices_at(
    distance: float, distances: Floats, present: NDArray[np.int64], extent: float = EXTENT
) -> tuple[int, ...]:
    """The slices with cord within `extent` mm of cord centred `distance` mm below the PMJ.

    `distances` (slices,) is that of every slice in mm and `present` the slices that hold cord.
    The mask may hold a part of the window only; see `missing_length`.

    Raises
    ------
    ImageError
        There is no cord in the window.
    """
    held = distances[present]
    low, high = float(held.min()), float(held.max())
    slices: tuple[int, ...] = ()
    if low <= distance + extent / 2 and high >= distance - extent / 2:
        slices = tuple(sorted(set(_window(distance, distances, extent)) & set(present.tolist())))
    if not slices:
        raise ImageError(
            f"{distance:g} mm from the PMJ, over {extent:g} mm, is outside the cord, which reaches "
            f"from {low:.1f} to {high:.1f} mm."
        )
    return slices


def missing_length(
    distance: float, distances: Floats, slices: tuple[int, ...], extent: float = EXTENT
) -> float:
    """How many mm of the window the slices do not cover; 0 where less than a slice is missing.
    `distances`, shape (all slices of the image,), are mm from the PMJ.
    """
    along = distances[np.isfinite(distances)]
    step = float(np.median(np.abs(np.diff(along)))) if along.size > 1 else extent
    lost = len(set(_window(distance, distances, extent)) - set(slices)) * step
    low, high = float(along.min()) - step / 2, float(along.max()) + step / 2
    beyond = max(0.0, low - distance + extent / 2) + max(0.0, distance + extent / 2 - high)
    missing = lost + beyond
    return missing if missing > 0.6 * step else 0.0


def _window(distance: float, distances: Floats, extent: float) -> range:
    """The slices of the window, whether or not the mask fills them, as far as `distances` go."""
    known = np.flatnonzero(np.isfinite(distances))
    along = distances[known]
    lowest = int(known[np.abs(along - distance - extent / 2).argmin()])
    highest = int(known[np.abs(along - distance + extent / 2).argmin()])
    if distance - extent / 2 < along.min():
        highest += 1  # the window reaches beyond the uppermost slice, which is part of it
    return range(lowest, highest)
