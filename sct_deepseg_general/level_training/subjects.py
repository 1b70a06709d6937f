"""An image with known discs, straightened along its cord, ready to draw training strips from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.level_training.table import KnownDiscs
from sct_deepseg_general.levels.course import Course
from sct_deepseg_general.levels.strip import sampled

__all__ = ["BACK", "TrainingSubject", "levels_at", "subject_of"]

Floats = NDArray[np.float64]

BACK, FRONT = -24, 60
"""Columns kept, in mm before the centreline: more than a strip's, so that it can be bent."""

SIDE = 14
"""mm kept to the left and right."""

_ABOVE, _BELOW = 0.95, 1.2  # mm a level beyond the outer discs, against the person's median
_KNOWN_BELOW = 9.0  # mm below the lowest disc down to which there is no other
_TOP = -1.5  # the level up to which the scale is extrapolated: about the foramen magnum


@dataclass(frozen=True, eq=False)
class TrainingSubject:
    """Sums over the sides, so that a mean over any of them is a difference.

    `total` and `count` have the axes (rows, columns, sides + 1); `rows` and `numbers` are the
    discs', ascending by number, and `front` the mm that their tips lie before the centreline.
    `real` tells T2-weighted images of 1 mm, whose discs are exact and whose contrast may be
    painted over, from others.
    """

    total: Floats
    count: Floats
    numbers: NDArray[np.int64]
    rows: Floats
    front: Floats
    exact: bool

    def strip(self, offset: int = 0, half: int = 3) -> Floats:
        """The mean (rows, columns) over `half` mm to each side of `offset`; NaN out of view."""
        first, last = SIDE + offset - half, SIDE + offset + half + 1
        count = self.count[..., last] - self.count[..., first]
        total = self.total[..., last] - self.total[..., first]
        return np.where(count >= min(3, half), total / np.maximum(count, 1), np.nan)


def subject_of(image: Volume, course: Course, discs: KnownDiscs, *, exact: bool) -> TrainingSubject:
    """The image straightened along the cord's course, with its discs."""
    block = sampled(image, course, np.arange(BACK, FRONT + 1), np.arange(-SIDE, SIDE + 1))
    rows = course.rows_of(discs.points)
    nearest = np.clip(np.rint(rows).astype(int), 0, len(course.points) - 1)
    ahead = ((discs.points - course.points[nearest]) * course.front[nearest]).sum(axis=1)
    inside = np.isfinite(block)
    return TrainingSubject(
        total=_sums(np.where(inside, block, 0)),
        count=_sums(inside),
        numbers=discs.numbers,
        rows=rows,
        front=ahead,
        exact=exact,
    )


def _sums(values: NDArray[np.generic]) -> Floats:
    """Cumulative sums over the last axis, from 0."""
    sums = np.cumsum(values, axis=-1, dtype=np.float64)
    return np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], axis=-1)


def levels_at(rows: Floats, subject: TrainingSubject) -> tuple[Floats, NDArray[np.bool_]]:
    """The level at each row, with fraction, and where it is known.

    Between discs it is linear; above the uppermost disc it goes on at the person's own scale,
    up to the foramen magnum.
    """
    order = np.argsort(subject.rows)
    known, numbers = subject.rows[order], subject.numbers[order].astype(np.float64)
    levels = np.interp(rows, known, numbers)
    scale = float(np.median(-np.diff(known) / np.diff(numbers)))
    above, below = rows > known[-1], rows < known[0]
    levels[above] = numbers[-1] - (rows[above] - known[-1]) / (scale * _ABOVE)
    levels[below] = numbers[0] + (known[0] - rows[below]) / (scale * _BELOW)
    return levels, (rows > known[0] - _KNOWN_BELOW) & (levels > _TOP)
