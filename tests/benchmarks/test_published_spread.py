"""What the spread of ratios over people and levels is made of."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.accuracy import published_spread
from benchmarks.accuracy.published_spread import (
    Course,
    best_shift,
    by_discs,
    components,
    repeats,
    row,
)
from benchmarks.support import reference_areas
from sct_deepseg_general.csa.pam50 import template_levels


def course(moved: float = 0.0) -> Course:
    """Areas with an enlargement at C5; published ones are the same, `moved` slices further up."""
    places = np.arange(500.0, 960.0)
    return Course("sub-x", places, area(places + moved))


def area(places: np.ndarray) -> np.ndarray:
    return 60 + 20 * np.exp(-(((places - 780) / 60) ** 2))


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    places = np.arange(template_levels().size)
    known = dict(zip(places.tolist(), area(places).tolist(), strict=True))
    monkeypatch.setattr(reference_areas, "published", lambda person: known)


def test_the_components_are_those_that_the_table_was_made_of() -> None:
    rng = np.random.default_rng(3)
    person, level = rng.normal(0, 0.05, (400, 1)), rng.normal(0, 0.02, (1, 300))
    found = components(1 + person + level + rng.normal(0, 0.03, (400, 300)))
    assert found.person == pytest.approx(0.05, rel=0.1)
    assert found.level == pytest.approx(0.02, rel=0.15)
    assert found.rest == pytest.approx(0.03, rel=0.02)
    assert found.total == pytest.approx((0.05**2 + 0.02**2 + 0.03**2) ** 0.5, rel=0.1)


def test_no_component_is_below_zero() -> None:
    found = components(np.array([[1.0, 0.9], [0.9, 1.0]]))
    assert found.person == found.level == 0


def test_discs_in_the_wrong_place_are_noticed_and_found() -> None:
    assert np.nanmax(np.abs(course().ratios() - 1)) < 0.01
    assert np.nanstd(course(12.0).ratios()) > 0.02
    shift, ratios = best_shift(course(12.0))
    assert shift == pytest.approx(6.0, abs=0.5)  # 12 slices of 0.5 mm
    assert np.nanmax(np.abs(ratios - 1)) < 0.01


def test_larger_errors_of_the_discs_change_the_ratios_more() -> None:
    people = [course()]
    small, large = by_discs(people, 0.5), by_discs(people, 4.0)
    assert 0 < small < large < 0.2


def test_a_row_says_how_alike_two_masks_are() -> None:
    ours = course(12.0)
    assert row(ours, "ours", ours).endswith("|  |")
    assert row(course(14.0), "other", ours).endswith("| +1.00 |")
    assert "| -" in row(course(-14.0), "other", ours)


def test_repeats_are_around_the_mean_of_the_person_and_of_sessions_near_in_time() -> None:
    rng = np.random.default_rng(1)
    people = {}
    for n in range(300):
        own = rng.normal(70, 5)
        sessions = []
        for age in (30.0, 31.0, 40.0):
            of_session = 1 + rng.normal(0, 0.1)
            levels = {k: (own * of_session * (1 + rng.normal(0, 0.02)), 20) for k in range(2, 8)}
            sessions.append((age, f"ses-{age:g}", levels))
        people["set T1w", str(n)] = sessions
    pairs, deviation = repeats(people)["set T1w"]
    assert pairs == 300  # not those ten years apart
    assert deviation == pytest.approx(0.02, rel=0.1)


def test_levels_that_are_cut_do_not_count() -> None:
    first = dict.fromkeys(range(2, 8), (70.0, 20))
    second = {k: (70.0 if k < 7 else 20.0, 20 if k < 7 else 5) for k in range(2, 8)}
    found = repeats({("set T1w", "1"): [(30.0, "a", first), (30.5, "b", second)]})
    assert found["set T1w"] == (1, 0.0)
    assert published_spread.WHOLE > 0.5
