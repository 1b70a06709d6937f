"""Centiles among healthy people: the arguments that ask for them, and the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Real
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import ArgumentError
from sct_deepseg_general.job.outputs import stem_of
from sct_deepseg_general.norms.assess import Assessment, LevelPlace, NormRequest
from sct_deepseg_general.norms.model import Subject

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
        One of age and sex without the other, or of another type.
    NormsError
        No possible age or sex.
    """
    if age is None and sex is None:
        if contrast is not None:
            raise ArgumentError("contrast is for centiles: give age and sex too.")
        return None
    if age is None or sex is None:
        raise ArgumentError("Centiles need both age and sex.")
    if isinstance(age, bool) or not isinstance(age, Real):
        raise ArgumentError(f"age={age!r}: give a number of years.")
    if not isinstance(sex, str):
        raise ArgumentError(f'sex={sex!r}: give "F" or "M".')
    family = contrast or _stem(name).rpartition("_")[2]
    return NormRequest(Subject(float(age), sex.upper()), family)


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
    return tuple(f"no centile: {reason}" for reason in _reasons(found))


def _reasons(found: Assessment) -> Iterator[str]:
    if found.reason:
        yield found.reason
    elif not found.places:
        yield "no whole level from C1 to T2 is in the image"
    elif all(one.place is None for one in found.places):
        yield found.places[0].reason


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


def _stem(name: str) -> str:
    """The name of an image without its ending, whether it is the name of an image or a mask."""
    return stem_of(Path(name)).removesuffix("_seg")
