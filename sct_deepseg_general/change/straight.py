"""The cord's course in an image, and sampling the image along it.

Straightened coordinates are (u, v, w) in mm: u to the right, v to the front, both perpendicular
to the cord, and w upwards along it, 0 in the middle of the cord's course.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES, upright
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.morphometry.centreline import CentrelineFit, centres, fitted

__all__ = ["CordCourse", "Sampler", "course_of", "sampler_of"]

Floats = NDArray[np.float64]

STEP = 0.5
"""Distance (mm) of the points that describe a course."""
SMOOTH = 60.0
"""Smoothing of the centreline (mm), twice that of measuring areas: neighbouring planes must not
fan out 20 mm from the cord."""


@dataclass(frozen=True, eq=False)
class CordCourse:
    """Points of the cord's centre, `STEP` mm apart from the lowest up, and the axes there.

    `points` has the shape (n, 3), mm in RAS; `axes` (n, 3, 3), rows are the directions of u, v, w.
    """

    points: Floats
    axes: Floats

    @property
    def length(self) -> float:
        """Length of the course in mm."""
        return STEP * (len(self.points) - 1)

    def world(self, uvw: Floats) -> Floats:
        """Positions in mm (RAS) of straightened coordinates, shape (..., 3); linear beyond the
        ends of the course.
        """
        at = uvw[..., 2] / STEP + (len(self.points) - 1) / 2
        low = np.clip(np.floor(at).astype(np.intp), 0, len(self.points) - 2)
        share = (at - low)[..., None]
        centre = self.points[low] * (1 - share) + self.points[low + 1] * share
        part = np.clip(share, 0, 1)
        result = centre
        for axis in (0, 1):
            direction = self.axes[low, axis] * (1 - part) + self.axes[low + 1, axis] * part
            result = result + uvw[..., axis, None] * direction
        return np.asarray(result)

    def along(self, point: Floats) -> float:
        """The coordinate w of the point of the course nearest to a position in mm (RAS)."""
        nearest = int(np.argmin(np.sum((self.points - point) ** 2, axis=1)))
        return STEP * (nearest - (len(self.points) - 1) / 2)


@dataclass(frozen=True, eq=False)
class Sampler:
    """An image to be sampled in straightened coordinates, prepared for cubic interpolation."""

    course: CordCourse
    coefficients: Floats
    inverse: Floats
    spacing: tuple[float, float, float]
    """Voxel size in mm to the left, to the front and upwards."""

    def values(self, uvw: Floats, order: int = 3) -> Floats:
        """Values at straightened coordinates, shape (..., 3); the border's beyond the image."""
        from scipy import ndimage  # 0.2 s, not for -h

        at = apply_affine(self.inverse, self.course.world(uvw))
        return np.asarray(
            ndimage.map_coordinates(
                self.coefficients, np.moveaxis(at, -1, 0), order=order, mode="nearest",
                prefilter=False,
            )
        )  # fmt: skip

    def inside(self, uvw: Floats) -> NDArray[np.bool_]:
        """Whether coordinates, shape (..., 3), lie in the image (half a voxel beyond counts)."""
        at = apply_affine(self.inverse, self.course.world(uvw))
        return np.asarray(
            ((at >= -0.5) & (at <= np.array(self.coefficients.shape) - 0.5)).all(axis=-1)
        )


def course_of(segmentation: Volume) -> CordCourse:
    """The course of a segmented cord.

    Parameters
    ----------
    segmentation
        The cord's mask, in any orientation.

    Raises
    ------
    ImageError
        The mask is empty or covers a single slice.
    """
    cord = upright(segmentation)
    if cord is None or cord.data.shape[2] < 2:
        raise ImageError("The cord was found in fewer than two slices: change needs more of it.")
    curve = fitted(centres(cord.mask), cord.spacing[2], CentrelineFit(smooth=SMOOTH))
    voxels = np.column_stack([curve.x, curve.y, curve.z]) + np.array(cord.start)
    return _even(apply_affine(cord.grid.affine, voxels))


def sampler_of(image: Volume, course: CordCourse) -> Sampler:
    """The image prepared for sampling along a course in it."""
    from scipy import ndimage

    spacing = image.grid.reoriented(AXES).spacing
    coefficients = ndimage.spline_filter(np.asarray(image.data, np.float64), mode="nearest")
    return Sampler(
        course, coefficients, np.asarray(np.linalg.inv(image.grid.affine), np.float64), spacing
    )


def _even(points: Floats) -> CordCourse:
    """A course through points (n, 3), at even steps of arc length."""
    from scipy.interpolate import CubicSpline

    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    spline = CubicSpline(along, points) if len(points) > 2 else None
    count = int(np.floor(along[-1] / STEP)) + 1
    start = (along[-1] - STEP * (count - 1)) / 2
    at = start + STEP * np.arange(count)
    if spline is None:
        share = (at / along[-1])[:, None]
        even = points[0] * (1 - share) + points[1] * share
        tangents = np.broadcast_to(points[1] - points[0], even.shape)
    else:
        even, tangents = spline(at), spline(at, 1)
    return CordCourse(even, _axes(tangents))


def _axes(tangents: Floats) -> Floats:
    """Unit vectors to the right, to the front and along, shape (n, 3, 3)."""
    up = tangents / np.linalg.norm(tangents, axis=1, keepdims=True)
    right = np.array([1.0, 0.0, 0.0]) - up[:, :1] * up
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(up, right), up], axis=1)
