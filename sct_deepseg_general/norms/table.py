"""The published table of areas and shapes, as arrays for fitting."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.model import AREA_LEVELS, MEASURES, SEXES

__all__ = ["HEALTHY", "Observations", "read_table"]

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]

HEALTHY = ("CN", "HC")
LEAST_SHARE = 0.5
"""A level counts where at least this share of its slices has a value; else it was cut off."""
FARTHEST = 4.0
"""Values farther from their group's median than so many robust standard deviations of the
logarithm are failed segmentations, and left out."""
_COLUMNS = {
    "structure", "dataset", "contrast", "participant", "session", "sex", "age", "pathology",
    "level", "slices", "area_mm2", "diameter_AP_mm", "diameter_RL_mm",
}  # fmt: skip
_OF_MEASURE = dict(zip(MEASURES, ("area_mm2", "diameter_AP_mm", "diameter_RL_mm"), strict=True))


@dataclass(frozen=True, eq=False)
class Observations:
    """Values of one measure at one level, an entry for each session.

    `value` in mm² or mm, `age` in years; `person` and `dataset` are names; `weight` is one over
    the number of the person's sessions, so that each person counts once.
    """

    value: Floats
    age: Floats
    sex: Texts
    family: Texts
    dataset: Texts
    person: Texts

    @property
    def weight(self) -> Floats:
        """One over the number of the person's sessions, for each session: shape (n,), 0 to 1."""
        _, index, count = np.unique(self.person, return_inverse=True, return_counts=True)
        return np.asarray(1 / count[index], np.float64)

    def where(self, kept: NDArray[np.bool_] | NDArray[np.int64]) -> Observations:
        """Some of the entries, by a mask of shape (n,) or by indices."""
        return Observations(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Row:
    key: tuple[str, ...]
    """Dataset, contrast, participant, session, sex, age as text."""
    slices: int
    values: Mapping[str, float]


def read_table(path: Path) -> Mapping[tuple[str, str], Observations]:
    """The healthy people of a table of levels, by measure and level.

    Parameters
    ----------
    path
        A TSV file, plain or compressed by gzip, with a row for each structure, session and
        vertebral level (1 is C1, 9 is T2). Kept are the rows of the spinal cord of healthy
        people with age and sex; levels of which less than half lies in the image, and values
        beyond four robust standard deviations of the logarithm, are left out.

    Returns
    -------
    Mapping
        `Observations` for each pair of measure and level; "C2-C3" is the mean of the two levels,
        weighted by their numbers of slices.

    Raises
    ------
    NormsError
        The file cannot be read or lacks columns or rows.
    """
    rows = _healthy(_records(path))
    if not rows:
        raise NormsError(f"{path} holds no healthy person with age and sex: check the file.")
    by_level = {
        name: _complete(rows[number])
        for number, name in enumerate(AREA_LEVELS, 1)
        if number in rows
    }
    if {"C2", "C3"} <= by_level.keys():
        by_level["C2-C3"] = _joined(by_level["C2"], by_level["C3"])
    return {
        (measure, level): _plausible(_observations(of_level, measure))
        for level, of_level in by_level.items()
        for measure in MEASURES
    }


def _records(path: Path) -> Iterator[dict[str, str]]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise NormsError(f"Cannot read the table {path}: {error}.") from error
    reader = csv.DictReader(io.StringIO(text), delimiter="\t")
    missing = sorted(_COLUMNS - set(reader.fieldnames or ()))
    if missing:
        raise NormsError(f"The table {path} lacks the columns {', '.join(missing)}.")
    return iter(reader)


def _healthy(records: Iterator[dict[str, str]]) -> dict[int, list[_Row]]:
    rows: dict[int, list[_Row]] = {}
    for one in records:
        if one["structure"] != "spinal_cord" or one["pathology"] not in HEALTHY:
            continue
        if one["sex"] not in SEXES or one["age"] in {"", "n/a"}:
            continue
        key = tuple(one[n] for n in ("dataset", "contrast", "participant", "session", "sex", "age"))
        values = {measure: float(one[column]) for measure, column in _OF_MEASURE.items()}
        rows.setdefault(int(one["level"]), []).append(_Row(key, int(one["slices"]), values))
    return rows


def _complete(rows: Sequence[_Row]) -> list[_Row]:
    usual = float(np.percentile([row.slices for row in rows], 90))
    return [row for row in rows if row.slices >= LEAST_SHARE * usual]


def _joined(upper: Sequence[_Row], lower: Sequence[_Row]) -> list[_Row]:
    below = {row.key: row for row in lower}
    return [_mean(row, below[row.key]) for row in upper if row.key in below]


def _mean(a: _Row, b: _Row) -> _Row:
    total = a.slices + b.slices
    values = {
        name: (a.values[name] * a.slices + b.values[name] * b.slices) / total for name in a.values
    }
    return _Row(a.key, total, values)


def _observations(rows: Sequence[_Row], measure: str) -> Observations:
    dataset, contrast, participant, _, sex, age = zip(*(row.key for row in rows), strict=True)
    person = [f"{d}/{p}" for d, p in zip(dataset, participant, strict=True)]
    return Observations(
        value=np.array([row.values[measure] for row in rows]),
        age=np.array(age, np.float64),
        sex=np.array(sex),
        family=np.array(contrast),
        dataset=np.array(dataset),
        person=np.array(person),
    )


def _plausible(seen: Observations) -> Observations:
    """Without values that are not finite, not above 0, or far from the group's median."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(seen.value)
    kept = np.isfinite(logs)
    away = np.full(logs.size, np.inf)
    groups = np.char.add(np.char.add(seen.dataset, "/"), seen.sex)
    for group in np.unique(groups):
        members = kept & (groups == group)
        away[members] = logs[members] - np.median(logs[members])
    robust = 1.4826 * np.median(np.abs(away[kept]))
    return seen.where(kept & (np.abs(away) <= FARTHEST * robust))
