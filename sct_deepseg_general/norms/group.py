"""The people of a batch among the norms, level by level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import DatasetError, MissingContentError, NormsError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.norms.assess import whole_levels
from sct_deepseg_general.norms.centile import Calibration, Calibrations, Place, place_of
from sct_deepseg_general.norms.model import Distribution, Norms, Subject
from sct_deepseg_general.norms.participants import Participant
from sct_deepseg_general.text_files import composed, read_rows

__all__ = ["GroupRow", "absent", "group_rows", "write_rows", "write_table"]

Floats = NDArray[np.float64]
Who = tuple[str, str, str, str]
_WHO = ("participant_id", "session_id", "contrast", "image")
_NONE = {"", "n/a"}
_FAIL = "fail"
_UNLISTED = Participant(None, "", "not in participants.tsv")


@dataclass(frozen=True)
class GroupRow:
    """One level of one image: its mean area (mm²) and place, or why there is none."""

    participant: str
    session: str
    contrast: str
    image: str
    """The image's path in the dataset, which names it in all tables of a batch."""
    group: str
    level: str
    area: float | None
    place: Place | None
    reason: str = ""


def group_rows(
    table: Path,
    people: Mapping[str, Participant],
    norms: Norms,
    calibrations: Calibrations,
    repeat: float | None = None,
) -> list[GroupRow]:
    """Each image of a batch's `csa.tsv` among the norms, level by level.

    Parameters
    ----------
    table
        The `csa.tsv` of a batch with levels: a row a slice.
    people
        Age, sex and group by `participant_id`.
    norms, calibrations
        The norms, and the model's ratios to them.
    repeat
        How far, as a share of the area, a second scan's lies off at most 9 times in 10; it widens
        the intervals.

    Returns
    -------
    list of GroupRow
        A row for each whole level of each image, with the reason where there is no centile; a
        single one for an image whose quality check says fail or whose levels are not known.

    Raises
    ------
    NormsError
        The table cannot be read or lacks columns.
    """
    found = Among(norms, calibrations, repeat)
    rows: list[GroupRow] = []
    for image in _images(table):
        person = people.get(composed(image.who[0]), _UNLISTED)
        rows.extend(_rows_of(image, person, found))
    return rows


def absent(people: Mapping[str, Participant], rows: Iterable[GroupRow]) -> list[GroupRow]:
    """A row with the reason for each person of the participants.tsv who has no image."""
    seen = {composed(row.participant) for row in rows}
    return [
        GroupRow(name, "", "", "", person.group, "", None, None, person.reason or "no image")
        for name, person in sorted(people.items())
        if name not in seen
    ]


def write_rows(path: Path, rows: Sequence[GroupRow]) -> None:
    """The rows as a TSV file, written whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    header = (*_WHO, "group", "level", "area", "centile",
              "centile_lower", "centile_upper", "z_score", "norm_median", "norm_p5",
              "interval_against_p5", "reason")  # fmt: skip
    write_table(path, header, [_fields(row) for row in rows])


@dataclass(frozen=True, eq=False)
class _Image:
    """The slices with cord of one image of the table."""

    who: Who
    """Values of `_WHO`."""
    status: str
    area: Floats
    levels: NDArray[np.int64]


@dataclass(frozen=True)
class Among:
    """The norms, how a model's areas become theirs, and how far a second scan's lies off."""

    norms: Norms
    calibrations: Calibrations
    repeat: float | None


def _images(table: Path) -> list[_Image]:
    try:
        lines = read_rows(table)
    except (DatasetError, MissingContentError) as error:
        raise NormsError(str(error)) from error
    if not lines or not {*_WHO, "level", "area"} <= set(lines[0]):
        raise NormsError(f"{table} is not the csa.tsv of a batch: it lacks columns or rows.")
    images: dict[Who, list[dict[str, str]]] = {}
    for line in lines:
        who = (line[_WHO[0]], line[_WHO[1]], line[_WHO[2]], line[_WHO[3]])
        images.setdefault(who, []).append(line)
    return [_image(who, own) for who, own in images.items()]


def _image(who: Who, lines: Sequence[Mapping[str, str]]) -> _Image:
    held = [line for line in lines if line["area"] not in _NONE]
    return _Image(
        who=who,
        status=lines[0].get("status", ""),
        area=np.array([float(line["area"]) for line in held], np.float64),
        levels=np.array([_level(line["level"]) for line in held], np.int64),
    )


def _level(text: str) -> int:
    """The level of a slice; 0 where none is known, or only that it lies in one of two ("3:4")."""
    return int(text) if text.isdigit() else 0


def _rows_of(image: _Image, person: Participant, among: Among) -> list[GroupRow]:
    contrast = image.who[2]
    whole = whole_levels(image.area, image.levels)
    calibration = among.calibrations.get(contrast, "area")
    reason = _hindrance(image, person, whole)
    if not reason and calibration is None:
        reason = f"the model's areas on {contrast} images were not compared with those of the norms"
    areas = {level: float(image.area[part].mean()) for level, part in whole.items()}
    if not areas or image.status == _FAIL:
        return [GroupRow(*image.who, person.group, "", None, None, reason)]
    if reason or calibration is None or person.subject is None:
        return [
            GroupRow(*image.who, person.group, level, area, None, reason)
            for level, area in areas.items()
        ]
    return [
        GroupRow(
            *image.who, person.group, level, area,
            *_placed((level, area), contrast, person.subject, calibration, among),
        )
        for level, area in areas.items()
    ]  # fmt: skip


def _hindrance(image: _Image, person: Participant, whole: Mapping[str, object]) -> str:
    if image.status == _FAIL:
        return "the quality check says fail"
    if not image.area.size:
        return "no area"
    if person.reason:
        return person.reason
    return "" if whole else "no whole level from C1 to T2 is known"


def _placed(
    measured: tuple[str, float],
    contrast: str,
    subject: Subject,
    calibration: Calibration,
    among: Among,
) -> tuple[Place | None, str]:
    level, area = measured
    norm = among.norms.distribution("area", level, subject, contrast)
    if not isinstance(norm, Distribution):
        return None, norm.reason
    count = norm.family.people[subject.sex]
    off = among.repeat or 0.0
    interval = (area * (1 - off), area * (1 + off))
    return place_of(area, interval, norm, calibration, count), ""


def _fields(row: GroupRow) -> list[str]:
    place = row.place
    numbers = (
        [""] * 7
        if place is None
        else [
            f"{place.centile:.1f}",
            f"{place.centile_lower:.1f}",
            f"{place.centile_upper:.1f}",
            f"{place.z_score:.3f}",
            f"{place.median:.2f}",
            f"{place.fifth:.2f}",
            place.against_fifth,
        ]
    )
    area = "" if row.area is None else f"{row.area:.3f}"
    who = [row.participant, row.session, row.contrast, row.image, row.group, row.level, area]
    return [*who, *numbers, row.reason]


def write_table(path: Path, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """A TSV file, written whole; empty values become n/a.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    rows = [[_cell(value) for value in line] for line in (header, *lines)]
    text = "".join("\t".join(row) + "\n" for row in rows)
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _cell(value: str) -> str:
    return " ".join(value.split()) or "n/a"
