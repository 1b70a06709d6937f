"""Vertebral levels found in an image: its discs along the cord, numbered, or why they are not.

The image is looked at in a strip along the mask's centreline, a small network says for each row
whether it is a disc and which level it reads, and a dynamic programme numbers the discs. Where
the answer is in doubt the numbers are withheld: a level that is off by one changes an area by
2 to 8 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.levels import doubt
from sct_deepseg_general.levels.course import STEP, Course, course_of
from sct_deepseg_general.levels.direction import direction_reasons
from sct_deepseg_general.levels.discs import Disc, Origin, rows_given
from sct_deepseg_general.levels.growth import areas_along, growth_of
from sct_deepseg_general.levels.numbering import FIRST, LAST, SAME, SEEN, Numbering, numbered
from sct_deepseg_general.levels.responses import DiscNetwork, Responses
from sct_deepseg_general.levels.strip import Strip, strip_of, tissue

__all__ = ["Anchor", "FoundLevels", "Status", "evidence_of", "find_levels"]

Floats = NDArray[np.float64]
Status = Literal["ok", "withheld"]

_C2, _C1 = 15.5, 23.0  # mm from disc 3 up to the top of C2, and from there to the top of C1 (PAM50)
_LOWEST_READ = 9  # T1/T2: further down the level is read less and less surely
_FRONT = (2.0, 14.0)  # mm before the centreline between which a disc's tip lies


@dataclass(frozen=True)
class Anchor:
    """A disc that the user knows: `number`, at the slice `slice` counted from the lowest, from 0.

    As SCT's `-initz`.
    """

    slice: int
    number: int


@dataclass(frozen=True, eq=False)
class FoundLevels:
    """The discs of an image from the uppermost down, and whether their numbers may be used.

    With the status "withheld", `reasons` say why, and the numbers of `discs` are not to be
    used. `evidence` holds the figures that were judged, by name.
    """

    discs: tuple[Disc, ...]
    status: Status
    reasons: tuple[str, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    course: Course | None = None
    model: str = ""

    @property
    def spacing(self) -> float:
        """Mean distance of neighbouring discs in mm; NaN with fewer than two."""
        rows = [disc.row for disc in self.discs if disc.origin != "estimated"]
        return float(-np.diff(rows).mean()) * STEP if len(rows) > 1 else float("nan")


def find_levels(
    image: Volume,
    mask: Volume,
    network: DiscNetwork,
    anchor: Anchor | None = None,
    given: Volume | None = None,
) -> FoundLevels:
    """The discs beside a segmented cord.

    Parameters
    ----------
    image
        The image, in any orientation; T2-weighted or T2*-weighted.
    mask
        The spinal cord on the image's grid.
    network
        The disc network.
    anchor
        A disc that the user knows; with it C2/C3 need not be in view.
    given
        A label map of discs that the user knows: they stay, those between them are found.

    Returns
    -------
    FoundLevels
        Discs 3 and below where they are in view, with the upper borders of C2 and C1 estimated
        above disc 3.

    Raises
    ------
    ImageError
        The mask is empty or holds one slice, or the anchor is not in it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.image import nifti
    >>> from sct_deepseg_general.levels.responses import embedded_network
    >>> image, mask = nifti.load(Path("t2.nii.gz")), nifti.load_segmentation(Path("t2_seg.nii.gz"))
    >>> found = find_levels(image, mask, embedded_network())
    >>> found.status, found.reasons[0]  # the sample image ends at C2/C3
    ('withheld',
     'C2/C3 is not in the field of view with 8 mm above it: levels are relative, give -disc-at')
    >>> known = find_levels(image, mask, embedded_network(), Anchor(slice=17, number=5))
    >>> [disc.number for disc in known.discs if disc.origin != "estimated"]
    [3, 4, 5, 6]
    """
    course = course_of(mask)
    across = direction_reasons(mask)
    if across:
        return FoundLevels((), "withheld", across, course=course, model=network.model.key)
    strip = strip_of(image, course)
    responses = network.responses(strip)
    known = _known_rows(course, mask, anchor, given)
    numbering = numbered(responses, {n: row for n, row in known.items() if FIRST <= n <= LAST})
    thickness = image.grid.reoriented(AXES).spacing[2]
    areas = areas_along(mask, course)
    evidence = evidence_of(strip, thickness, responses, numbering, areas)
    limits, certainty = network.model.limits, network.model.certainty
    reasons = (
        doubt.contrast_reasons(evidence, limits)
        or doubt.number_reasons(evidence, limits, certainty, anchored=bool(known))
        or _beside(anchor, numbering)
    )
    chance = round(doubt.probability(evidence, certainty), 4)
    return FoundLevels(
        discs=_discs(numbering, responses, course, set(known)),
        status="withheld" if reasons else "ok",
        reasons=reasons,
        evidence={**evidence.figures(), "probability": chance},
        course=course,
        model=network.model.key,
    )


def _known_rows(
    course: Course, mask: Volume, anchor: Anchor | None, given: Volume | None
) -> dict[int, float]:
    """The rows of the discs that the user knows, by their number."""
    rows = {} if given is None else rows_given(given, course)
    if anchor is None:
        return rows
    upright = mask.reoriented(AXES)
    heights = apply_affine(np.linalg.inv(upright.grid.affine), course.points)[:, 2]
    if not FIRST <= anchor.number <= LAST:
        raise ImageError(
            f"-disc-at {anchor.slice},{anchor.number}: discs {FIRST} (C2/C3) to {LAST} are known."
        )
    if anchor.slice not in np.flatnonzero(upright.data.any(axis=(0, 1))):
        raise ImageError(
            f"-disc-at {anchor.slice},{anchor.number}: there is no cord in slice {anchor.slice}; "
            "slices are counted from the lowest, from 0."
        )
    row = float(np.interp(anchor.slice, heights, np.arange(heights.size)))
    return {**rows, anchor.number: row}


def _beside(anchor: Anchor | None, numbering: Numbering) -> tuple[str, ...]:
    """Why the slice of a known disc is not to be trusted: no disc is seen there."""
    place = next((p for p in numbering.places if anchor and p.number == anchor.number), None)
    if anchor is None or (place is not None and place.response >= SEEN):
        return ()
    told = (
        f"-disc-at {anchor.slice},{anchor.number}: no disc is seen within {SAME * STEP:g} mm of "
        f"slice {anchor.slice}; give the slice in the middle of a disc, counted from the lowest, "
        "from 0"
    )
    return (told,)


def evidence_of(
    strip: Strip, thickness: float, responses: Responses, numbering: Numbering, areas: Floats
) -> doubt.Evidence:
    """What is judged of a numbering; `thickness` is the distance of slices in mm, and `areas` the
    cord's area in mm² at each row of the strip, NaN beyond the mask.
    """
    places = numbering.places
    rows = np.array([round(place.row) for place in places], np.int64)
    numbers = np.array([place.number for place in places], np.int64)
    top = places[0] if places and places[0].number == FIRST else None
    return doubt.Evidence(
        tissue=tissue(strip),
        thickness=thickness,
        discs=sum(place.response >= SEEN for place in places),
        response=float(np.mean([place.response for place in places])) if places else 0.0,
        c2c3=_near(responses.c2c3, top.row) if top else 0.0,
        above=float(np.flatnonzero(responses.visible)[-1] - top.row) * STEP if top else 0.0,
        margin=numbering.margin,
        growth=growth_of(areas, _borders(numbering)),
        spread=_spread(responses, rows[numbers <= _LOWEST_READ]),
        offset=float(np.median(responses.level[rows] - numbers)) if places else 0.0,
    )


def _borders(numbering: Numbering) -> tuple[float, ...]:
    """The rows of the levels' borders from C2's upper one down; none where C2/C3 was not found.

    Further down no growth is told: the cord grows from the middle of the back to its lower end.
    """
    rows = tuple(place.row for place in numbering.places)
    if not rows or numbering.places[0].number != FIRST:
        return ()
    return (rows[0] + _C2 * numbering.scale / STEP, *rows)


def _spread(responses: Responses, rows: NDArray[np.int64]) -> float:
    return float(np.median(responses.spread[rows])) if rows.size else np.inf


def _near(values: Floats, row: float) -> float:
    """The largest value within 2 mm of a row."""
    middle = round(row)
    return float(values[max(0, middle - 2) : middle + 3].max())


def _discs(
    numbering: Numbering, responses: Responses, course: Course, known: set[int]
) -> tuple[Disc, ...]:
    """The discs, with the upper borders of C1 and C2 above C2/C3."""
    at = np.arange(responses.front.size)
    found = [
        Disc(
            place.number,
            place.row,
            _tip(course, place.row, float(np.interp(place.row, at, responses.front))),
            _origin(place.number, place.response, known),
            round(place.response, 3),
        )
        for place in numbering.places
    ]
    if not found or found[0].number != FIRST:
        return tuple(found)
    above = []
    for number, mm in ((1, _C2 + _C1), (2, _C2)):
        row = found[0].row + mm * numbering.scale / STEP
        if row <= len(course.points) - 1:
            above.append(Disc(number, row, _tip(course, row, _FRONT[0]), "estimated", 0.0))
    return (*above, *found)


def _origin(number: int, response: float, known: set[int]) -> Origin:
    if number in known:
        return "given"
    return "found" if response >= SEEN else "interpolated"


def _tip(course: Course, row: float, front: float) -> tuple[float, float, float]:
    point = course.at(np.array([row]), float(np.clip(front, *_FRONT)))[0]
    return float(point[0]), float(point[1]), float(point[2])
