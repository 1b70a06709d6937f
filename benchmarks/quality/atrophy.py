"""Images of a cord that is a known share smaller, in another position, with noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.change.rigid import Motion
from sct_deepseg_general.change.straight import CordCourse
from sct_deepseg_general.image.volume import Grid, Volume

__all__ = ["Visit", "motion_of", "visited"]

Floats = NDArray[np.float64]

INNER, OUTER = 1.5, 3.5
"""The cord and `INNER` mm around it shrink alike; beyond `OUTER` mm from its edge nothing does."""
NEAR = 16.0
"""How far (mm) from the cord's centre its edge may be."""
MARGIN = 32.0
"""What is kept around the cord, mm."""


@dataclass(frozen=True)
class Visit:
    """What is done to an image: share of the area lost, rotation and shift of the head, noise."""

    loss: float
    turn_deg: tuple[float, float, float]
    shift_mm: tuple[float, float, float]
    noise: float
    """Standard deviation over the mean intensity of the cord."""
    seed: int


def visited(image: Volume, cord: Volume, course: CordCourse, visit: Visit) -> Volume:
    """The image as another visit would show it, interpolated once (cubic); `cord` is its mask."""
    from scipy import ndimage

    cord_intensity = float(image.data[cord.data > 0].mean())
    outside = _distance(cord)

    grid = _cropped(image.grid, course)
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    world = apply_affine(grid.affine, voxels)
    world = apply_affine(motion_of(visit, course), world)
    world = _widened(world, course, outside, visit.loss)
    at = apply_affine(np.linalg.inv(image.grid.affine), world)
    data = ndimage.map_coordinates(
        np.asarray(image.data, np.float64), np.moveaxis(at, -1, 0), order=3, mode="nearest"
    )
    rng = np.random.default_rng(visit.seed)
    data = data + visit.noise * cord_intensity * rng.standard_normal(data.shape)
    return Volume(data.astype(np.float32), grid)


def motion_of(visit: Visit, course: CordCourse) -> Floats:
    """The 4 x 4 matrix from positions in the visit's image to those in the original, mm."""
    middle = np.eye(4)
    middle[:3, 3] = course.points.mean(axis=0)
    turned = Motion(2 * np.array([*np.radians(visit.turn_deg), *visit.shift_mm])).half(1)
    return np.asarray(middle @ turned @ np.linalg.inv(middle))


def _cropped(grid: Grid, course: CordCourse) -> Grid:
    from sct_deepseg_general.image.volume import Box

    voxels = apply_affine(np.linalg.inv(grid.affine), course.points)
    reach = MARGIN / np.array(grid.spacing)
    start = np.maximum(np.floor(voxels.min(axis=0) - reach), 0).astype(int)
    stop = np.minimum(np.ceil(voxels.max(axis=0) + reach) + 1, grid.shape).astype(int)
    return grid.cropped(Box(tuple(start.tolist()), tuple(stop.tolist())))


def _distance(cord: Volume) -> Volume:
    """Distance (mm) to the cord's edge, negative inside."""
    from scipy import ndimage

    mask = cord.data > 0
    half = min(cord.grid.spacing) / 2
    outside, inside = (
        ndimage.distance_transform_edt(m, sampling=cord.grid.spacing) for m in (~mask, mask)
    )
    return Volume(np.where(mask, half - inside, outside - half), cord.grid)


def _widened(world: Floats, course: CordCourse, outside: Volume, loss: float) -> Floats:
    """Where to look in the image so that what is seen of the cord is smaller by `loss`."""
    from scipy import ndimage
    from scipy.spatial import cKDTree

    flat = world.reshape(-1, 3)
    distance, nearest = cKDTree(course.points).query(flat, distance_upper_bound=NEAR)
    near = np.isfinite(distance)
    centre, up = course.points[nearest[near]], course.axes[nearest[near], 2]
    offset = flat[near] - centre
    along = np.sum(offset * up, axis=1, keepdims=True) * up
    at = apply_affine(np.linalg.inv(outside.grid.affine), flat[near]).T
    edge = ndimage.map_coordinates(outside.data, at, order=1, mode="nearest")
    part = np.clip((OUTER - edge) / (OUTER - INNER), 0, 1)
    factor = 1 + part * part * (3 - 2 * part) * (1 / np.sqrt(1 - loss) - 1)
    result = flat.copy()
    result[near] = centre + along + (offset - along) * factor[:, None]
    return result.reshape(world.shape)
