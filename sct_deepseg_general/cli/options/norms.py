"""What a person's norm is asked with: the flags, and the request that they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sct_deepseg_general.cli._click import option

if TYPE_CHECKING:
    from sct_deepseg_general.dicom.series import Person
    from sct_deepseg_general.norms.assess import Assessment, NormRequest
    from sct_deepseg_general.norms.centile import Place

__all__ = [
    "YEARS",
    "NormOptions",
    "among_norms",
    "check_own_area",
    "norm_lines",
    "norm_request",
]


@dataclass(frozen=True)
class NormOptions:
    """The values of the flags that `among_norms` adds: years, "F" or "M", and the contrast."""

    age: float | None
    sex: str | None
    contrast: str | None


_F = TypeVar("_F", bound=Callable[..., Any])


class _Years(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from 8.2
    """An age in years as a number."""

    name = "years"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return float(value)
        except ValueError:
            self.fail(f"'{value}' is not an age in years: give a number such as 54.", param, ctx)


YEARS = _Years()
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    option("-age", type=YEARS, help="Age in years: adds centiles among healthy people."),
    option("-sex", help="F or M, for the centiles."),
    option("-contrast", help="T1w or T2w, for the centiles.  [default: from the file's name]"),
)


def among_norms(command: _F) -> _F:
    """The flags -age, -sex and -contrast."""
    made: Any = command
    for decorate in reversed(_OPTIONS):
        made = decorate(made)
    return made  # type: ignore[no-any-return]


def check_own_area(given: NormOptions, normalize: tuple[str, ...]) -> None:
    """Refuse centiles, which are of the person's own areas, beside those of the average person.

    Raises
    ------
    click.UsageError
        Both are asked for.
    """
    asked = given.age is not None or given.sex is not None or given.contrast is not None
    if asked and normalize:
        raise click.UsageError(
            "-normalize gives the areas of the average person, and centiles (-age, -sex, "
            "-contrast) are of the person's own: give one of them."
        )


def norm_request(
    image: Path, given: NormOptions, person: Person | None = None, *, keep: bool = False
) -> NormRequest | None:
    """Among whom to place the person; None where no age and sex are given.

    `person` is what a DICOM header says; it counts where -contrast alone is given. No output shows
    it, unless `keep`.

    Raises
    ------
    click.UsageError
        One of the two without the other.
    NormsError
        No possible age or sex.
    """
    if given.age is None and given.sex is None and person is not None:
        return _of_header(person, given.contrast, keep=keep)
    if given.age is None and given.sex is None:
        if given.contrast is not None:
            raise click.UsageError("-contrast needs -age and -sex.")
        return None
    if given.age is None or given.sex is None:
        raise click.UsageError("Centiles need both -age and -sex.")
    from sct_deepseg_general.norms.assess import NormRequest

    return NormRequest.of_person(given.age, given.sex, given.contrast, image.name)


def _of_header(person: Person, family: str | None, *, keep: bool) -> NormRequest | None:
    """The request with age and sex of a DICOM header, which no output shows unless `keep`."""
    if family is None:
        return None
    if person.age is None or person.sex is None:
        raise click.UsageError("The DICOM header has no age or no sex: give -age and -sex.")
    from sct_deepseg_general.norms.assess import NormRequest
    from sct_deepseg_general.norms.model import Subject

    return NormRequest(Subject(person.age, person.sex), family, private=not keep)


def norm_lines(found: Assessment) -> list[str]:
    """The areas among the norms, a line a level, or why there is none."""
    if found.hindrance:
        from sct_deepseg_general.norms.centile import FAMILIES

        named = found.request.family in FAMILIES
        hint = "" if named else f" (-contrast {' or '.join(FAMILIES)} says what the image is)"
        return [f"  no centile: {found.hindrance}{hint}"]
    return [
        _line(one.level, one.place) if one.place else f"  {one.level}: no centile: {one.reason}"
        for one in found.places
        if one.measure == "area"
    ]


def _line(level: str, place: Place) -> str:
    from sct_deepseg_general.norms.centile import AGAINST_FIFTH

    return (
        f"  {level}: centile {place.centile:.0f} ({place.centile_lower:.0f} to "
        f"{place.centile_upper:.0f}), z {place.z_score:+.1f}, median of the norm "
        f"{place.median:.1f} mm²; the interval {AGAINST_FIFTH[place.against_fifth]}"
    )
