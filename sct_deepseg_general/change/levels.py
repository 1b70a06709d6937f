"""Vertebral levels along the half-way space, from discs marked in either image."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.levels.slices import HIGHEST_LEVEL, LEAST_HEIGHT, MOST_HEIGHT

__all__ = [
    "Discs",
    "agree",
    "common_shift",
    "disc_points",
    "found_discs",
    "joined",
    "levels_of",
]

Floats = NDArray[np.float64]
LARGEST_MARK = 8.0
"""Extent in mm of the voxels that mark one disc."""
APART = 6.0
"""How far (mm) the same disc of two aligned images may lie apart."""
Discs = Mapping[int, Floats]
"""Positions of discs (mm, RAS) by number; disc n is the upper border of vertebra n."""


def disc_points(labels: Volume) -> Discs:
    """The discs of a label file, as the position in mm (RAS), shape (3,), of the centre of each
    value's voxels.

    Raises
    ------
    ImageError
        The file holds no label, labels that are larger than a disc's mark, or discs out of order.
    """
    data = np.asarray(labels.data)
    values = [int(v) for v in np.unique(data[np.isfinite(data)]) if v > 0]
    if not values:
        raise ImageError("The disc file holds no disc: give one voxel with its number for each.")
    places = {v: apply_affine(labels.grid.affine, np.argwhere(data == v)) for v in values}
    for value, voxels in places.items():
        extent = float(np.ptp(voxels, axis=0).max())
        if extent > LARGEST_MARK:
            raise ImageError(
                f"Label {value} of the disc file spans {extent:.0f} mm: mark each disc with one "
                "voxel. A map of levels or of whole discs is no disc file."
            )
    points = {value: voxels.mean(axis=0) for value, voxels in places.items()}
    _check_order(points)
    return points


def _check_order(points: Discs) -> None:
    """Discs of higher numbers must lie lower, as far apart as vertebrae are high."""
    numbers = sorted(n for n in points if n <= HIGHEST_LEVEL)
    for upper, lower in itertools.pairwise(numbers):
        height = float(np.linalg.norm(points[upper] - points[lower])) / (lower - upper)
        if points[upper][2] <= points[lower][2] or not LEAST_HEIGHT <= height <= MOST_HEIGHT:
            raise ImageError(
                f"The discs {upper} and {lower} cannot both be right: disc {lower} must lie "
                f"{LEAST_HEIGHT:g} to {MOST_HEIGHT:g} mm below for each level. Check their labels."
            )


def found_discs(image: Volume, mask: Segmentation) -> Discs:
    """The discs that the disc network finds beside the cord, as positions in mm (RAS), shape (3,),
    by number; none where the numbers are in doubt.
    """
    from sct_deepseg_general.levels.detect import find_levels
    from sct_deepseg_general.levels.responses import embedded_network

    found = find_levels(image, mask, embedded_network())
    if found.status != "ok":
        return {}
    return {disc.number: np.array(disc.point) for disc in found.discs}


def agree(first: Mapping[int, float], second: Mapping[int, float]) -> bool:
    """Whether every disc of both images lies at the same position (mm) along the cord, within
    `APART`.
    """
    return all(abs(first[n] - second[n]) <= APART for n in first.keys() & second.keys())


def common_shift(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    """How much farther up (mm) the first image's discs lie than the second's, each along its own
    course.

    Raises
    ------
    ImageError
        No disc is in both.
    """
    both = sorted(first.keys() & second.keys())
    if not both:
        raise ImageError(
            f"The two images share no level: the first has the discs {_listed(first)}, the second "
            f"{_listed(second)}."
        )
    return float(np.median([first[n] - second[n] for n in both]))


def joined(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    """The position (mm) of each disc along the half-way space, by number: the mean where both
    images have the disc.
    """
    both = first.keys() & second.keys()
    return {
        n: (first[n] + second[n]) / 2 if n in both else {**first, **second}[n]
        for n in sorted(first.keys() | second.keys())
    }


def levels_of(positions: Floats, discs: Mapping[int, float]) -> NDArray[np.int64]:
    """The level of each position (mm, upwards), 0 where it is not known.

    A position between the discs n and n + 1 belongs to level n; beyond the outermost discs the
    level is known too, but not all of it may be there, so it is left out.

    Raises
    ------
    ImageError
        Discs whose numbers do not descend upwards.
    """
    numbers = sorted(discs, reverse=True)
    heights = np.array([discs[n] for n in numbers])
    if np.any(np.diff(heights) <= 0):
        raise ImageError(f"The discs {_listed(discs)} are not in order along the cord: check them.")
    levels = np.zeros(positions.size, np.int64)
    for low, high in itertools.pairwise(numbers):
        if low == high + 1:
            levels[(positions > discs[low]) & (positions <= discs[high])] = high
    return levels


def _listed(discs: Mapping[int, float]) -> str:
    return ", ".join(str(n) for n in sorted(discs))
