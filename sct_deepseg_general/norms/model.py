"""Norms as a frozen value: read from a JSON file, evaluated with numpy alone.

A cell is one measure at one level. Its values follow the Box-Cox distribution of Cole and Green
(Statistics in Medicine 1992, 10.1002/sim.4780111005): (y / M)^L is normal around 1 with standard
deviation L S. log M is a restricted cubic spline in age with an offset for sex (which may change
linearly with age) and one for the contrast; log S is quadratic in age with an offset for the
contrast. `between` is the standard deviation of log M between datasets (scanners, protocols).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sct_deepseg_general.errors import NormsError, PersonError
from sct_deepseg_general.norms.spline import columns

__all__ = [
    "AREA_LEVELS",
    "EMBEDDED",
    "LEVELS",
    "MEASURES",
    "Cell",
    "Distribution",
    "Family",
    "NoNorm",
    "NormSource",
    "Norms",
    "Subject",
    "design",
    "embedded",
    "level_key",
    "scaled_age",
    "sex_of",
]

Floats = NDArray[np.float64]
Ages = tuple[tuple[float, float], ...]

EMBEDDED = "pam50_normative.json"
MEASURES = ("area", "diameter_AP", "diameter_RL")
LEVELS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "T1", "T2", "C2-C3")
AREA_LEVELS = LEVELS[:-1]
"""The single levels, from C1 downwards."""
KNOTS = (8.0, 22.0, 40.0, 60.0, 80.0)
"""Ages (years) of the spline's knots."""
SEXES = ("F", "M")
_FORMAT = 1
_WORDS = {"f": "F", "female": "F", "m": "M", "male": "M"}


def sex_of(text: str) -> str:
    """The sex that a text names in upper or lower case: "F" for F and female, "M" for M and male;
    any other text as it is.

    Examples
    --------
    >>> [sex_of(text) for text in ("f", "Female", "M", "x")]
    ['F', 'F', 'M', 'x']
    """
    return _WORDS.get(text.strip().lower(), text)


@dataclass(frozen=True)
class Subject:
    """Who was imaged: age in years and sex, "F" or "M"."""

    age: float
    sex: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.age) and 0 < self.age <= 120):
            raise PersonError(f"{self.age:g} is not an age in years: give a number from 0 to 120.")
        if self.sex not in SEXES:
            raise PersonError(f"'{self.sex}' is not a sex that the norms know: give F or M.")


@dataclass(frozen=True)
class NormSource:
    """Where the norms come from."""

    name: str
    citation: str
    licence: str
    table_sha256: str
    """SHA-256 of the published table that they were fitted to."""


@dataclass(frozen=True)
class Family:
    """One contrast family of a cell: its offsets, and whom it was fitted to."""

    median: float
    """Added to log M."""
    spread: float
    """Added to log S."""
    datasets: int
    people: Mapping[str, int]
    """Number of people by sex."""
    ages: Mapping[str, Ages]
    """By sex, the ranges of age (years) with enough people around every age."""


@dataclass(frozen=True)
class Distribution:
    """The values of one measure at one level in people of one age, sex and contrast family.

    `median` is in the unit of the measure; `spread` and `skewness` are S and L of Cole and Green,
    S including the spread between datasets.
    """

    median: float
    spread: float
    skewness: float
    family: Family

    def z_score(self, value: ArrayLike) -> Floats:
        """Standard scores, in standard deviations, of values above 0 in the measure's unit (mm or
        mm²), of any shape.
        """
        ratio = np.log(np.asarray(value, np.float64) / self.median)
        if abs(self.skewness) < 1e-6:
            return np.asarray(ratio / self.spread)
        return np.asarray(np.expm1(self.skewness * ratio) / (self.skewness * self.spread))

    def value(self, z_score: ArrayLike) -> Floats:
        """The values (mm or mm²) with these standard scores, of any shape; the inverse of
        `z_score`.
        """
        z = np.asarray(z_score, np.float64)
        if abs(self.skewness) < 1e-6:
            return np.asarray(self.median * np.exp(self.spread * z))
        inside = np.maximum(1 + self.skewness * self.spread * z, 1e-9)
        return np.asarray(self.median * inside ** (1 / self.skewness))

    def centiles(self) -> tuple[float, float, float]:
        """The 5th centile, the median and the 95th centile (mm or mm²)."""
        low, middle, high = self.value([-1.6449, 0, 1.6449]).tolist()
        return low, middle, high


@dataclass(frozen=True)
class NoNorm:
    """Why there is no norm, as a clause."""

    reason: str


@dataclass(frozen=True)
class Cell:
    """One measure at one level."""

    measure: str
    level: str
    median: tuple[float, ...]
    """Coefficients of log M, in the order of the columns of `design`."""
    spread: tuple[float, float, float]
    """Coefficients of log S: constant, scaled age, scaled age squared."""
    skewness: float
    between: float
    """Standard deviation of log M between datasets."""
    families: Mapping[str, Family]

    def distribution(self, subject: Subject, family: str) -> Distribution | NoNorm:
        """The distribution for a subject, or why there is none."""
        who = self.families.get(family)
        if who is None:
            known = " and ".join(sorted(self.families)) or "none"
            return NoNorm(f"no norm of {family} at {self.level} (there is one of: {known})")
        ages = who.ages.get(subject.sex, ())
        if not any(low <= subject.age <= high for low, high in ages):
            known = ", ".join(f"{low:g}-{high:g}" for low, high in ages) or "none"
            return NoNorm(
                f"the norm of {family} at {self.level} is of other ages ({subject.sex}: {known})"
            )
        return self._distribution(subject, who)

    def _distribution(self, subject: Subject, who: Family) -> Distribution:
        row = design([subject.age], [subject.sex])[0]
        a = float(scaled_age(subject.age))
        within = math.exp(np.dot(self.spread, (1, a, a * a)) + who.spread)
        between = self.between * math.sqrt(1 + 1 / who.datasets)
        return Distribution(
            median=math.exp(float(row @ np.array(self.median)) + who.median),
            spread=math.hypot(within, between),
            skewness=self.skewness,
            family=who,
        )


