"""The levels of an image: from the user's files, checked and completed, or found in the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.levels.course import Course, course_of
from sct_deepseg_general.levels.detect import Anchor, FoundLevels, find_levels
from sct_deepseg_general.levels.discs import as_volume, disagreeing, rows_given
from sct_deepseg_general.levels.responses import DiscNetwork
from sct_deepseg_general.levels.slices import from_levels, missing_discs

__all__ = ["Given", "LevelAnswer", "LevelRequest", "answered"]


@dataclass(frozen=True)
class LevelRequest:
    """What is wanted of the levels: a disc that is known, and whether to sum up C2 and C3."""

    anchor: Anchor | None = None
    c2c3: bool = False


@dataclass(frozen=True, eq=False)
class Given:
    """What the user says of the levels: nothing, discs (single voxels), a map of levels, or one
    known disc.
    """

    discs: Volume | None = None
    level_map: Volume | None = None
    anchor: Anchor | None = None


@dataclass(frozen=True, eq=False)
class LevelAnswer:
    """What to measure with: `discs` as a label map, None where there are none to be used.

    `found` is what the detector says, and `warnings` are sentences for the user; `written` tells
    that the discs, or some of them, come from the image and are worth a file.
    """

    discs: Volume | None
    found: FoundLevels | None
    warnings: tuple[str, ...] = ()
    written: bool = False

    @property
    def withheld(self) -> tuple[str, ...]:
        """Why there are no levels, where there are none."""
        found = self.found
        return found.reasons if self.discs is None and found is not None else ()


def answered(image: Volume, mask: Volume, network: DiscNetwork, given: Given) -> LevelAnswer:
    """The discs of an image with its cord's mask.

    Without a file they are found, or withheld (`FoundLevels.reasons`). A user's discs stay as they
    are; those missing between them are found. Where a user's file and the detector's own answer
    differ by half a level or more, that is a warning: the file is used.

    Raises:
        ImageError: the known disc is not in the cord.
    """
    try:
        course = course_of(mask)
    except ImageError as error:
        return LevelAnswer(given.discs, FoundLevels((), "withheld", (str(error),)))
    if given.discs is None and given.level_map is None:
        found = find_levels(image, mask, network, given.anchor)
        usable = found.status == "ok"
        discs = as_volume(found.discs, image.grid) if usable else None
        return LevelAnswer(discs, found, written=usable)
    own = find_levels(image, mask, network)
    warnings = _disagreement(own, _rows(given, course, mask))
    if given.discs is None or not missing_discs(given.discs):
        return LevelAnswer(given.discs, own, warnings)
    return _completed(image, mask, network, given.discs, warnings)


def _rows(given: Given, course: Course, mask: Volume) -> dict[int, float]:
    """The rows of the given discs; of a map of levels, those of the levels' upper borders."""
    if given.discs is not None:
        return rows_given(given.discs, course)
    assert given.level_map is not None  # noqa: S101 - for the type checker
    levels = from_levels(given.level_map)
    grid = given.level_map.grid.reoriented(AXES)
    heights = apply_affine(np.linalg.inv(grid.affine), course.points)[:, 2]
    tops = [int(z) for z in np.flatnonzero(np.diff(levels) == -1) if levels[z + 1] > 0]
    at = np.arange(heights.size)
    return {int(levels[z]): float(np.interp(z + 0.5, heights, at)) for z in tops}


def _disagreement(own: FoundLevels, rows: dict[int, float]) -> tuple[str, ...]:
    if own.status != "ok" or not np.isfinite(own.spacing):
        return ()
    apart = disagreeing(rows, own.discs, own.spacing)
    if not apart:
        return ()
    words = ", ".join(f"disc {number} by {abs(off):.1f}" for number, off in apart)
    told = f"The numbers disagree with the file given, in levels: {words}. The file is used"
    return (f"{told}; look at it, or leave it out to use the discs found in the image.",)


def _completed(
    image: Volume, mask: Volume, network: DiscNetwork, discs: Volume, warnings: tuple[str, ...]
) -> LevelAnswer:
    """The user's discs, with those between them that the detector is sure of."""
    found = find_levels(image, mask, network, given=discs)
    missing = missing_discs(discs)
    between = [disc for disc in found.discs if disc.number in missing]
    if found.status != "ok" or len(between) < len(missing):
        return LevelAnswer(discs, found, warnings)
    data = discs.data.copy()
    added = as_volume(between, discs.grid)
    data[added.data > 0] = added.data[added.data > 0]
    names = ", ".join(f"{disc.number} ({disc.origin})" for disc in between)
    told = f"The discs {names} are not in the file: they were taken from the image."
    return LevelAnswer(Volume(data, discs.grid), found, (*warnings, told), written=True)
