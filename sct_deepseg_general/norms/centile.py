"""Where a person's measured value lies among people of the same age and sex.

The norms are of areas as one program drew the cord; a model that draws its edge elsewhere gives
other areas. Before a value is compared it is multiplied by the ratio that was measured on people
of whom both areas are known (`Calibration`, kept in the model's record). Without it there is no
centile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.norms.model import MEASURES, Distribution

__all__ = ["FAMILIES", "LOWEST", "Calibration", "Calibrations", "Place", "percent", "place_of"]

FAMILIES = ("T1w", "T2w")
LOWEST = 5.0
"""The centile at which a value is called low."""
_Z90 = 1.6448536269514722
"""Half the width of the normal distribution's middle 90 %, in standard deviations."""


@dataclass(frozen=True)
class Calibration:
    """How a model's values become the norms'.

    `ratio` is the published value over the model's, of the same people; `sd` the relative
    standard deviation of that ratio for a person not yet seen; `people` how many it was measured
    on.
    """

    ratio: float
    sd: float
    people: int


@dataclass(frozen=True)
class Calibrations:
    """A model's calibrations, by contrast family and measure."""

    by_family: Mapping[tuple[str, str], Calibration]

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> Calibrations:
        """The `norms` of a model's record.

        Parameters
        ----------
        record
            {"T2w": {"area": {"ratio": 1.02, "sd": 0.01, "people": 4}}}, or None: no calibration.

        Raises
        ------
        ModelError
            The record is not like that, or holds an impossible number.
        """
        try:
            pairs = {
                (family, measure): Calibration(
                    float(one["ratio"]), float(one["sd"]), int(one["people"])
                )
                for family, measures in (record or {}).items()
                for measure, one in measures.items()
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The model's record of norms cannot be read: {error!r}.") from error
        for (family, measure), one in pairs.items():
            _check(family, measure, one)
        return cls(pairs)

    def get(self, family: str, measure: str) -> Calibration | None:
        """The calibration of a measure on images of a contrast family, if it was measured."""
        return self.by_family.get((family, measure))


AGAINST_FIFTH = {
    "below": "is below the 5th centile",
    "crosses": "crosses the 5th centile",
    "above": "is above the 5th centile",
}
"""What `Place.against_fifth` says of an interval, in words."""


@dataclass(frozen=True)
class Place:
    """A value among the norms.

    `value` is the measured value times the calibration's ratio, `lower` and `upper` its interval
    (90 %) with the calibration's uncertainty in it; centiles are from 0 to 100.
    """

    value: float
    lower: float
    upper: float
    median: float
    z_score: float
    centile: float
    centile_lower: float
    centile_upper: float
    fifth: float
    """The norm's 5th centile, in the value's unit."""
    people: int
    """Number of people of that sex and contrast family in the norm."""

    @property
    def against_fifth(self) -> str:
        """Whether the interval is "below" the 5th centile, "crosses" it or is "above" it."""
        if self.upper < self.fifth:
            return "below"
        return "above" if self.lower > self.fifth else "crosses"


def place_of(
    value: float,
    interval: tuple[float, float] | None,
    distribution: Distribution,
    calibration: Calibration,
    people: int,
) -> Place:
    """The place of a measured value in a distribution of the norms.

    Parameters
    ----------
    value
        Above 0, in mm² or mm, as the model measures.
    interval
        The value's 90 % interval in the same unit, if there is one.
    distribution
        The norm for the person's age, sex and contrast family.
    calibration
        The model's, for the measure and contrast family.
    people
        Number of people the distribution was fitted to.

    Returns
    -------
    Place
        Centile, z-score and median of the norm, and how sure they are.

    Notes
    -----
    The relative half-widths of the measured interval and of the calibration (1.645 `sd`) are
    added in squares.
    """
    low, high = interval or (value, value)
    reach = _Z90 * calibration.sd
    below = math.hypot((value - low) / value, reach)
    above = math.hypot((high - value) / value, reach)
    level = value * calibration.ratio
    lower, upper = level * max(1 - below, 1e-3), level * (1 + above)
    z = distribution.z_score(np.array([level, lower, upper]))
    return Place(
        value=level,
        lower=lower,
        upper=upper,
        median=distribution.median,
        z_score=float(z[0]),
        centile=percent(float(z[0])),
        centile_lower=percent(float(z[1])),
        centile_upper=percent(float(z[2])),
        fifth=float(distribution.value(-_Z90)),
        people=people,
    )


def percent(z_score: float) -> float:
    """The centile (0 to 100) of a standard score."""
    return 50 * math.erfc(-z_score / math.sqrt(2))


def _check(family: str, measure: str, one: Calibration) -> None:
    if family not in FAMILIES or measure not in MEASURES:
        raise ModelError(f"The model's record of norms names {family} {measure}: unknown.")
    if not (0.5 <= one.ratio <= 2 and 0 <= one.sd <= 0.2 and one.people >= 1):
        raise ModelError(
            f"The model's record of norms holds impossible numbers for {family} {measure}."
        )