@dataclass(frozen=True)
class Norms:
    """All cells, and where they come from."""

    source: NormSource
    cells: Mapping[tuple[str, str], Cell]
    """By measure and level, such as ("area", "C2-C3")."""

    def distribution(
        self, measure: str, level: str, subject: Subject, family: str
    ) -> Distribution | NoNorm:
        """The distribution of a measure in people like the subject, or why there is none.

        Parameters
        ----------
        measure
            One of `MEASURES`: area in mm², diameters in mm.
        level
            One of `LEVELS`.
        subject
            Age and sex.
        family
            Contrast family, "T1w" or "T2w".
        """
        cell = self.cells.get((measure, level))
        if cell is None:
            return NoNorm(f"there is no norm for {measure} at {level}")
        return cell.distribution(subject, family)

    @classmethod
    def load(cls, path: Path) -> Norms:
        """Norms from a JSON file.

        Raises
        ------
        NormsError
            The file cannot be read or is not a file of norms.
        """
        try:
            return cls.from_text(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise NormsError(f"Cannot read the norms in {path}: {error}.") from error

    @classmethod
    def from_text(cls, text: str) -> Norms:
        """Norms from the text of a JSON file; the inverse of `to_text`.

        Raises
        ------
        NormsError
            The text is not a file of norms.
        """
        try:
            content = json.loads(text)
            if content["format"] != _FORMAT:
                raise NormsError(f"Norms of format {content['format']} are not known: update.")
            cells = [_cell(one) for one in content["cells"]]
            source = NormSource(**content["source"])
        except (KeyError, TypeError, ValueError) as error:
            raise NormsError(f"The file of norms is damaged ({error!r}).") from error
        return cls(source, {(cell.measure, cell.level): cell for cell in cells})

    def to_text(self) -> str:
        """The norms as the text of a JSON file."""
        content = {
            "format": _FORMAT,
            "source": vars(self.source),
            "cells": [_record(cell) for cell in self.cells.values()],
        }
        return _compact(content)


def design(age: ArrayLike, sex: ArrayLike) -> Floats:
    """The columns of log M, shape (n, 7): constant, spline in age (4), male, male x scaled age."""
    years = np.asarray(age, np.float64)
    male = (np.asarray(sex) == "M").astype(np.float64)
    return np.column_stack(
        [np.ones(years.size), columns(years, KNOTS), male, male * scaled_age(years)]
    )


def scaled_age(age: ArrayLike) -> Floats:
    """Age in years, of any shape, on a scale near -1 to 1: (age - 50) / 40."""
    return (np.asarray(age, np.float64) - 50) / 40


def level_key(levels: tuple[int, ...]) -> str | None:
    """The name of a cell's level for vertebral levels 1 to 9, or 2 and 3 together; else None."""
    if levels == (2, 3):
        return "C2-C3"
    if len(levels) == 1 and 1 <= levels[0] <= len(AREA_LEVELS):
        return AREA_LEVELS[levels[0] - 1]
    return None


@cache
def embedded() -> Norms:
    """Read the norms that come with the package.

    Returns
    -------
    Norms
        The distributions of area (mm²) and diameters (mm) by level, sex and contrast.

    Examples
    --------
    >>> from sct_deepseg_general.norms.model import embedded
    >>> len(embedded().cells) > 0
    True
    """
    folder = resources.files("sct_deepseg_general.norms")
    return Norms.from_text((folder / EMBEDDED).read_text(encoding="utf-8"))


def _cell(record: Mapping[str, Any]) -> Cell:
    a, b, c = record["spread"]
    return Cell(
        measure=record["measure"],
        level=record["level"],
        median=tuple(float(v) for v in record["median"]),
        spread=(float(a), float(b), float(c)),
        skewness=float(record["skewness"]),
        between=float(record["between"]),
        families={name: _family(one) for name, one in record["families"].items()},
    )


def _family(record: Mapping[str, Any]) -> Family:
    return Family(
        median=float(record["median"]),
        spread=float(record["spread"]),
        datasets=int(record["datasets"]),
        people={sex: int(n) for sex, n in record["people"].items()},
        ages={
            sex: tuple((float(low), float(high)) for low, high in ages)
            for sex, ages in record["ages"].items()
        },
    )


def _record(cell: Cell) -> dict[str, Any]:
    return {
        **vars(cell),
        "median": _rounded(cell.median),
        "spread": _rounded(cell.spread),
        "skewness": _significant(cell.skewness),
        "between": _significant(cell.between),
        "families": {
            name: {
                **vars(one),
                "median": _significant(one.median),
                "spread": _significant(one.spread),
            }
            for name, one in cell.families.items()
        },
    }


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [_significant(value) for value in values]


def _significant(value: float) -> float:
    return float(f"{value:.5g}")


def _compact(content: Mapping[str, Any]) -> str:
    """JSON with one cell a line."""
    cells = ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in content["cells"])
    head = json.dumps({k: v for k, v in content.items() if k != "cells"}, indent=1)
    return f'{head[:-2]},\n "cells": [\n{cells}\n ]\n}}\n'
