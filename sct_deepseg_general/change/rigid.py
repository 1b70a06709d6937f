"""The rigid motion between two straightened images, found without preferring either.

The motion is an element of se(3), a rotation vector (radians) and a translation (mm). Each image
is sampled half-way: the first moved by half the motion, the second by half of its inverse, so
that exchanging the images changes the sign of the motion and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.change.straight import Sampler

__all__ = ["ImagePair", "Motion", "found_motion", "likeness", "moved"]

Floats = NDArray[np.float64]

RADIUS = 16.0
"""Distance from the cord (mm) up to which the images are compared: cord, canal, vertebrae."""
PITCH = 1.5
"""Distance (mm) of the points compared, across the cord."""
_STARTS = 3.0
"""Distance (mm) of the starting positions along the cord."""
_FARTHEST = 60.0
_ROUNDS = 30
_SCALE = np.array([0.02, 0.02, 0.02, 0.4, 0.4, 0.4])
"""Steps of numerical derivatives: radians, then mm."""


@dataclass(frozen=True, eq=False)
class Motion:
    """A rigid motion, as rotation vector (radians) and translation (mm), shape (6,)."""

    vector: Floats

    def half(self, sign: int) -> Floats:
        """Half the motion (sign 1) or half of its inverse (-1), as a 4 x 4 matrix."""
        return _exponential(sign * self.vector / 2)

    def from_half(self, sign: int) -> Floats:
        """The inverse of `half`, as a 4 x 4 matrix."""
        return _exponential(-sign * self.vector / 2)


@dataclass(frozen=True, eq=False)
class ImagePair:
    """Two images to be compared: the first, the second."""

    first: Sampler
    second: Sampler


def moved(uvw: Floats, matrix: Floats) -> Floats:
    """Coordinates, shape (..., 3), moved by a 4 x 4 matrix."""
    return np.asarray(uvw @ matrix[:3, :3].T + matrix[:3, 3])


def found_motion(pair: ImagePair, shifts: Sequence[float] | None = None) -> Motion:
    """The motion under which the two images are most alike.

    Parameters
    ----------
    pair
        Two images, straightened along their own cord.
    shifts
        Translations along the cord (mm) to start from; None for every `_STARTS` mm up to where
        the courses share half of the shorter.

    Notes
    -----
    Each start is judged by the correlation of the images; the best goes on by Gauss-Newton steps
    on the difference of the standardised images.
    """
    points = _points(pair)
    start = max(
        (Motion(np.array([0, 0, 0, 0, 0, s])) for s in shifts or _shifts(pair)),
        key=lambda motion: likeness(pair, motion, points[::3]),
    )
    return _refined(pair, start, points)


def likeness(pair: ImagePair, motion: Motion, points: Floats | None = None) -> float:
    """Correlation, -1 to 1, of the two images half-way, where both hold the cord's course.
    `points`, shape (n, 3), are where they are compared, in mm along the straightened cord.
    """
    points = _points(pair) if points is None else points
    a, b, weight = _values(pair, motion, points)
    return float(np.sum(weight * a * b)) if weight.any() else -1.0


def _points(pair: ImagePair) -> Floats:
    """Points around the cord, shape (n, 3), along the mean length of the courses."""
    reach = (pair.first.course.length + pair.second.course.length) / 4
    across = np.arange(-RADIUS, RADIUS + PITCH, PITCH)
    along = np.linspace(-reach, reach, max(4, int(np.ceil(2 * reach / (2 * PITCH)))))
    grid = np.stack(np.meshgrid(across, across, along, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(grid[np.hypot(grid[:, 0], grid[:, 1]) <= RADIUS])


def _shifts(pair: ImagePair) -> list[float]:
    shorter = min(pair.first.course.length, pair.second.course.length)
    longer = max(pair.first.course.length, pair.second.course.length)
    most = min(_FARTHEST, (longer - shorter) / 2 + shorter / 2)
    steps = int(most // _STARTS)
    return [_STARTS * k for k in range(-steps, steps + 1)]


def _values(pair: ImagePair, motion: Motion, points: Floats) -> tuple[Floats, Floats, Floats]:
    """Standardised values of both images, and weights that sum to 1 (all 0 without overlap)."""
    sampled, known = [], np.ones(len(points), bool)
    for image, sign in ((pair.first, 1), (pair.second, -1)):
        at = moved(points, motion.half(sign))
        known &= image.inside(at) & (np.abs(at[:, 2]) <= image.course.length / 2)
        sampled.append(image.values(at, order=1))
    if known.mean() < 0.2:
        return sampled[0], sampled[1], np.zeros(len(points))
    weight = known / known.sum()
    a, b = (_standardised(values, weight) for values in sampled)
    return a, b, weight


def _standardised(values: Floats, weight: Floats) -> Floats:
    centred = values - np.sum(weight * values)
    return np.asarray(centred / max(np.sqrt(np.sum(weight * centred**2)), 1e-12))


def _refined(pair: ImagePair, start: Motion, points: Floats) -> Motion:
    motion, best = start, likeness(pair, start, points)
    damping = 1e-3
    for _ in range(_ROUNDS):
        step = _step(pair, motion, points, damping)
        trial = Motion(motion.vector + step)
        alike = likeness(pair, trial, points)
        if alike <= best:
            damping *= 10
            if damping > 1e3:
                break
            continue
        gain, motion, best, damping = alike - best, trial, alike, damping / 10
        if gain < 1e-7:
            break
    return motion


def _step(pair: ImagePair, motion: Motion, points: Floats, damping: float) -> Floats:
    """A damped Gauss-Newton step, in units of radians and mm."""
    a, b, weight = _values(pair, motion, points)
    columns = []
    for axis, size in enumerate(_SCALE):
        step = np.zeros(6)
        step[axis] = size
        ends = [_values(pair, Motion(motion.vector + s * step), points) for s in (1, -1)]
        (a1, b1, _), (a0, b0, _) = ends
        columns.append(((a1 - b1) - (a0 - b0)) / 2)
    slopes = np.column_stack(columns)
    normal = slopes.T @ (weight[:, None] * slopes)
    normal += damping * np.diag(np.diag(normal) + 1e-12)
    return np.asarray(-_SCALE * np.linalg.solve(normal, slopes.T @ (weight * (a - b))))


def _exponential(vector: Floats) -> Floats:
    """The rigid motion of an element of se(3), as a 4 x 4 matrix (Rodrigues' formula)."""
    turn, shift = vector[:3], vector[3:]
    angle = float(np.linalg.norm(turn))
    x, y, z = turn
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    square = skew @ skew
    if angle < 1e-6:
        a, b, c = 1.0, 0.5, 1 / 6
    else:
        a = np.sin(angle) / angle
        b = (1 - np.cos(angle)) / angle**2
        c = (angle - np.sin(angle)) / angle**3
    matrix = np.eye(4)
    matrix[:3, :3] += a * skew + b * square
    matrix[:3, 3] = (np.eye(3) + b * skew + c * square) @ shift
    return matrix
