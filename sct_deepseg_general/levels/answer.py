"""The levels of an image: from the user's files, checked and completed, or found in the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.levels.course import Course, course_of
from sct_deepseg_general.levels.detect import Anchor, FoundLevels, find_levels
from sct_deepseg_general.levels.discs import as_volume, disagreeing, rows_given
from sct_deepseg_general.levels.growth import growth_words
from sct_deepseg_general.levels.responses import DiscNetwork
from sct_deepseg_general.levels.slices import from_levels, missing_discs

__all__ = ["Given", "LevelAnswer", "LevelRequest", "answered", "needed_discs"]


@dataclass(frozen=True)
class LevelRequest:
    """What is wanted of the levels: a disc that is known, and whether to sum up C2 and C3."""

    anchor: Anchor | None = None
    c2c3: bool = False


@dataclass(frozen=True, eq=False)
class Given:
    """What the user says of the levels: nothing, discs (single voxels), a map of levels, or one
    known disc. `needed` are the discs without which what was asked for cannot be measured.
    """

    discs: Volume | None = None
    level_map: Volume | None = None
    anchor: Anchor | None = None
    needed: tuple[int, ...] = ()

    @property
    def from_file(self) -> bool:
        """Whether there is a file of discs or a map of levels."""
        return self.discs is not None or self.level_map is not None


@dataclass(frozen=True, eq=False)
class LevelAnswer:
    """What to measure with: `discs` as a label map, None where there are none to be used.

    `found` is what the detector says, and `warnings` are sentences for the user; `written` tells
    that the discs, or some of them, come from the image and are worth a file; `from_file` that the
    user gave a file of discs or a map.
    """

    discs: Volume | None
    found: FoundLevels | None
    warnings: tuple[str, ...] = ()
    written: bool = False
    from_file: bool = False

    @property
    def withheld(self) -> tuple[str, ...]:
        """Why there are no levels, where there are none."""
        found = self.found
        used = self.discs is not None or self.from_file
        return found.reasons if found is not None and not used else ()

    @property
    def not_compared(self) -> tuple[str, ...]:
        """Why a file given could not be compared with the image, which gives no sure levels."""
        return self.found.reasons if self.from_file and self.found is not None else ()


def needed_discs(levels: Sequence[int], *, c2c3: bool) -> tuple[int, ...]:
    """The discs that bound the levels asked for by number, and C2 and C3 where they are summed up.

    >>> needed_discs((5,), c2c3=True)
    (2, 3, 4, 5, 6)
    """
    asked = {*levels, *((2, 3) if c2c3 else ())}
    return tuple(sorted(asked | {level + 1 for level in asked}))


def answered(image: Volume, mask: Volume, network: DiscNetwork, given: Given) -> LevelAnswer:
    """The discs of an image with its cord's mask.

    Without a file they are found, or withheld (`FoundLevels.reasons`). A user's discs stay as they
    are; those missing between them, and those that are needed, are found. Where what the user
    gives and the detector's own answer differ by half a level or more, that is a warning: the
    user's word is used. So it is where a known disc is given and the cord grows towards the feet.

    Raises:
        ImageError: the known disc is not in the cord.
    """
    try:
        course = course_of(mask)
    except ImageError as error:
        found = FoundLevels((), "withheld", (str(error),))
        return LevelAnswer(given.discs, found, from_file=given.from_file)
    if not given.from_file:
        found = find_levels(image, mask, network, given.anchor)
        usable = found.status == "ok"
        discs = as_volume(found.discs, image.grid) if usable else None
        told = _doubted(given.anchor, found, image, mask, network) if usable else ()
        return LevelAnswer(discs, found, told, written=usable)
    own = find_levels(image, mask, network)
    warnings = _disagreement(own, _rows(given, course, mask))
    missing = () if given.discs is None else _lacking(given.discs, given.needed)
    if given.discs is None or not missing:
        return LevelAnswer(given.discs, own, warnings, from_file=True)
    return _completed(image, mask, network, given.discs, missing, warnings)


def _lacking(discs: Volume, needed: Sequence[int]) -> tuple[int, ...]:
    """The discs that are not labelled and lie between those that are, or are needed."""
    labelled = {int(value) for value in np.unique(np.round(discs.data[discs.data > 0]))}
    if not labelled:
        return ()
    return tuple(sorted({*missing_discs(discs), *needed} - labelled - {0}))


def _doubted(
    anchor: Anchor | None, found: FoundLevels, image: Volume, mask: Volume, network: DiscNetwork
) -> tuple[str, ...]:
    """What speaks against a known disc: the image's own numbers, and a cord that grows."""
    told = _against(anchor, found, image, mask, network)
    grown = growth_words(found.evidence["growth"])
    if not grown:
        return told
    return (*told, f"{grown[0].upper()}{grown[1:]}. The disc given is used; check the header.")


def _against(
    anchor: Anchor | None, found: FoundLevels, image: Volume, mask: Volume, network: DiscNetwork
) -> tuple[str, ...]:
    """A sentence where the image alone gives the known disc another number, and is sure of it."""
    if anchor is None:
        return ()
    own = find_levels(image, mask, network)
    rows = {disc.number: disc.row for disc in found.discs if disc.number == anchor.number}
    if own.status != "ok" or not np.isfinite(own.spacing) or not rows:
        return ()
    seen = [disc for disc in own.discs if disc.origin != "estimated"]
    nearest = min(seen, key=lambda disc: abs(disc.row - rows[anchor.number]))
    if nearest.number == anchor.number:
        return ()
    told = (
        f"-disc-at {anchor.slice},{anchor.number} disagrees with the image, in which the disc at "
        f"slice {anchor.slice} is {nearest.number}. The number given is used; look at the discs, "
        "or leave the flag out."
    )
    return (told,)


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
    image: Volume,
    mask: Volume,
    network: DiscNetwork,
    discs: Volume,
    missing: tuple[int, ...],
    warnings: tuple[str, ...],
) -> LevelAnswer:
    """The user's discs, with those missing that are in view and that the detector is sure of."""
    found = find_levels(image, mask, network, given=discs)
    between = missing_discs(discs)
    added = [disc for disc in found.discs if disc.number in missing]
    added = [disc for disc in added if as_volume([disc], discs.grid).data.any()]
    if found.status != "ok" or not added or not {*between} <= {disc.number for disc in added}:
        return LevelAnswer(discs, found, warnings, from_file=True)
    data = discs.data.copy()
    labels = as_volume(added, discs.grid).data
    data[labels > 0] = labels[labels > 0]
    names = ", ".join(f"{disc.number} ({disc.origin})" for disc in added)
    verb = ("disc", "is", "it was") if len(added) == 1 else ("discs", "are", "they were")
    told = f"The {verb[0]} {names} {verb[1]} not in the file: {verb[2]} taken from the image."
    return LevelAnswer(
        Volume(data, discs.grid), found, (*warnings, told), written=True, from_file=True
    )
