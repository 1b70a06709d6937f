"""Two images of one person on one grid half-way between them, along the straightened cord."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.change.rigid import ImagePair, Motion, moved
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Volume

__all__ = ["Halfway", "halfway"]

Floats = NDArray[np.float64]

HALF_WIDTH = 26.0
"""Distance from the cord (mm) up to which the images are sampled."""
PITCH = 0.5
"""Voxel size (mm) across the cord: finer than most images, so that an edge keeps its slope."""
NEARLY_ALL = 0.95
"""Share of the slices in which both images must show a position."""
SHORTEST = 15.0
"""Length of cord (mm) that both images must show."""


@dataclass(frozen=True, eq=False)
class Halfway:
    """Both images on the same grid (RAS, mm, straightened), and how they came there."""

    first: Volume
    second: Volume
    pair: ImagePair
    motion: Motion

    def along(self, image: int, point: Floats) -> float:
        """Where a position (mm, RAS) beside the cord of image 0 or 1 lies along the grid, mm."""
        sampler, sign = ((self.pair.first, 1), (self.pair.second, -1))[image]
        own = np.array([0.0, 0.0, sampler.course.along(point)])
        return float(moved(own, self.motion.from_half(sign))[2])


def halfway(pair: ImagePair, motion: Motion) -> Halfway:
    """The two images half-way, where both show the cord.

    Raises
    ------
    ImageError
        They share less than `SHORTEST` mm of the cord.
    """
    grid = _grid(pair, motion)
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    uvw = voxels * np.array(grid.spacing) + grid.affine[:3, 3]
    first, second = (
        Volume(image.values(moved(uvw, motion.half(sign))).astype(np.float32), grid)
        for image, sign in ((pair.first, 1), (pair.second, -1))
    )
    return Halfway(first, second, pair, motion)


def _grid(pair: ImagePair, motion: Motion) -> Grid:
    low, high = _shared(pair, motion)
    if high - low < SHORTEST:
        raise ImageError(
            f"The two images share {max(high - low, 0):.0f} mm of the cord, and {SHORTEST:.0f} mm "
            "are needed: give images of the same part of the spine."
        )
    step = float(max(1.0, min(image.spacing[2] for image in (pair.first, pair.second))))
    count = int((high - low) // step)
    start = low + (high - low - step * (count - 1)) / 2
    along = np.asarray(start + step * np.arange(count), np.float64)
    across = [_seen(pair, motion, axis, along) for axis in (0, 1)]
    affine = np.diag([PITCH, PITCH, step, 1.0])
    affine[:3, 3] = (across[0][0], across[1][0], start)
    return Grid((across[0].size, across[1].size, count), affine)


def _seen(pair: ImagePair, motion: Motion, axis: int, along: NDArray[np.floating]) -> Floats:
    """Coordinates across the cord, `PITCH` apart, that both images show in nearly all slices.

    What lies beyond an image would be its last voxels drawn out, which a network takes for tissue.
    """
    half = int(np.ceil(HALF_WIDTH / PITCH))
    across = PITCH * np.arange(-half, half + 1)
    uvw = np.zeros((across.size, along.size, 3))
    uvw[..., axis], uvw[..., 2] = across[:, None], along
    known = np.ones(uvw.shape[:2], bool)
    for image, sign in ((pair.first, 1), (pair.second, -1)):
        known &= image.inside(moved(uvw, motion.half(sign)))
    hidden = known.mean(axis=1) < NEARLY_ALL
    low = int(np.flatnonzero(hidden[:half]).max(initial=-1)) + 1
    high = int(np.flatnonzero(hidden[half + 1 :]).min(initial=half)) + half + 1
    return np.asarray(across[low:high])


def _shared(pair: ImagePair, motion: Motion) -> tuple[float, float]:
    """The range of w half-way in which both courses lie."""
    ends = []
    for image, sign in ((pair.first, 1), (pair.second, -1)):
        reach = image.course.length / 2
        own = np.array([[0.0, 0.0, -reach], [0.0, 0.0, reach]])
        ends.append(moved(own, motion.from_half(sign))[:, 2])
    return float(max(e[0] for e in ends)), float(min(e[1] for e in ends))
