"""The vertebral levels of a job: found or given, and what files and pages say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import ArrayLike, NDArray

from sct_deepseg_general.csa.c2c3 import C2C3, c2c3_of
from sct_deepseg_general.csa.measure import PER_SLICE, CsaRequest, Measured
from sct_deepseg_general.csa.selection import number_list
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.companion import brought_over
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.inference.pipeline import InferenceResult
from sct_deepseg_general.levels import slices as slice_levels
from sct_deepseg_general.levels.answer import (
    Given,
    LevelAnswer,
    LevelRequest,
    answered,
    needed_discs,
)
from sct_deepseg_general.levels.discs import Disc
from sct_deepseg_general.levels.responses import embedded_network
from sct_deepseg_general.qc.display import DiscMark

__all__ = [
    "c2c3_area",
    "c2c3_words",
    "disc_labels",
    "discs_shown",
    "level_answer",
    "levels_of_labels",
    "levels_record",
    "levels_words",
    "with_levels",
]


_SAME_PLACE = 2.0  # mm


def level_answer(
    image: Volume, mask: Segmentation, measures: CsaRequest, request: LevelRequest | None
) -> LevelAnswer | None:
    """The vertebral levels of an image; None if they are not requested or there is no cord.

    Parameters
    ----------
    image
        The image, with axes (x, y, z).
    mask
        The cord, on the grid of the image.
    measures
        Holds the discs or the level map that the user gave, if any.
    request
        How levels are found; None for no levels.

    Raises
    ------
    ImageError
        The disc that the user gave is not in the cord.
    """
    if request is None or not mask.data.any():
        return None
    needed = needed_discs(measures.selection.levels, c2c3=request.c2c3)
    given = Given(measures.discs, measures.level_map, request.anchor, needed)
    return answered(image, mask, embedded_network(), given)


def levels_of_labels(
    result: InferenceResult, measures: CsaRequest, wanted: LevelRequest | None
) -> tuple[NDArray[np.int64] | None, str]:
    """The level of each slice for a model without a cord, and what has to be said of it.

    Parameters
    ----------
    result
        The labels; discs are projected onto the cord as the locator found it.
    measures
        Holds the discs or the level map that the user gave, if any.
    wanted
        Whether levels were asked for without either.

    Returns
    -------
    tuple
        The level of each axial slice from the lowest up, 0 where there is none, or None; and a
        sentence, "" where there is nothing to say.
    """
    if measures.level_map is not None:
        return slice_levels.from_levels(measures.level_map), ""
    if measures.discs is not None:
        coarse = result.location.coarse
        cord = None if coarse is None else coarse.resampled_to(result.image.grid, order=0)
        if cord is None or not cord.data.any():
            return None, "the discs were not used, as no cord was found: give a level map"
        return slice_levels.from_discs(measures.discs, cord, measures.centreline), ""
    if wanted is not None:
        return (
            None,
            "levels are found by the cord, which this model lacks: give discs or a level map",
        )
    return None, ""


def with_levels(mask: Segmentation, measures: CsaRequest, answer: LevelAnswer | None) -> CsaRequest:
    """The rows to measure: every slice if there is no cord, or in place of each level if its levels
    were withheld. A region that is asked for without levels stays.

    Raises
    ------
    ImageError
        Levels were asked for by number, or the slices of the PAM50 template, and the levels are
        withheld: no other area stands for theirs.
    """
    if not mask.data.any():
        return PER_SLICE
    if answer is None or measures.level_map is not None:
        return measures
    if answer.discs is not None:
        return replace(measures, discs=answer.discs)
    named = _named_by_level(measures)
    if named:
        raise ImageError(
            f"{named}, and the levels are withheld: {'; '.join(answer.withheld)}. To "
            "measure without levels, leave this option out."
        )
    if not measures.selection.per_level:
        return measures
    return replace(measures, selection=replace(measures.selection, per_level=False, per_slice=True))


def _named_by_level(measures: CsaRequest) -> str:
    """What was asked for that only exists by the number of a level; "" if nothing."""
    if measures.selection.levels:
        return f"Level {number_list(measures.selection.levels)} was asked for"
    return "Areas on the slices of the PAM50 template were asked for" if measures.to_pam50 else ""


def c2c3_area(measured: Measured, answer: LevelAnswer | None) -> C2C3:
    """The area of C2-C3 in mm², or the reasons why there is none."""
    if answer is None:
        return C2C3("withheld", reasons=("no cord was found",))
    return c2c3_of(measured, answer.withheld if measured.levels is None else ())


def levels_record(answer: LevelAnswer | None, c2c3: C2C3 | None) -> dict[str, Any]:
    """The levels, discs (positions in mm) and area of C2-C3 (mm²) for the sidecar."""
    record: dict[str, Any] = {}
    if answer is not None and answer.found is not None:
        found = answer.found
        record["Levels"] = {
            "Status": "withheld" if answer.withheld else "ok",
            "Reasons": list(answer.withheld),
            "Source": "file" if answer.from_file else "image",
            "NotCompared": list(answer.not_compared),
            "Warnings": list(answer.warnings),
            "Model": found.model,
            "Evidence": dict(found.evidence),
            "Discs": [_disc_record(disc, found.status == "ok") for disc in found.discs],
        }
    if c2c3 is not None:
        figures = {"Area": c2c3.area, "Lower": c2c3.lower, "Upper": c2c3.upper}
        rounded: dict[str, Any] = {
            name: v if v is None else round(v, 3) for name, v in figures.items()
        }
        if c2c3.repeat is not None:
            rounded["Repeat"] = [round(end, 3) for end in c2c3.repeat]
        reasons = {"Status": c2c3.status, "Reasons": list(c2c3.reasons)}
        record["C2C3"] = {**rounded, "Slices": list(c2c3.slices), **reasons}
    return record


def _disc_record(disc: Disc, numbered: bool) -> dict[str, Any]:
    """A disc of the sidecar; without its number where numbers are withheld."""
    return {
        "Number": disc.number if numbered else None,
        "Point": [round(mm, 2) for mm in disc.point],
        "Origin": disc.origin,
        "Response": disc.response,
    }


def disc_labels(answer: LevelAnswer | None, image: Volume) -> Volume:
    """The label map of the discs (x, y, z) to write, on the grid and with the header of the image.

    Raises
    ------
    ImageError
        There are no discs.
    """
    if answer is None or answer.discs is None:
        raise ImageError("There are no discs to write: their numbers were withheld.")
    discs = answer.discs.reoriented(image.grid.axcodes)
    return replace(
        brought_over(discs, "points", image, "the disc file").volume, header=image.header
    )


def discs_shown(answer: LevelAnswer | None) -> tuple[DiscMark, ...]:
    """The discs that were used, for the QC page: those of a file, or found in the image.

    Empty if their numbers are not known, or if a map of levels was used.
    """
    found = answer.found if answer is not None else None
    if answer is None or answer.discs is None or found is None:
        return ()
    known = {disc.number: disc for disc in found.discs}
    if not answer.from_file:
        return tuple(_mark(disc.number, disc.point, known) for disc in found.discs)
    data, affine = answer.discs.data, answer.discs.grid.affine
    voxels = np.argwhere((data > 0) & (data <= slice_levels.HIGHEST_LEVEL))
    return tuple(
        _mark(int(data[tuple(voxel)]), apply_affine(affine, voxel), known) for voxel in voxels
    )


def _mark(number: int, place: ArrayLike, known: Mapping[int, Disc]) -> DiscMark:
    """A disc to draw at a place (mm, RAS); not as detected where it is only estimated there."""
    x, y, z = (float(value) for value in np.asarray(place))
    disc = known.get(number)
    guessed = disc is not None and disc.origin in ("interpolated", "estimated")
    here = disc is not None and np.linalg.norm(np.subtract(disc.point, (x, y, z))) < _SAME_PLACE
    return DiscMark(number, (x, y, z), detected=not (guessed and here))


def levels_words(answer: LevelAnswer | None) -> str:
    """How the levels are known, as text; "" if they were not requested."""
    if answer is None or answer.found is None:
        return ""
    if answer.withheld:
        return f"withheld: {'; '.join(answer.withheld)}"
    words = "from the file given" if answer.from_file else "found in the image"
    if answer.not_compared:
        why = "; ".join(reason.split(":")[0] for reason in answer.not_compared)
        words += f", not compared with the image ({why})"
    return "; ".join([words, *answer.warnings])


def c2c3_words(found: C2C3 | None, answer: LevelAnswer | None = None, unit: str = " mm²") -> str:
    """The area of C2-C3 with its interval in mm² as text; "" if it was not requested.

    Why it is withheld is told where it is not for the reason why all levels are (`levels_words`).
    """
    if found is None:
        return ""
    if found.area is None:
        own = () if answer is not None and answer.withheld else found.reasons
        return f"withheld: {'; '.join(own)}" if own else "withheld"
    known = found.lower is not None and found.upper is not None
    interval = f" ({found.lower:.1f} to {found.upper:.1f})" if known else ""
    return f"{found.area:.1f}{unit}{interval}{', partial' if found.status == 'partial' else ''}"
