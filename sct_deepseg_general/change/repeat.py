"""What a change must exceed: the repeat error of scan and rescan, and change per year."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sct_deepseg_general.errors import ImageError, ModelError

__all__ = ["LEVEL", "Repeatability", "per_year"]

LEVEL = 0.9
"""How often the interval is meant to hold the true change."""
LONG = 28.0
"""Length (mm) from which a stretch of cord counts as several levels: C2 and C3 have about 33."""


@dataclass(frozen=True)
class Repeatability:
    """Standard deviation (per cent) of the change between scan and rescan of unchanged cords, in
    which each person has the same weight.
    """

    area_sd: float
    """Of the difference of mean areas over about 40 mm of the cord."""
    level_sd: float
    """The same over 15 mm, about one level."""
    boundary_sd: float
    """Of the boundary shift integral."""
    pairs: int
    """How many pairs of images it was measured on."""
    people: int
    """How many people these are of."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> Repeatability | None:
        """The `change` of a model's record, {"area_sd", "level_sd", "boundary_sd",
        "pairs", "people"}; None without.

        Raises
        ------
        ModelError
            The record is not like that.
        """
        if record is None:
            return None
        try:
            found = cls(
                float(record["area_sd"]),
                float(record["level_sd"]),
                float(record["boundary_sd"]),
                int(record["pairs"]),
                int(record["people"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The model's record of change cannot be read: {error!r}.") from error
        deviations = (found.area_sd, found.level_sd, found.boundary_sd)
        if not all(0 < sd < 50 for sd in deviations) or found.people < 2:
            raise ModelError("The model's record of change holds impossible numbers.")
        return found

    def reach(self, length: float) -> float:
        """Half the width (per cent) of the interval of a change over a length of cord in mm:
        Student's t, with as many degrees of freedom as people, times the standard deviation.
        """
        from scipy.special import stdtrit  # 0.1 s, not for -h

        sd = self.area_sd if length >= LONG else self.level_sd
        return float(stdtrit(self.people, (1 + LEVEL) / 2)) * sd

    def interval(self, percent: float, length: float) -> tuple[float, float]:
        """The interval (per cent) of a change of area measured over a length of cord in mm."""
        return percent - self.reach(length), percent + self.reach(length)

    def exceeded(self, percent: float, length: float) -> bool:
        """Whether a change of area (per cent) over a length of cord (mm) is larger than the repeat
        error explains.
        """
        return abs(percent) > self.reach(length)


def per_year(percent: float, years: float) -> float:
    """A change in per cent over some years as per cent a year."""
    if not math.isfinite(percent) or years == 0:
        raise ImageError("A change per year needs a change and two dates.")
    return percent / years
