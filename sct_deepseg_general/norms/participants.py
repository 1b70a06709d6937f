"""Age, sex and group of the people of a BIDS dataset, from its `participants.tsv`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sct_deepseg_general.errors import DatasetError, MissingContentError, NormsError
from sct_deepseg_general.norms.model import Subject, sex_of
from sct_deepseg_general.text_files import composed, read_rows, read_text

__all__ = ["Participant", "read_participants"]

_MISSING = {"", "n/a", "nan", "na"}


@dataclass(frozen=True)
class Participant:
    """What is known of one person; `reason` says why there is no age or sex."""

    subject: Subject | None
    group: str
    reason: str = ""


def read_participants(path: Path, group: str | None = None) -> Mapping[str, Participant]:
    """The people of a `participants.tsv`, by `participant_id` with its letters composed (NFC).

    A person with several rows, such as one for each session, has what all of them agree on.

    Parameters
    ----------
    path
        A TSV file with the columns `participant_id`, `age` (years) and `sex`.
    group
        The name of a column that says which group a person belongs to. With it, `age` and `sex`
        may be missing: groups are then compared by their areas alone.

    Raises
    ------
    NormsError
        The file cannot be read, lacks a column, or its ages are not in years.
    """
    needed = ("participant_id", *((group,) if group else ("age", "sex")))
    try:
        rows = read_rows(path, needed)
    except (DatasetError, MissingContentError) as error:
        raise NormsError(str(error)) from error
    _check_units(path.with_suffix(".json"))
    people: dict[str, list[Participant]] = {}
    for row in rows:
        people.setdefault(composed(row["participant_id"]), []).append(_participant(row, group))
    return {name: _agreed(own) for name, own in people.items()}


def _agreed(rows: Sequence[Participant]) -> Participant:
    """One person from all rows of that person: what differs among them is not known."""
    first = rows[0]
    if all(row == first for row in rows):
        return first
    group = first.group if all(row.group == first.group for row in rows) else ""
    known = [row.subject for row in rows]
    if all(subject == known[0] for subject in known) and known[0] is not None:
        return Participant(known[0], group)
    differ = f"{len(rows)} rows of participants.tsv differ in age or sex"
    return Participant(None, group, differ)


def _check_units(path: Path) -> None:
    """Refuse ages that the data dictionary says are in another unit than years."""
    if not path.is_file():
        return
    try:
        units = json.loads(read_text(path)).get("age", {}).get("Units", "year")
    except (DatasetError, MissingContentError, ValueError, AttributeError) as error:
        raise NormsError(f"Cannot read {path}: {error}.") from error
    if not str(units).lower().startswith("y"):
        raise NormsError(f"{path} says that the ages are in {units}: give them in years.")


def _group(text: str) -> str:
    return "" if text.strip().lower() in _MISSING else text.strip()


def _participant(row: Mapping[str, str], group: str | None) -> Participant:
    of = _group(row[group]) if group else ""
    absent = [n for n in ("age", "sex") if row.get(n, "").strip().lower() in _MISSING]
    if absent:
        return Participant(None, of, f"no {' and no '.join(absent)} in participants.tsv")
    sex = row["sex"].strip()
    try:
        return Participant(Subject(float(row["age"]), sex_of(sex)), of)
    except NormsError as error:
        return Participant(None, of, str(error))
    except ValueError:
        return Participant(None, of, f"'{row['age']}' is not an age in years")
