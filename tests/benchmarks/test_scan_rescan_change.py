"""The repeat error of a change: each person counts the same."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality.scan_rescan_change import Pair, by_person, record_of
from sct_deepseg_general.change.repeat import Repeatability


def pair(who: str, percent: float, boundary: float = 3.0) -> Pair:
    return Pair(who, percent, boundary, percent, (percent, -percent))


def test_many_pairs_of_one_person_count_as_one_person() -> None:
    few = [pair("a", 2.0), pair("b", 1.0)]
    many = [pair("a", 2.0)] * 9 + [pair("b", 1.0)]
    assert by_person(many, "area") == pytest.approx(by_person(few, "area"))
    assert by_person(few, "area") == pytest.approx(np.sqrt(2.5))


def test_an_unknown_boundary_shift_is_left_out() -> None:
    assert by_person([pair("a", 1.0), pair("b", 1.0, np.nan)], "boundary") == 3.0


def test_the_record_is_one_that_a_model_can_have() -> None:
    found = Repeatability.from_record(record_of([pair("a", 2.0), pair("a", 1.0), pair("b", 1.0)]))
    assert found is not None
    assert (found.pairs, found.people) == (3, 2)


def test_the_interval_of_few_people_holds_nine_in_ten_changes_of_other_people() -> None:
    rng = np.random.default_rng(3)
    held = []
    for _ in range(400):
        own = [pair(f"p{n}", float(d)) for n, d in enumerate(rng.normal(0, 1, 3))]
        repeat = Repeatability(by_person(own, "area"), 1.0, 1.0, 3, 3)
        held += (np.abs(rng.normal(0, 1, 50)) <= repeat.reach(33.0)).tolist()
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)
