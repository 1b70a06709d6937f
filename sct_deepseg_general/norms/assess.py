"""A person's areas and diameters, level by level, among the norms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.files import stem_of
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.norms.centile import (
    AGAINST_FIFTH,
    FAMILIES,
    Calibration,
    Calibrations,
    Place,
    place_of,
)
from sct_deepseg_general.norms.model import (
    AREA_LEVELS,
    LEVELS,
    MEASURES,
    Distribution,
    NoNorm,
    Norms,
    Subject,
    embedded,
    level_key,
    sex_of,
)

__all__ = ["Assessment", "Band", "LevelPlace", "NormRequest", "assessed", "whole_levels"]

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]
Slices = NDArray[np.int64]

C2_OF_C3 = 31 / 37
"""Length of C2 over that of C3 in the PAM50 template; C2 has no disc on top."""
SHORTEST, LONGEST = 0.6, 1.4
"""Length of an outermost level over its neighbour's between which it is taken to be whole."""
_COLUMNS = {"area": "area", "diameter_AP": "diameter_ap", "diameter_RL": "diameter_rl"}


@dataclass(frozen=True)
class NormRequest:
    """Among whom to place a person, and how the model's values become the norms'."""

    subject: Subject
    family: str
    """Contrast of the image: "T1w", "T2w", or another, for which there is no norm."""
    norms: Norms = field(default_factory=embedded)
    private: bool = False
    """Age and sex come from an image's header: they are used, and written nowhere."""
    repeat: float | None = None
    """How far, as a share of the area, a second scan's lies off at most 9 times in 10. It takes
    the place of the area's interval, which also holds where raters draw the edge: that is what
    the calibration settles."""

    @classmethod
    def of_person(cls, age: float, sex: str, contrast: str | None, name: str) -> NormRequest:
        """For a person's age in years and sex ("F", "M" or the whole word, in either case).

        Without `contrast` it is the last word of `name`, the file name of an image or of its mask;
        upper and lower case are the same.

        Raises
        ------
        NormsError
            No possible age or sex.
        """
        word = contrast or stem_of(name).removesuffix("_seg").rpartition("_")[2]
        known = {family.lower(): family for family in FAMILIES}
        return cls(Subject(age, sex_of(sex)), known.get(word.lower(), word))


@dataclass(frozen=True)
class LevelPlace:
    """One measure at one level: its place, or why there is none."""

    measure: str
    level: str
    measured: float
    """Mean over the level's slices as the model measures, mm² or mm."""
    place: Place | None
    reason: str = ""


@dataclass(frozen=True)
class Band:
    """The norm's 5th centile, median and 95th centile of a level's area, as the model would
    measure them (mm²).
    """

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Assessment:
    """All places of a person, and the band for a plot."""

    request: NormRequest
    places: tuple[LevelPlace, ...]
    bands: Mapping[int, Band]
    """By vertebral level (1 is C1)."""
    reason: str = ""
    """Why there is no place at all; "" where there is one."""

    def find(self, measure: str, level: str) -> Place | None:
        """The place of a measure at a level, if there is one."""
        found = (p.place for p in self.places if (p.measure, p.level) == (measure, level))
        return next(found, None)

    @property
    def hindrance(self) -> str:
        """Why no level has a place, not even without a centile; "" where one has."""
        if self.reason or self.places:
            return self.reason
        return "no whole level from C1 to T2 is in the image"

    def plotted(self) -> dict[int, tuple[float, float, float]]:
        """The bands as 5th centile, median, 95th centile by level, for `csa.plot`."""
        return {level: (band.low, band.median, band.high) for level, band in self.bands.items()}

    @property
    def whose(self) -> str:
        """Whose norm it is, in a few words."""
        who = self.request.subject
        people = f"{'women' if who.sex == 'F' else 'men'} of {who.age:g}"
        if self.request.private:
            people = "people of that age and sex"
        return f"5th to 95th centile, {people} ({self.request.family})"

    @property
    def against_fifth(self) -> str:
        """Which levels' intervals lie below, across and above the 5th centile, as a sentence."""
        named: dict[str, list[str]] = {}
        for one in self.places:
            if one.measure == "area" and one.place is not None:
                named.setdefault(one.place.against_fifth, []).append(one.level)
        parts = [
            f"{words}: {', '.join(named[side])}"
            for side, words in AGAINST_FIFTH.items()
            if side in named
        ]
        return f"The interval of the area {'; '.join(parts)}." if parts else ""

    @property
    def words(self) -> str:
        """The centile of the first level that has one and `against_fifth`, or why there is none."""
        placed = [p for p in self.places if p.measure == "area" and p.place is not None]
        if not placed or placed[0].place is None:
            reasons = dict.fromkeys(p.reason for p in self.places if p.measure == "area")
            return f"no centile: {self.hindrance or '; '.join(reasons)}"
        place = placed[0].place
        ends = f"{place.centile_lower:.0f} to {place.centile_upper:.0f}"
        return f"{placed[0].level}: {place.centile:.0f} ({ends}). {self.against_fifth}"

    def summary(self) -> dict[str, Any]:
        """For a JSON file; age and sex only where the user gave them."""
        who = self.request.subject
        given = {} if self.request.private else {"Age": who.age, "Sex": who.sex}
        return {
            **given,
            "Contrast": self.request.family,
            "Norms": self.request.norms.source.name,
            "Reason": self.reason,
            "Levels": [_record(place) for place in self.places],
        }


