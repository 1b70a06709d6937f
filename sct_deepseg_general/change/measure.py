"""The change of the cord's area between two images of one person."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.change.boundary_shift import boundary_shift
from sct_deepseg_general.change.halfway import Halfway, halfway
from sct_deepseg_general.change.levels import (
    Discs,
    agree,
    common_shift,
    found_discs,
    joined,
    levels_of,
)
from sct_deepseg_general.change.rigid import ImagePair, found_motion, likeness
from sct_deepseg_general.change.steady import PLACEMENTS, steady_probability
from sct_deepseg_general.change.straight import CordCourse, course_of, sampler_of
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Probability, Segmentation, Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.levels.slices import level_name
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.quality.assess import assess_result

__all__ = ["ALL", "LEAST_LIKENESS", "Change", "Comparison", "Scan", "Slices", "compared"]

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]
Progress = Callable[[int, int], None]

LEAST_LIKENESS = 0.8
"""Correlation of the aligned images below which they are not taken for one person's."""
ENDS = 8.0
"""Length (mm) left out at each end of the shared cord, where the mask tapers."""
ALL = "shared"
"""The name of the row over all slices that both images share."""
EDGE = 3.0
"""How far (mm) beyond the mask the probability counts towards the area."""
_STEPS = 2 + 1 + 2 * 2 * len(PLACEMENTS) + 1
"""The cord in each image, the alignment, the runs of `steady_probability`, and the levels."""


@dataclass(frozen=True, eq=False)
class Scan:
    """One image, and the discs known in it; where neither image has any, they are found."""

    image: Volume
    discs: Discs
    name: str = "one of the images"
    """For messages."""


@dataclass(frozen=True, eq=False)
class Slices:
    """What was measured in each slice of the half-way space, from the lowest up.

    `position` in mm along the cord, `first`, `second` and `boundary` (the change by the boundary
    shift integral) in mm², NaN where there is none; `level` 0 where none is known.
    """

    position: Floats
    level: Levels
    first: Floats
    second: Floats
    boundary: Floats

    def reversed(self) -> Slices:
        """The same slices (arrays with one value for each slice) with first and second image
        exchanged.
        """
        return replace(self, first=self.second, second=self.first, boundary=-self.boundary)


