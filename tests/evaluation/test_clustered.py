"""Paired comparison with people as clusters: against enumeration, and its laws."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon

from sct_deepseg_general.evaluation.clustered import EXACT, paired_effect

RNG = np.random.default_rng(5)


def test_with_one_image_a_person_it_is_wilcoxons_exact_test() -> None:
    first, second = RNG.normal(0.2, 1, 10), RNG.normal(0, 1, 10)
    people = [str(number) for number in range(10)]
    expected = wilcoxon(first - second, method="exact").pvalue
    assert paired_effect(first, second, people).p == pytest.approx(expected)


def test_the_signs_of_a_person_are_turned_together() -> None:
    difference = np.array([0.3, 0.2, -0.1, 0.4, 0.5])
    people = ["a", "a", "b", "c", "c"]
    ranks = rankdata(np.abs(difference)) * np.sign(difference)
    sums = [ranks[:2].sum(), ranks[2], ranks[3:].sum()]
    turned = [abs(np.dot(signs, sums)) for signs in product((1, -1), repeat=3)]
    expected = np.mean([one >= abs(sum(sums)) - 1e-9 for one in turned])
    found = paired_effect(difference, np.zeros(5), people)
    assert found.p == pytest.approx(expected)
    assert found.difference == pytest.approx(np.mean([0.25, -0.1, 0.45]))
    assert found.wins == pytest.approx(0.8)
    assert (found.images, found.people) == (5, 3)


def test_many_images_of_one_person_are_no_evidence_of_their_own() -> None:
    few = paired_effect([1.0, 1.1, 0.9], [0, 0, 0], ["a", "b", "c"])
    many = paired_effect([1.0] * 50 + [1.1, 0.9], [0] * 52, ["a"] * 50 + ["b", "c"])
    assert many.p == pytest.approx(few.p) == pytest.approx(2 / 2**3)


def test_exchanging_the_models_turns_the_sign_and_nothing_else() -> None:
    first, second = RNG.normal(0.1, 1, 30), RNG.normal(0, 1, 30)
    people = [f"p{number % 20}" for number in range(30)]
    assert len(set(people)) > EXACT
    one, other = paired_effect(first, second, people), paired_effect(second, first, people)
    assert one.difference == pytest.approx(-other.difference)
    assert one.low == pytest.approx(-other.high, abs=0.02)
    assert one.wins == pytest.approx(1 - other.wins)
    assert one.p == pytest.approx(other.p)
    assert one.low < one.difference < one.high


def test_without_enough_people_or_differences_there_is_no_test() -> None:
    alone = paired_effect([0.9, 0.8], [0.7, 0.9], ["a", "a"])
    assert np.isnan([alone.p, alone.low, alone.high]).all()
    assert paired_effect([0.5, 0.5], [0.5, 0.5], ["a", "b"]).p == 1.0
    assert np.isnan(paired_effect([], [], []).difference)
