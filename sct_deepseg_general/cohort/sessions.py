"""The sessions of a person in a BIDS dataset: which images belong together, and their dates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sct_deepseg_general.batch.worklist import Item
from sct_deepseg_general.change.dates import day_of
from sct_deepseg_general.errors import DatasetError, ImageError, MissingContentError
from sct_deepseg_general.text_files import read_rows

__all__ = ["Visit", "scan_day", "series_of"]

_SESSION = re.compile(r"ses-[^_/]+[_/]")


@dataclass(frozen=True)
class Visit:
    """One image of a session, and its day where the dataset says it."""

    item: Item
    day: date | None


def series_of(items: Iterable[Item], root: Path) -> list[tuple[Visit, ...]]:
    """The images that show the same in several sessions of a person, in the order of time.

    Images belong together if their names differ in the session alone. Without a date for each of
    them they are ordered by the names of their sessions, numbers by their value.

    Parameters
    ----------
    items
        Images of a BIDS dataset.
    root
        The dataset.
    """
    found: dict[str, list[Item]] = {}
    for item in items:
        if item.participant and item.session:
            found.setdefault(_SESSION.sub("", item.key), []).append(item)
    series = []
    for _, own in sorted(found.items()):
        if len(own) > 1:
            series.append(_ordered([Visit(item, scan_day(item, root)) for item in own]))
    return series


def scan_day(item: Item, root: Path) -> date | None:
    """The day of an image: `acq_time` of its row in the scans.tsv, or of its session's row in
    the sessions.tsv; None where neither says it.
    """
    subject = root / item.participant
    session = subject / item.session
    scans = session / f"{item.participant}_{item.session}_scans.tsv"
    name = item.image.relative_to(session).as_posix() if item.image.is_relative_to(session) else ""
    sessions = subject / f"{item.participant}_sessions.tsv"
    return _day(scans, "filename", name) or _day(sessions, "session_id", item.session)


def _ordered(visits: list[Visit]) -> tuple[Visit, ...]:
    dated = all(visit.day is not None for visit in visits)
    by_name = sorted(visits, key=lambda visit: _natural(visit.item.session))
    return tuple(sorted(by_name, key=lambda visit: visit.day or date.max) if dated else by_name)


def _natural(text: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


def _day(table: Path, column: str, name: str) -> date | None:
    if not name or not table.is_file():
        return None
    try:
        rows = read_rows(table, (column, "acq_time"))
    except (DatasetError, MissingContentError):
        return None
    text = next((row["acq_time"] for row in rows if row[column] == name), "")
    try:
        return day_of(text[:10])
    except ImageError:
        return None