def assessed(
    table: Morphometrics,
    levels: Levels | None,
    request: NormRequest,
    calibrations: Calibrations,
) -> Assessment:
    """The places of a person's measures at each level among the norms.

    Parameters
    ----------
    table
        Shape of every slice, with the area's interval where there is one.
    levels
        Vertebral level of every slice (0: none), from the lowest slice up; None where not known.
    request
        Age, sex, contrast and the norms.
    calibrations
        Of the model that made the mask.
    """
    reason = _hindrance(levels, request, calibrations)
    if reason or levels is None:
        return Assessment(request, (), {}, reason)
    whole = whole_levels(table.area, levels)
    places: list[LevelPlace] = []
    for key in ("C2-C3", *AREA_LEVELS):
        if key in whole:
            places.extend(
                _placed(table, whole[key], key, measure, request, calibrations)
                for measure in MEASURES
            )
    return Assessment(request, tuple(places), _bands(request, calibrations, levels))


def whole_levels(area: Floats, levels: Levels) -> dict[str, Slices]:
    """The slices of each level that lies wholly in the image, by the level's name; `area` is NaN
    where a slice holds no cord.

    A level between two others is whole. An outermost one is if its length is like its
    neighbour's; where C2 is the topmost, `C2_OF_C3` times the length of C3 is taken of it.
    """
    held = np.isfinite(area) & (levels > 0)
    slices = {int(n): np.flatnonzero(held & (levels == n)) for n in np.unique(levels[held])}
    if 2 in slices and 3 in slices and 1 not in slices:
        slices[2] = slices[2][: max(1, round(C2_OF_C3 * slices[3].size))]
    whole = {n: part for n, part in slices.items() if _is_whole(n, slices)}
    named = {AREA_LEVELS[n - 1]: part for n, part in whole.items() if n <= len(AREA_LEVELS)}
    if {2, 3} <= whole.keys():
        named["C2-C3"] = np.concatenate([whole[3], whole[2]])
    return named


def _is_whole(level: int, slices: Mapping[int, Slices]) -> bool:
    beside = [n for n in (level - 1, level + 1) if n in slices]
    if len(beside) != 1:
        return len(beside) == 2
    share = slices[level].size / slices[beside[0]].size
    return SHORTEST <= share <= LONGEST


def _hindrance(levels: Levels | None, request: NormRequest, calibrations: Calibrations) -> str:
    if request.family not in FAMILIES:
        shown = request.family or "an unknown contrast"
        return f"there are norms of {' and '.join(FAMILIES)} images, and none of {shown}"
    if levels is None or not (levels > 0).any():
        return "the vertebral levels are not known"
    if not any(calibrations.get(request.family, measure) for measure in MEASURES):
        return (
            f"this model's areas on {request.family} images were not compared with those of the "
            "norms"
        )
    return ""


def _placed(
    table: Morphometrics,
    slices: Slices,
    level: str,
    measure: str,
    request: NormRequest,
    calibrations: Calibrations,
) -> LevelPlace:
    value = _mean(table.column(_COLUMNS[measure]), slices)
    calibration = calibrations.get(request.family, measure)
    if calibration is None:
        return LevelPlace(measure, level, value, None, "no calibration of this measure")
    norm = request.norms.distribution(measure, level, request.subject, request.family)
    if isinstance(norm, NoNorm):
        return LevelPlace(measure, level, value, None, norm.reason)
    people = norm.family.people[request.subject.sex]
    interval = _interval(table, slices, value, request.repeat) if measure == "area" else None
    return LevelPlace(measure, level, value, place_of(value, interval, norm, calibration, people))


def _mean(values: NDArray[np.float64], slices: Slices) -> float:
    return float(np.nanmean(values[slices]))


def _interval(
    table: Morphometrics, slices: Slices, area: float, repeat: float | None
) -> tuple[float, float] | None:
    if repeat is not None:
        return area * (1 - repeat), area * (1 + repeat)
    return table.mean_interval(slices)


def _bands(request: NormRequest, calibrations: Calibrations, levels: Levels) -> dict[int, Band]:
    calibration = calibrations.get(request.family, "area")
    if calibration is None:
        return {}
    found = {}
    for number in np.unique(levels[levels > 0]).tolist():
        key = level_key((number,))
        if key in LEVELS:
            norm = request.norms.distribution("area", key, request.subject, request.family)
            if isinstance(norm, Distribution):
                found[int(number)] = _band(norm, calibration)
    return found


def _band(norm: Distribution, calibration: Calibration) -> Band:
    low, middle, high = (float(v) for v in norm.value([-1.6449, 0, 1.6449]) / calibration.ratio)
    return Band(low, middle, high)


def _record(one: LevelPlace) -> dict[str, Any]:
    record: dict[str, Any] = {
        "Level": one.level,
        "Measure": one.measure,
        "Measured": round(one.measured, 3),
    }
    if one.place is None:
        return {**record, "Reason": one.reason}
    place = one.place
    return {
        **record,
        "Calibrated": round(place.value, 3),
        "Lower": round(place.lower, 3),
        "Upper": round(place.upper, 3),
        "Centile": round(place.centile, 1),
        "CentileLower": round(place.centile_lower, 1),
        "CentileUpper": round(place.centile_upper, 1),
        "ZScore": round(place.z_score, 2),
        "Median": round(place.median, 3),
        "FifthCentile": round(place.fifth, 3),
        "AgainstFifthCentile": place.against_fifth,
        "People": place.people,
    }