@dataclass(frozen=True)
class Change:
    """The change from the first to the second image over a part of the cord."""

    name: str
    """Level ("C4"), "C2-C3", or `ALL`."""
    length: float
    """Length of cord measured, mm."""
    first: float
    """Mean area in mm²."""
    second: float
    boundary: float | None
    """Change in mm² by the boundary shift integral; None where the edge has too little contrast."""

    @property
    def difference(self) -> float:
        """Change of the mean area in mm²."""
        return self.second - self.first

    @property
    def percent(self) -> float:
        """Change in per cent of the mean of both areas: exchanging them changes the sign alone."""
        return 200 * self.difference / (self.first + self.second)

    @property
    def boundary_percent(self) -> float | None:
        """The boundary shift integral in per cent of the mean of both areas."""
        return None if self.boundary is None else 200 * self.boundary / (self.first + self.second)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What was found between two images."""

    slices: Slices
    changes: tuple[Change, ...]
    likeness: float
    """Correlation of the aligned images."""
    halfway: Halfway


def compared(
    first: Scan, second: Scan, predictor: Predictor, progress: Progress | None = None
) -> Comparison:
    """The change of area between two images of one person.

    Parameters
    ----------
    first, second
        The images, of one contrast; exchanging them changes the sign of every change and nothing
        else.
    predictor
        The model that segments both.
    progress
        Called with (steps done, steps in all).

    Returns
    -------
    Comparison
        Areas in mm² at matched levels, and their change in mm² and percent.

    Raises
    ------
    ImageError
        No cord, a segmentation that fails the quality check, too little cord in common, no level
        in common, or images that are too different to be one person's in one contrast.
    """
    step = _counted(progress)
    if _digest(first) <= _digest(second):
        return _compared(first, second, predictor, step)
    turned = _compared(second, first, predictor, step)
    return replace(
        turned,
        slices=turned.slices.reversed(),
        changes=tuple(_reversed(change) for change in turned.changes),
    )


def _compared(
    first: Scan, second: Scan, predictor: Predictor, step: Callable[[], None]
) -> Comparison:
    masks = []
    for scan in (first, second):
        masks.append(_cord(scan, predictor))
        step()
    courses = [course_of(mask) for mask in masks]
    pair = ImagePair(
        *(sampler_of(s.image, c) for s, c in zip((first, second), courses, strict=True))
    )
    motion = found_motion(pair, _known_shift(first, second, courses))
    alike = likeness(pair, motion)
    if alike < LEAST_LIKENESS:
        raise ImageError(
            f"The images do not match after alignment (correlation {alike:.2f}, at least "
            f"{LEAST_LIKENESS}): they must show the same person in the same contrast."
        )
    between = halfway(pair, motion)
    step()
    seen = [steady_probability(one, predictor, step) for one in (between.first, between.second)]
    discs = _discs(between, (first, second), masks)
    slices = _slices(between, (seen[0], seen[1]), discs)
    step()
    return Comparison(slices, _changes(slices, between.first.grid.spacing[2]), alike, between)


def _cord(scan: Scan, predictor: Predictor) -> Segmentation:
    """The cord in an image.

    Raises
    ------
    ImageError
        The segmentation fails the quality check: its area says nothing.
    """
    result = segment(scan.image, predictor)
    body, model = result.in_las(), predictor.model
    quality = assess_result(result, measure(body.segmentation), model, model.threshold, body=body)
    if quality.status == "fail":
        raise ImageError(
            f"The segmentation of {scan.name} fails the quality check "
            f"({'; '.join(quality.reasons)}): no change is given."
        )
    return result.segmentation


def _known_shift(first: Scan, second: Scan, courses: list[CordCourse]) -> tuple[float, ...] | None:
    """Where to start along the cord: from the discs where both images have some."""
    if not first.discs or not second.discs:
        return None
    own = [
        {n: course.along(point) for n, point in scan.discs.items()}
        for scan, course in zip((first, second), courses, strict=True)
    ]
    shift = common_shift(own[0], own[1])
    return (shift - 3, shift, shift + 3)


def _discs(
    between: Halfway, scans: tuple[Scan, Scan], masks: list[Segmentation]
) -> dict[int, float]:
    """The discs along the half-way space: those given, else those found in the images."""
    given = any(scan.discs for scan in scans)
    own = [
        scan.discs if given else found_discs(scan.image, mask)
        for scan, mask in zip(scans, masks, strict=True)
    ]
    along = [
        {n: between.along(image, point) for n, point in discs.items()}
        for image, discs in enumerate(own)
    ]
    return joined(along[0], along[1]) if given or agree(along[0], along[1]) else {}


def _slices(
    between: Halfway, seen: tuple[Probability, Probability], discs: Mapping[int, float]
) -> Slices:
    grid = between.first.grid
    position = grid.affine[2, 3] + grid.spacing[2] * np.arange(grid.shape[2])
    areas = [_areas(probability) for probability in seen]
    return _within(
        Slices(
            position=position,
            level=_levels(position, discs),
            first=areas[0],
            second=areas[1],
            boundary=boundary_shift(between.first, between.second, seen).change,
        )
    )


def _levels(position: Floats, discs: Mapping[int, float]) -> Levels:
    return levels_of(position, discs) if discs else np.zeros(position.size, np.int64)


def _areas(probability: Probability) -> Floats:
    """The sum of the probability near the mask in each slice, mm²; NaN where there is no cord."""
    from scipy import ndimage

    pitch = probability.grid.spacing
    mask = probability.data >= 0.5
    disk = np.ones((3, 3, 1), bool)
    near = ndimage.binary_dilation(_largest(mask), disk, iterations=round(EDGE / pitch[0]))
    areas = np.where(near, probability.data, 0).sum(axis=(0, 1), dtype=np.float64)
    return np.where(mask.any(axis=(0, 1)), areas * pitch[0] * pitch[1], np.nan)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return np.asarray(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))


def _within(slices: Slices) -> Slices:
    """The part of the cord that both images show, without its `ENDS`.

    Raises
    ------
    ImageError
        Nothing is left.
    """
    both = np.flatnonzero(np.isfinite(slices.first) & np.isfinite(slices.second))
    if both.size:
        low, high = slices.position[both[[0, -1]]]
        kept = (slices.position >= low + ENDS) & (slices.position <= high - ENDS)
        kept &= np.isfinite(slices.first) & np.isfinite(slices.second)
        if kept.any():
            return Slices(*(getattr(slices, name)[kept] for name in slices.__dataclass_fields__))
    raise ImageError("The two images share too little of the cord to measure its change.")


def _changes(slices: Slices, step: float) -> tuple[Change, ...]:
    """C2-C3 where it is there, each level, and all slices."""
    found = []
    present = sorted({int(n) for n in slices.level if n})
    if {2, 3} <= set(present):
        found.append(_change("C2-C3", slices, np.isin(slices.level, (2, 3)), step))
    found.extend(_change(level_name(n), slices, slices.level == n, step) for n in present)
    found.append(_change(ALL, slices, np.ones(slices.level.size, bool), step))
    return tuple(found)


def _change(name: str, slices: Slices, part: NDArray[np.bool_], step: float) -> Change:
    boundary = slices.boundary[part]
    known = np.isfinite(boundary)
    return Change(
        name=name,
        length=step * int(part.sum()),
        first=float(slices.first[part].mean()),
        second=float(slices.second[part].mean()),
        boundary=float(boundary[known].mean()) if known.mean() > 0.5 else None,
    )


def _reversed(change: Change) -> Change:
    boundary = None if change.boundary is None else -change.boundary
    return replace(change, first=change.second, second=change.first, boundary=boundary)


def _digest(scan: Scan) -> bytes:
    """A number for the image's content, to take the two in an order of their own."""
    data = np.ascontiguousarray(scan.image.data)
    return hashlib.sha256(data.tobytes() + scan.image.grid.affine.tobytes()).digest()


def _counted(progress: Progress | None) -> Callable[[], None]:
    """A function to call after each of the `_STEPS`, which tells `progress` how many are done."""
    done = itertools.count(1)
    return lambda: None if progress is None else progress(next(done), _STEPS)
