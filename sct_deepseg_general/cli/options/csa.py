"""The flags of `csa` that the main command has too, and the request that they become."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from sct_deepseg_general.cli._click import PATH, option

if TYPE_CHECKING:
    from sct_deepseg_general.csa.c2c3 import C2C3
    from sct_deepseg_general.csa.measure import CsaRequest
    from sct_deepseg_general.csa.selection import Selection
    from sct_deepseg_general.image.volume import Volume
    from sct_deepseg_general.levels.answer import LevelAnswer, LevelRequest

__all__ = [
    "LEVELS",
    "MEASURING",
    "ON_OFF",
    "MeasureOptions",
    "c2c3_line",
    "check_measures",
    "companion_names",
    "csa_request",
    "level_request",
    "measuring",
]

ON_OFF = click.IntRange(0, 1)
_F = TypeVar("_F", bound=Callable[..., Any])


class _Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from 8.2
    """A list such as 2:4 or 2,5, as a tuple of numbers."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        from sct_deepseg_general.csa.selection import parse_number_list

        if isinstance(value, tuple):
            return value
        try:
            return parse_number_list(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Levels(_Numbers):
    """Levels as numbers or by their names: 2:4, or C2:C4."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, str):
            value = re.sub(r"([CTL])(\d+)", _level_number, value.upper())
        return super().convert(value, param, ctx)


def _level_number(name: re.Match[str]) -> str:
    """The number of a level's name: C1 is 1, T1 is 8, L1 is 20."""
    above, last = {"C": (0, 7), "T": (7, 12), "L": (19, 5)}[name[1]]
    number = int(name[2])
    return str(above + number) if 1 <= number <= last else name[0]


LEVELS = _Levels()
"""The type of a list of vertebral levels, such as 2:4."""


class _Anchor(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from 8.2
    """Two whole numbers Z,N."""

    name = "slice,disc"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        place, comma, number = value.partition(",")
        if not (comma and place.strip().isdigit() and number.strip().isdigit()):
            self.fail(f"'{value}' is no disc: write slice,number, such as 120,3.", param, ctx)
        return int(place), int(number)


@dataclass(frozen=True)
class MeasureOptions:
    """The values of the flags that `measuring` adds."""

    perslice: bool
    perlevel: bool
    slices: tuple[int, ...] | None
    levels: tuple[int, ...] | None
    vertfile: Path | None
    discfile: Path | None
    level_source: Literal["auto"] | None
    disc_at: tuple[int, int] | None
    c2c3: bool
    pmj: Path | None
    pmj_distance: float | None
    pmj_extent: float
    angle_corr: bool
    centerline: Path | None
    centerline_algo: Literal["bspline", "polyfit", "linear", "nurbs"]
    centerline_smooth: float
    centerline_exclude_missing: bool
    pam50: bool
    normalize: tuple[str, ...]
    excel: bool


MEASURING: dict[str, dict[str, Any]] = {
    "-perlevel": {"default": 0, "type": ON_OFF, "help": "A row for each vertebral level."},
    "-z": {"to": "slices", "type": _Numbers(), "help": "Only these slices, such as 5:23."},
    "-vert": {
        "to": "levels",
        "type": _Levels(),
        "help": "Only these levels, such as 2:9 or C2:T2.",
    },
    "-vertfile": {
        "type": PATH,
        "help": "Map with the number of the vertebral level in each voxel.",
    },
    "-discfile": {
        "type": PATH,
        "help": "Single voxels with the number of the disc: value 3 is disc C2/C3.",
    },
    "-levels": {
        "to": "level_source",
        "type": click.Choice(["auto"]),
        "help": "auto: find the levels in the image, as is also done where levels are needed and "
        "no file gives them.",
    },
    "-disc-at": {
        "type": _Anchor(),
        "help": "A known disc: slice and number, such as 120,3 (C2/C3 in slice 120).",
    },
    "-c2c3": {
        "is_flag": True,
        "show_default": False,
        "help": "Print one line: the mean area of C2 and C3, its interval where one is known, and "
        "any doubts.",
    },
    "-pmj": {"type": PATH, "help": "File with one voxel at the pontomedullary junction (PMJ)."},
    "-pmj-distance": {
        "type": float,
        "help": "Distance in mm from the PMJ to the centre of the region.",
    },
    "-pmj-extent": {
        "type": float,
        "default": 20.0,
        "help": "Length of the region along the cord, in mm.",
    },
    "-angle-corr": {
        "default": 1,
        "type": ON_OFF,
        "help": "Measure perpendicular to the centreline (0: in the slice).",
    },
    "-centerline": {
        "type": PATH,
        "help": "Mask whose centreline gives the angles, in place of the mask's own.",
    },
    "-centerline-algo": {
        "default": "bspline",
        "type": click.Choice(["bspline", "polyfit", "linear", "nurbs"]),
        "help": "Method that fits the centreline.",
    },
    "-centerline-smooth": {
        "default": 30.0,
        "help": "Smoothing for bspline; window (mm) for linear.",
    },
    "-centerline-exclude-missing": {
        "default": 0,
        "type": ON_OFF,
        "help": "Leave out the slices that -centerline does not cover.",
    },
    "-normalize-PAM50": {
        "to": "pam50",
        "default": 0,
        "type": ON_OFF,
        "help": "Report by PAM50 slice: -z then counts the slices of the template.",
    },
    "-normalize": {
        "multiple": True,
        "help": "Areas as in the average person, by sex and brain volume: sex 0 brain-volume "
        "960606 [thalamus-volume 13942] (mm³).",
    },
    "-excel": {
        "default": 0,
        "type": ON_OFF,
        "help": "Write ranges as '4 to 17': spreadsheets take SCT's 4:17 for a time.",
    },
}
"""The flags by name, and their settings."""


_SHOWN = ("-levels", "-disc-at", "-c2c3")


def measuring(*, per_slice: int, hidden: bool = False) -> Callable[[_F], _F]:
    """The flags that say which rows the table has; `per_slice` is what -perslice is by itself.

    Hidden flags work, but -h lists of them only those of the levels.
    """

    def decorated(command: _F) -> _F:
        made: Any = command
        rows = {"default": per_slice, "type": ON_OFF, "help": "A row for each slice."}
        for name, settings in reversed([("-perslice", rows), *MEASURING.items()]):
            made = option(name, hidden=hidden and name not in _SHOWN, **settings)(made)
        return made  # type: ignore[no-any-return]

    return decorated


def check_measures(given: MeasureOptions, *, image: bool) -> None:
    """Refuse flags that need or exclude each other; with an `image` levels need no file.

    Raises
    ------
    click.UsageError
        Flags that need or exclude each other.
    """
    _check_levels(given, image=image)
    if given.centerline_exclude_missing and not given.centerline:
        raise click.UsageError("-centerline-exclude-missing needs -centerline.")
    if given.pam50 and not given.perslice:
        raise click.UsageError("-normalize-PAM50 needs -perslice 1.")
    if given.pam50 and given.pmj_distance is not None:
        raise click.UsageError(
            "-pmj-distance is a place in the image, and -normalize-PAM50 gives slices of the "
            "template: give one of them."
        )
    if given.pmj_distance is not None and given.pmj is None:
        raise click.UsageError("-pmj-distance needs -pmj.")
    if given.pmj and given.pmj_distance is None and not given.perslice:
        raise click.UsageError("-pmj needs -pmj-distance or -perslice 1.")
    if given.pmj_distance is not None and not math.isfinite(given.pmj_distance):
        raise click.UsageError(f"-pmj-distance {given.pmj_distance:g}: give a length in mm.")
    if not 0 <= given.centerline_smooth < math.inf:
        raise click.UsageError(
            f"-centerline-smooth {given.centerline_smooth:g}: give a number of at least 0."
        )
    if not 0 < given.pmj_extent < math.inf:
        raise click.UsageError(f"-pmj-extent {given.pmj_extent:g}: give a length in mm above 0.")


def _check_levels(given: MeasureOptions, *, image: bool) -> None:
    known = image or given.vertfile or given.discfile
    if given.vertfile and given.discfile:
        raise click.UsageError("Levels come from -vertfile or from -discfile: give one of them.")
    for name, value in (
        ("-vert", given.levels),
        ("-perlevel", given.perlevel),
        ("-normalize-PAM50", given.pam50),
        ("-c2c3", given.c2c3),
    ):
        if value and not known:
            raise click.UsageError(
                f"{name} needs -vertfile or -discfile, or -anat with the image to find levels in."
            )
    if not image and (given.level_source or given.disc_at):
        name = "-levels" if given.level_source else "-disc-at"
        raise click.UsageError(f"{name} needs -anat: the image to find levels in.")
    if given.disc_at and (given.vertfile or given.discfile):
        raise click.UsageError("-disc-at is for images without -vertfile and -discfile.")


def csa_request(given: MeasureOptions, anat: Path | None = None) -> CsaRequest:
    """The request, its files read.

    Raises
    ------
    ImageError
        A file cannot be used.
    """
    from sct_deepseg_general.csa.measure import CsaRequest
    from sct_deepseg_general.morphometry.centreline import CentrelineFit

    return CsaRequest(
        selection=_selection(given),
        angle_correction=given.angle_corr,
        fit=CentrelineFit(given.centerline_algo, given.centerline_smooth),
        level_map=_labels(given.vertfile),
        discs=_labels(given.discfile),
        pmj=_labels(given.pmj),
        pmj_distance=given.pmj_distance,
        pmj_extent=given.pmj_extent,
        image=_image(anat),
        centreline=_loaded(given.centerline),
        only_on_centreline=given.centerline_exclude_missing,
        to_pam50=given.pam50,
        person=_person(given.normalize),
    )


def level_request(given: MeasureOptions, *, also: bool = False) -> LevelRequest | None:
    """How levels are found; None where neither these flags nor, with `also`, others need them."""
    files = (given.vertfile, given.discfile, given.level_source, given.disc_at)
    wanted = (given.levels, given.perlevel, given.pam50, given.c2c3)
    if not (also or any(files) or any(wanted)):
        return None
    from sct_deepseg_general.levels.answer import LevelRequest
    from sct_deepseg_general.levels.detect import Anchor

    anchor = Anchor(*given.disc_at) if given.disc_at else None
    return LevelRequest(anchor, given.c2c3)


def c2c3_line(name: str, found: C2C3, mask: str, answer: LevelAnswer | None) -> str:
    """The area of C2-C3 in one line, with the status of mask (where it is known) and levels."""
    area = "withheld" if found.area is None else f"{found.area:.1f} mm²"
    if found.lower is not None and found.upper is not None:
        area += f" ({found.lower:.1f} to {found.upper:.1f}"
        if found.repeat is not None:
            area += "; a second scan {:.1f} to {:.1f}".format(*found.repeat)
        area += ")"
    source: str = "as given" if answer is None or answer.found is None else found.status
    if answer is not None and answer.from_file:
        source = f"{found.status}, from the file given"
    words = [f"{name}: C2-C3 area {area}", *([f"mask {mask}"] if mask else []), f"levels {source}"]
    reasons = "; ".join(found.reasons)
    return ", ".join(words) + (f": {reasons}" if reasons else "")


def _selection(given: MeasureOptions) -> Selection:
    from sct_deepseg_general.csa.selection import Selection

    return Selection(
        slices=given.slices or (),
        levels=given.levels or (),
        per_slice=given.perslice,
        per_level=given.perlevel,
    )


def companion_names(
    given: MeasureOptions, anat: Path | None = None, soft: Path | None = None
) -> dict[str, str]:
    """The paths of the files that go with the mask, by the fields of `CsaRequest`, for messages."""
    paths = {
        "level_map": given.vertfile,
        "discs": given.discfile,
        "pmj": given.pmj,
        "centreline": given.centerline,
        "image": anat,
        "soft": soft,
    }
    return {field: str(path) for field, path in paths.items() if path is not None}


def _labels(path: Path | None) -> Volume | None:
    from sct_deepseg_general.image.labels import load_labels

    return load_labels(path) if path else None


def _image(path: Path | None) -> Volume | None:
    from sct_deepseg_general.image.nifti import load

    return load(path) if path else None


def _loaded(path: Path | None) -> Volume | None:
    from sct_deepseg_general.image.nifti import load_map

    return load_map(path, choose="") if path else None


def _person(words: tuple[str, ...]) -> Any:
    from sct_deepseg_general.csa.person import covariates_of

    if not words:
        return None
    names, values = words[::2], words[1::2]
    try:
        pairs = tuple((name, float(value)) for name, value in zip(names, values, strict=True))
    except ValueError:
        raise click.UsageError("-normalize takes pairs of a name and a number.") from None
    return covariates_of(pairs)
