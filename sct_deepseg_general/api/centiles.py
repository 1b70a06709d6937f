"""Centiles among healthy people: the arguments that ask for them, and the rows of a table."""

from __future__ import annotations

from typing import Any

from sct_deepseg_general.errors import ArgumentError
from sct_deepseg_general.norms.assess import Assessment, LevelPlace, NormRequest

__all__ = ["centile_rows", "norm_argument", "norm_sentences"]


def norm_argument(
    age: float | None, sex: str | None, contrast: str | None, name: str
) -> NormRequest | None:
    """Among whom to place the person; None where no age and sex are given.

    Parameters
    ----------
    age : float, optional
        In years.
    sex : {"F", "M"}, optional
        The sex.
    contrast : str, optional
        "T1w" or "T2w"; by default the last word of `name`.
    name : str
        The file name of the image or mask.

    Raises
    ------
    ArgumentError
        One of age and sex without the other, or no person has them.
    """
    if age is None and sex is None:
        if contrast is not None:
            raise ArgumentError("contrast is for centiles: give age and sex too.")
        return None
    if age is None or sex is None:
        raise ArgumentError("Centiles need both age and sex.")
    if contrast == "":
        raise ArgumentError('contrast is empty: give "T1w" or "T2w", or leave it out.')
    try:
        years = float(age)
    except OverflowError as error:
        raise ArgumentError("age is not an age in years: give a number from 0 to 120.") from error
    return NormRequest.of_person(years, sex, contrast, name)


def centile_rows(found: Assessment | None) -> list[dict[str, Any]]:
    """A row for each whole level and measure, as `CordResult.centiles` describes it.

    Raises
    ------
    ArgumentError
        No centiles were asked for.
    """
    if found is None:
        raise ArgumentError("Centiles need the person's age and sex: give age and sex.")
    return [_row(place) for place in found.places]


def norm_sentences(found: Assessment | None) -> tuple[str, ...]:
    """Why there is no centile although one was asked for."""
    if found is None:
        return ()
    reason = found.hindrance
    if not reason and all(one.place is None for one in found.places):
        reason = found.places[0].reason
    return (f"no centile: {reason}",) if reason else ()


def _row(one: LevelPlace) -> dict[str, Any]:
    place = one.place
    return {
        "level": one.level,
        "measure": one.measure,
        "value": one.measured,
        "centile": place and place.centile,
        "centile_lower": place and place.centile_lower,
        "centile_upper": place and place.centile_upper,
        "z_score": place and place.z_score,
        "norm_median": place and place.median,
        "reason": one.reason,
    }
