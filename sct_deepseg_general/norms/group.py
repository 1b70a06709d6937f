"""The people of a batch among the norms, and groups of them compared."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import DatasetError, MissingContentError, NormsError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.norms.assess import whole_levels
from sct_deepseg_general.norms.centile import Calibrations, Place, place_of
from sct_deepseg_general.norms.model import LEVELS, Distribution, Norms
from sct_deepseg_general.norms.participants import Participant
from sct_deepseg_general.text_files import composed, read_rows

__all__ = ["Difference", "GroupRow", "differences", "group_rows", "write_differences", "write_rows"]

Floats = NDArray[np.float64]
_WHO = ("participant_id", "session_id", "contrast", "image")
_FEWEST = 3
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class GroupRow:
    """One level of one image: its mean area (mm²) and place, or why there is none."""

    participant: str
    session: str
    contrast: str
    group: str
    level: str
    area: float | None
    place: Place | None
    reason: str = ""


@dataclass(frozen=True)
class Difference:
    """Two groups at one level: the people in each, and the difference of their mean z-scores in
    units of the pooled standard deviation (Hedges' g, the second minus the first), with its 95 %
    interval.
    """

    level: str
    first: str
    second: str
    people: tuple[int, int]
    effect: float
    lower: float
    upper: float


def group_rows(
    table: Path,
    people: Mapping[str, Participant],
    norms: Norms,
    calibrations: Calibrations,
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

    Raises
    ------
    NormsError
        The table cannot be read or lacks columns.
    """
    rows: list[GroupRow] = []
    for who, area, levels in _images(table):
        person = people.get(composed(who[0]), Participant(None, "", "not in participants.tsv"))
        rows.extend(_rows_of(who, (area, levels), person, norms, calibrations))
    return rows


def differences(rows: Sequence[GroupRow], first: str, second: str) -> list[Difference]:
    """Two groups compared at each level, by the mean z-score of each person.

    Notes
    -----
    Hedges' g with the small-sample factor, and the usual normal approximation of its standard error
    (Hedges and Olkin, Statistical Methods for Meta-Analysis, 1985).
    """
    found = []
    for level in LEVELS:
        a, b = (_scores(rows, level, group) for group in (first, second))
        if min(a.size, b.size) >= _FEWEST:
            effect, error = _hedges(a, b)
            low, high = effect - _Z95 * error, effect + _Z95 * error
            found.append(Difference(level, first, second, (a.size, b.size), effect, low, high))
    return found


def write_rows(path: Path, rows: Sequence[GroupRow]) -> None:
    """The rows as a TSV file, written whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    header = ("participant_id", "session_id", "contrast", "group", "level", "area", "centile",
              "centile_lower", "centile_upper", "z_score", "norm_median", "reason")  # fmt: skip
    _write(path, header, [_fields(row) for row in rows])


def write_differences(path: Path, found: Sequence[Difference]) -> None:
    """The differences of groups as a TSV file, written whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    header = ("level", "first", "second", "n_first", "n_second", "hedges_g", "lower", "upper")
    lines = [
        [d.level, d.first, d.second, *map(str, d.people),
         *(f"{v:.3f}" for v in (d.effect, d.lower, d.upper))]
        for d in found
    ]  # fmt: skip
    _write(path, header, lines)


def _images(table: Path) -> list[tuple[tuple[str, ...], Floats, NDArray[np.int64]]]:
    """Who, and area and level of the slices with cord, for each image of the table."""
    try:
        lines = read_rows(table)
    except (DatasetError, MissingContentError) as error:
        raise NormsError(str(error)) from error
    if not lines or not {*_WHO, "level", "area"} <= set(lines[0]):
        raise NormsError(f"{table} is not the csa.tsv of a batch: it lacks columns or rows.")
    images: dict[tuple[str, ...], list[tuple[float, int]]] = {}
    for line in lines:
        if line["area"] not in {"", "n/a"}:
            level = int(line["level"]) if line["level"] not in {"", "n/a"} else 0
            key = tuple(line[name] for name in _WHO)
            images.setdefault(key, []).append((float(line["area"]), level))
    return [
        (who, np.array([a for a, _ in found]), np.array([n for _, n in found], np.int64))
        for who, found in images.items()
    ]


def _rows_of(
    who: tuple[str, ...],
    slices: tuple[Floats, NDArray[np.int64]],
    person: Participant,
    norms: Norms,
    calibrations: Calibrations,
) -> list[GroupRow]:
    def row(level: str, area: float | None, place: Place | None, reason: str) -> GroupRow:
        return GroupRow(who[0], who[1], who[2], person.group, level, area, place, reason)

    area, levels = slices
    whole = whole_levels(area, levels)
    calibration = calibrations.get(who[2], "area")
    reason = person.reason
    if not reason and not whole:
        reason = "no whole level from C1 to T2 is known"
    if not reason and calibration is None:
        reason = f"the model's areas on {who[2]} images were not compared with those of the norms"
    if reason or calibration is None or person.subject is None:
        return [row("", None, None, reason)]
    found = []
    for level, part in whole.items():
        mean = float(area[part].mean())
        norm = norms.distribution("area", level, person.subject, who[2])
        if isinstance(norm, Distribution):
            count = norm.family.people[person.subject.sex]
            found.append(row(level, mean, place_of(mean, None, norm, calibration, count), ""))
        else:
            found.append(row(level, mean, None, norm.reason))
    return found


def _scores(rows: Sequence[GroupRow], level: str, group: str) -> Floats:
    """The mean z-score of each person of a group at a level."""
    own: dict[str, list[float]] = {}
    for row in rows:
        if row.level == level and row.group == group and row.place is not None:
            own.setdefault(row.participant, []).append(row.place.z_score)
    return np.array([np.mean(scores) for scores in own.values()])


def _hedges(a: Floats, b: Floats) -> tuple[float, float]:
    count = a.size + b.size
    pooled = math.sqrt(((a.size - 1) * a.var(ddof=1) + (b.size - 1) * b.var(ddof=1)) / (count - 2))
    effect = (1 - 3 / (4 * (count - 2) - 1)) * float(b.mean() - a.mean()) / max(pooled, 1e-9)
    return effect, math.sqrt(count / (a.size * b.size) + effect**2 / (2 * count))


def _fields(row: GroupRow) -> list[str]:
    place = row.place
    numbers = (
        [""] * 5
        if place is None
        else [
            f"{place.centile:.1f}",
            f"{place.centile_lower:.1f}",
            f"{place.centile_upper:.1f}",
            f"{place.z_score:.3f}",
            f"{place.median:.2f}",
        ]
    )
    area = "" if row.area is None else f"{row.area:.3f}"
    who = [row.participant, row.session, row.contrast, row.group, row.level, area]
    return [*who, *numbers, row.reason]


def _write(path: Path, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
    writer.writerow(header)
    writer.writerows([value or "n/a" for value in line] for line in lines)
    with write_whole(path) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")
