"""The picture of change over the sessions of each person of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sct_deepseg_general.cohort.sessions import Visit
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.norms.group_plot import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PersonChange", "courses_of", "save_change_plot"]

_GREY = "#7a8794"
_NAMED = 12
"""People named in the legend; with more of them there is none."""


@dataclass(frozen=True)
class PersonChange:
    """The change of one person since the first session."""

    person: str
    contrast: str
    level: str
    """The part of the cord: "C2-C3" where it is in all images, else the first that is."""
    times: tuple[float, ...]
    """Years since the first session, or the number of the session where a date is missing; the
    first session is not among them.
    """
    dated: bool
    """Whether `times` are years."""
    percent: tuple[float, ...]
    """Change of the mean area in per cent."""
    interval: tuple[tuple[float, float] | None, ...]
    """Of each change, in per cent; None where the repeat error of the model is not known."""


def courses_of(
    compared: Sequence[tuple[Visit, Visit, float | None, Mapping[str, Any]]],
) -> list[PersonChange]:
    """The course of each person, from the first image, the later one, the years between them and
    the record of each comparison; comparisons without a result are left out.
    """
    series: dict[str, list[tuple[Visit, Visit, float | None, Mapping[str, Any]]]] = {}
    for one in compared:
        if "Levels" in one[3]:
            series.setdefault(one[0].item.key, []).append(one)
    return [course for own in series.values() if (course := _course(own)) is not None]


def _course(
    own: Sequence[tuple[Visit, Visit, float | None, Mapping[str, Any]]],
) -> PersonChange | None:
    by_name = [{level["level"]: level for level in record["Levels"]} for *_, record in own]
    shared = [name for name in by_name[0] if all(name in levels for levels in by_name)]
    if not shared:
        return None
    found = [levels[shared[0]] for levels in by_name]
    years = [one[2] for one in own]
    dated = all(one is not None for one in years)
    first = own[0][0].item
    return PersonChange(
        person=first.participant,
        contrast=first.contrast,
        level=shared[0],
        times=tuple(float(y or 0) if dated else n for n, y in enumerate(years, 1)),
        dated=dated,
        percent=tuple(level["change_percent"] for level in found),
        interval=tuple(
            None
            if level["lower_percent"] is None
            else (level["lower_percent"], level["upper_percent"])
            for level in found
        ),
    )


def save_change_plot(path: Path, courses: Sequence[PersonChange]) -> None:
    """Draw the change of each person since the first session, with its interval, as a PNG file.

    Parameters
    ----------
    path
        The file; it appears complete or not at all.
    courses
        At least one; those with dates and those without get a panel each.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    panels = [own for dated in (True, False) if (own := [c for c in courses if c.dated is dated])]
    drawn = Figure(figsize=(8.0, 3.8 * len(panels)), layout="constrained", facecolor="white")
    for axes, own in zip(drawn.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        _draw(axes, own)
    with write_whole(path) as temporary:
        drawn.savefig(temporary, format="png", dpi=130)


def _draw(axes: Axes, courses: Sequence[PersonChange]) -> None:
    axes.axhline(0, color=_GREY, lw=0.8)
    for index, course in enumerate(courses):
        colour = COLOURS[index % len(COLOURS)]
        label = f"{course.person} ({course.level})"
        axes.plot((0, *course.times), (0, *course.percent), "-o", color=colour, ms=4, label=label)
        for time, interval in zip(course.times, course.interval, strict=True):
            if interval is not None:
                axes.plot((time, time), interval, color=colour, lw=1, alpha=0.6)
    axes.set_ylabel("change of the area (%)")
    axes.set_xlabel("years since the first session" if courses[0].dated else _UNDATED)
    if not courses[0].dated:
        axes.set_xticks(range(1 + max(len(course.times) for course in courses)))
    if len(courses) <= _NAMED:
        axes.legend(frameon=False, fontsize=8)


_UNDATED = "later sessions in their order, without dates (0 is the first session)"
