"""The picture of change over the sessions of each person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sct_deepseg_general.batch.worklist import Item
from sct_deepseg_general.cohort.change_plot import courses_of, save_change_plot
from sct_deepseg_general.cohort.sessions import Visit


def visit(person: str, session: str) -> Visit:
    return Visit(Item(f"{person}/{session}", Path(session), person, session, "T2w"), None)


def record(*levels: str, percent: float = -1.0, known: bool = True) -> dict[str, Any]:
    reach = 2.0
    return {
        "Levels": [
            {
                "level": level,
                "change_percent": percent,
                "lower_percent": percent - reach if known else None,
                "upper_percent": percent + reach if known else None,
            }
            for level in levels
        ]
    }


def test_a_course_follows_the_part_that_all_sessions_share() -> None:
    first = visit("sub-01", "ses-1")
    (course,) = courses_of(
        [
            (first, visit("sub-01", "ses-2"), 1.0, record("C2-C3", "C3", percent=-1)),
            (first, visit("sub-01", "ses-3"), 2.5, record("C3", "shared", percent=-2)),
        ]
    )
    assert (course.level, course.times, course.dated) == ("C3", (1.0, 2.5), True)
    assert (course.percent, course.interval) == ((-1, -2), ((-3.0, 1.0), (-4.0, 0.0)))


def test_without_all_dates_sessions_are_counted() -> None:
    first = visit("sub-01", "ses-1")
    (course,) = courses_of(
        [
            (first, visit("sub-01", "ses-2"), None, record("C3")),
            (first, visit("sub-01", "ses-3"), 2.5, record("C3", known=False)),
        ]
    )
    assert (course.times, course.dated) == ((1, 2), False)
    assert course.interval[1] is None


def test_a_comparison_without_a_result_is_left_out() -> None:
    assert courses_of([(visit("a", "1"), visit("a", "2"), None, {"Reason": "no cord"})]) == []


@pytest.mark.parametrize("years", [(1.0,), (None,), (1.0, None)])
def test_dated_and_undated_people_are_drawn(tmp_path: Path, years: tuple[float | None]) -> None:
    compared = [
        (visit(f"sub-{n}", "ses-1"), visit(f"sub-{n}", "ses-2"), apart, record("C2-C3"))
        for n, apart in enumerate(years)
    ]
    save_change_plot(tmp_path / "change.png", courses_of(compared))
    assert (tmp_path / "change.png").read_bytes().startswith(b"\x89PNG")
