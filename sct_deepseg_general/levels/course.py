"""The course of the cord in space: a smooth curve with a direction to the front at each mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import upright
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.morphometry.centreline import CentrelineFit, centres, fitted

__all__ = ["BEYOND", "STEP", "Course", "Curve", "course_along", "course_of", "curve_of"]

Floats = NDArray[np.float64]

STEP = 1.0
"""mm along the curve from one row to the next."""

BEYOND = 30.0
"""mm by which the curve goes on, straight, above and below the mask."""

FIT = CentrelineFit(smooth=20.0)
"""SCT's smoothing for the centreline that discs are projected onto."""

_END = 15.0  # mm of cord at each end that say in which direction the curve goes on
_SMOOTH = 3.0  # mm, standard deviation of the smoothing of the directions


@dataclass(frozen=True, eq=False)
class Curve:
    """A mask's smoothed centreline: `points` (slices, 3) in mm (RAS), from the lowest slice up, and
    the `thickness` of a slice in mm.
    """

    points: Floats
    thickness: float


@dataclass(frozen=True, eq=False)
class Course:
    """The curve from the lowest row up, `STEP` mm from row to row.

    Each array has a row of three numbers (mm, RAS) for each row of the curve: `points`, the unit
    vectors `up` along the curve, and `front`, perpendicular to it and as far to the front of the
    body as that allows. `inside` tells which rows lie within the mask.
    """

    points: Floats
    up: Floats
    front: Floats
    inside: NDArray[np.bool_]

    @property
    def left(self) -> Floats:
        """Unit vectors (RAS) to the left of the body, shape (rows, 3)."""
        return np.cross(self.up, self.front)

    def rows_of(self, points: Floats) -> Floats:
        """The row (with fraction) of the curve beside each of the points (n, 3) in mm."""
        apart = np.linalg.norm(self.points[None] - points[:, None], axis=2)
        nearest = apart.argmin(axis=1)
        beyond = ((points - self.points[nearest]) * self.up[nearest]).sum(axis=1)
        return np.asarray(nearest + beyond / STEP)

    def at(self, rows: Floats, front: Floats | float = 0.0) -> Floats:
        """The points (n, 3) in mm at rows (with fraction), `front` mm before the curve."""
        known = np.arange(len(self.points))
        curve, ahead = (
            np.stack([np.interp(rows, known, column) for column in vectors.T], axis=1)
            for vectors in (self.points, self.front)
        )
        return np.asarray(curve + np.reshape(front, (-1, 1)) * ahead)


def course_of(mask: Volume) -> Course:
    """The course of the cord of a mask, in any orientation.

    Raises:
        ImageError: the mask is empty, or holds a single slice.
    """
    return course_along(curve_of(mask))


def curve_of(mask: Volume) -> Curve:
    """The smoothed centreline of a mask, in any orientation.

    Raises:
        ImageError: the mask is empty, or holds a single slice.
    """
    cord = upright(mask)
    if cord is None:
        raise ImageError("The mask is empty: there is no cord to follow.")
    curve = fitted(centres(cord.mask), cord.spacing[2], FIT).moved(cord.start)
    if curve.z.size < 2:
        raise ImageError("The mask holds a single slice: a cord has no direction in it.")
    voxels = np.stack([curve.x, curve.y, curve.z.astype(np.float64)], axis=1)
    return Curve(apply_affine(cord.grid.affine, voxels), cord.spacing[2])


def course_along(centreline: Curve) -> Course:
    """The course along a centreline, in even steps and longer by `BEYOND` at both ends."""
    points = centreline.points
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    length = float(along[-1])
    at = np.arange(-BEYOND, length + BEYOND + STEP, STEP)
    curve = np.stack([np.interp(at, along, column) for column in points.T], axis=1)
    window = max(_END, 2.5 * centreline.thickness)
    curve += np.minimum(at, 0)[:, None] * _direction(along, points, 0.0, window)
    curve += np.maximum(at - length, 0)[:, None] * _direction(along, points, length, window)
    up = _directions(curve)
    return Course(curve, up, _ahead(up), (at >= 0) & (at <= length))


def _direction(along: Floats, points: Floats, end: float, window: float) -> Floats:
    """The unit vector of the straight line through the points near one end."""
    near = np.abs(along - end) <= window
    slopes = np.array([np.polyfit(along[near], column[near], 1)[0] for column in points.T])
    return np.asarray(slopes / np.linalg.norm(slopes))


def _directions(curve: Floats) -> Floats:
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(curve, _SMOOTH / STEP, axis=0, mode="nearest")
    slopes = np.gradient(smooth, axis=0)
    return np.asarray(slopes / np.linalg.norm(slopes, axis=1, keepdims=True))


def _ahead(up: Floats) -> Floats:
    """The body's front without its part along the curve, as unit vectors."""
    front = np.array([0.0, 1.0, 0.0]) - up[:, 1:2] * up
    return np.asarray(front / np.linalg.norm(front, axis=1, keepdims=True))
