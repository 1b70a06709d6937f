"""Whether the cord grows thicker towards the feet, as where head and feet are exchanged.

From C2 down the cord is thickest at C4 and C5, and thinner below.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.levels.course import Course

__all__ = ["LARGEST_GROWTH", "PEOPLE", "areas_along", "growth", "growth_of", "growth_words"]

Floats = NDArray[np.float64]

LARGEST_GROWTH = 0.4
"""Largest growth that is plausible: that of every published session is smaller, at most 0.398
(`benchmarks/accuracy/level_turned.py`, on the areas per level of doi 10.1162/imag_a_00075).
"""

PEOPLE = 2177
"""How many people the published sessions are of."""


def growth(means: Sequence[float]) -> float:
    """The logarithm of the largest mean area of a lower level over that of the uppermost level.

    `means` are the mean areas (mm²) of whole levels, from the uppermost down; 0 with fewer than
    two.

    >>> round(growth([50.0, 75.0, 70.0]), 2)
    0.41
    """
    return float(np.log(max(means[1:]) / means[0])) if len(means) > 1 else 0.0


def growth_words(grown: float) -> str:
    """What is said of a growth above `LARGEST_GROWTH`; "" of one that people have."""
    if grown <= LARGEST_GROWTH:
        return ""
    return (
        f"the cord grows thicker towards the feet than in any of {PEOPLE} people (to "
        f"{np.exp(grown):.1f} times the area of the uppermost level): the image's header may "
        "exchange head and feet"
    )


def growth_of(areas: Floats, borders: Sequence[float]) -> float:
    """The growth of the cord over the levels that lie wholly in the mask.

    Parameters
    ----------
    areas
        The cord's area in mm² at each row of a course, NaN beyond the mask.
    borders
        The rows of the levels' borders, from the uppermost down.

    Returns
    -------
    float
        See `growth`.
    """
    rows = [round(border) for border in borders]
    spans = [areas[max(0, low) : high] for high, low in pairwise(rows) if 0 <= low < high]
    whole = [span for span in spans if span.size and np.isfinite(span).all()]
    return growth([float(span.mean()) for span in whole])


def areas_along(mask: Volume, course: Course) -> Floats:
    """The cord's area in mm² across its course, at each row; NaN beyond the mask.

    The voxels of each axial slice are counted, and the slice's tilt against the course is allowed
    for: near the area that is reported, and enough to compare levels.
    """
    cord = mask.reoriented(AXES)
    across, along = cord.grid.affine[:3, 0], cord.grid.affine[:3, 1]
    normal = np.cross(across, along)
    face = float(np.linalg.norm(normal))
    counts = np.clip(np.nan_to_num(cord.data), 0, 1).sum(axis=(0, 1), dtype=np.float64)
    held = np.flatnonzero(counts)
    if not held.size:
        return np.full(len(course.points), np.nan)
    heights = apply_affine(np.linalg.inv(cord.grid.affine), course.points)[:, 2]
    areas = np.interp(heights, held, counts[held] * face, left=np.nan, right=np.nan)
    return np.asarray(areas * np.abs(course.up @ (normal / face)))
