"""The worst finding gives the status, and slices are spelled as runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sct_deepseg_general.quality.findings import Finding, below, numbers, spelled, summed_up


def test_the_worst_finding_is_the_status_and_all_reasons_are_kept() -> None:
    found = summed_up([Finding("warn", "a", (3, 1)), Finding("fail", "b"), Finding("ok", "c")], 0.5)
    assert (found.status, found.reasons, found.flagged) == ("fail", ("a", "b", "c"), (1, 3))
    assert summed_up([], 0.9).status == "ok"


@pytest.mark.parametrize(
    ("value", "status"), [(0.1, "fail"), (0.3, "warn"), (0.5, "warn"), (0.7, "ok"), (0.8, "ok")]
)
def test_a_value_is_judged_by_the_pair_of_limits(value: float, status: str) -> None:
    assert below(value, (0.3, 0.7)) == status


def test_numbers_are_those_of_the_chosen_slices() -> None:
    assert numbers(np.array([False, True, True, False])) == (1, 2)


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ((3,), "3"),
        ((3, 4), "3, 4"),
        ((3, 4, 5, 9), "3 to 5, 9"),
        (tuple(range(0, 30, 2)), "0, 2, 4, 6 and 11 more"),
    ],
)
def test_slices_are_spelled_as_runs(slices: tuple[int, ...], words: str) -> None:
    assert spelled(slices) == words


def test_each_reason_keeps_the_status_that_it_led_to() -> None:
    quality = summed_up([Finding("warn", "a"), Finding("fail", "b")], 0.5)
    assert quality.status == "fail"
    assert quality.findings == (("warn", "a"), ("fail", "b"))


def test_a_reason_without_a_status_of_its_own_led_to_that_of_the_result() -> None:
    quality = summed_up([Finding("warn", "a")], 0.5)
    longer = replace(quality, status="fail", reasons=(*quality.reasons, "c"))
    assert longer.findings == (("warn", "a"), ("fail", "c"))
