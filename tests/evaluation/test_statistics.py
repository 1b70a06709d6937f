from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measurements import profile, row

from sct_deepseg_general.evaluation.measurement import AreaProfile, Measurement
from sct_deepseg_general.evaluation.statistics import (
    by_person,
    compare_models,
    contrast_bias,
    holm,
    mean_over_people,
    pooled_sd,
    summary,
    wilcoxon,
)


def test_a_person_counts_once_however_many_images() -> None:
    rows = [row(person="a", dice=0.0)] * 8 + [row(person="b", dice=1.0)]
    assert by_person(rows, "dice") == {"a": 0.0, "b": 1.0}
    found = summary(rows, "dice")
    assert (found.mean, found.people, found.images) == (0.5, 2, 9)
    assert found.sd == pytest.approx(np.sqrt(0.5))
    assert (found.low, found.high) == (0, 1)


def test_one_person_has_no_spread() -> None:
    found = summary([row(dice=0.8), row(dice=0.6)], "dice")
    assert found.mean == pytest.approx(0.7)
    assert found.worst == 0.6
    assert np.isnan([found.sd, found.low, found.high]).all()


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        rows = [row(person=str(i), dice=v) for i, v in enumerate(rng.normal(0.9, 0.05, 30))]
        found = summary(rows, "dice")
        hits += found.low <= 0.9 <= found.high
    assert 51 <= hits <= 60


def test_the_interval_is_the_same_each_time() -> None:
    rows = [row(person=str(i), dice=i / 10) for i in range(10)]
    assert summary(rows, "dice") == summary(rows, "dice")


def test_a_signed_mean_hides_what_the_absolute_shows() -> None:
    """Trap: the worst model (Dice 0.03) looked best by its signed volume error."""
    bad = [
        row("bad", str(i), volume_error=e, volume_error_abs=abs(e))
        for i, e in enumerate((-90, 100))
    ]
    good = [row("good", str(i), volume_error=8, volume_error_abs=8) for i in range(2)]
    assert summary(bad, "volume_error").mean < summary(good, "volume_error").mean
    assert summary(bad, "volume_error_abs").mean > summary(good, "volume_error_abs").mean


def exact_p(first: list[float], second: list[float]) -> float:
    """Wilcoxon's p by going through all signs of the ranks."""
    d = np.subtract(first, second)
    ranks = np.argsort(np.argsort(np.abs(d))) + 1
    middle = ranks.sum() / 2
    observed = abs(ranks[d > 0].sum() - middle)
    sums = [abs(np.dot(signs, ranks) - middle) for signs in product((0, 1), repeat=len(d))]
    return float(np.mean(np.array(sums) >= observed - 1e-9))


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000).filter(bool), min_size=2, max_size=9, unique_by=abs))
def test_wilcoxon_equals_the_count_over_all_signs(differences: list[int]) -> None:
    zeros = [0.0] * len(differences)
    assert wilcoxon(differences, zeros) == pytest.approx(exact_p(differences, zeros))


def test_wilcoxon_where_there_is_little_to_test() -> None:
    assert wilcoxon([0.5, 0.6], [0.5, 0.6]) == 1
    assert np.isnan(wilcoxon([0.5], [0.4]))
    assert np.isnan(wilcoxon([], []))
    assert 0 < wilcoxon([0.5, 0.6, 0.7, 0.7], [0.5, 0.5, 0.6, 0.5]) <= 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.6, 0.7]) == (1, 1)
    corrected = holm([0.01, float("nan"), 0.04])
    assert corrected[0] == pytest.approx(0.02)
    assert np.isnan(corrected[1])
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = np.array(holm(p_values))
    assert (corrected >= np.array(p_values)).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p_values, kind="stable")]) >= 0).all()


def test_general_and_rival_are_paired_by_person() -> None:
    """Trap: pairs matched by case number, wrong in a merged set."""
    values = {"a": 0.5, "b": 0.6, "c": 0.7, "d": 0.9}
    rows = [row("general", p, dice=v + 0.01 * i) for i, (p, v) in enumerate(values.items(), 1)]
    rows += [row("s", p, dice=v) for p, v in reversed(values.items())]
    (found,) = compare_models(rows, "general", {"dice": True}, lambda *_: "s")
    assert found.difference == pytest.approx(0.025)
    assert found.people == 4
    assert found.p == found.p_holm == pytest.approx(0.125)


def test_correction_is_over_the_whole_table() -> None:
    rows = [
        row(model, str(p), test_set, dice=0.5 + (model == "general") * (p + 1) / 100)
        for model, p, test_set in product(("general", "s"), range(6), ("x", "y"))
    ]
    found = compare_models(rows, "general", {"dice": True}, lambda *_: "s")
    assert [one.p for one in found] == pytest.approx([0.03125, 0.03125])
    assert [one.p_holm for one in found] == pytest.approx([0.0625, 0.0625])
    assert compare_models(rows, "general", {"dice": True}, lambda *_: "") == ()


def test_the_bias_of_a_contrast_is_against_the_persons_mean_where_both_were_measured() -> None:
    rows = [
        row(contrast="T1w", profile=profile(0, 40, 52)),
        row(contrast="T2w", profile=profile(20, 80, 48)),
    ]
    first, second = contrast_bias(rows)
    assert (first.contrast, first.slices) == ("T1w", 11)
    assert (first.bias, second.bias) == pytest.approx((2, -2))
    assert (first.reference, second.reference) == pytest.approx((0, 0))
    assert pooled_sd([first, second]) == pytest.approx(np.std([2, -2], ddof=1))


def test_a_person_with_two_sessions_counts_once() -> None:
    rows = [
        row(person=person, session=session, contrast=contrast, profile=profile(0, 40, area))
        for person, session, t1w, t2w in (
            ("p", "ses-1", 52, 48),
            ("p", "ses-2", 52, 48),
            ("q", "ses-1", 58, 42),
        )
        for contrast, area in (("T1w", t1w), ("T2w", t2w))
    ]
    biases = contrast_bias(rows)
    of_t1w = [one for one in biases if one.contrast == "T1w"]
    assert mean_over_people(of_t1w, lambda one: one.bias) == pytest.approx((2 + 8) / 2)
    assert pooled_sd(biases) == pytest.approx(np.sqrt((8 + 128) / 2))


@pytest.mark.parametrize(
    "other",
    [
        row(contrast="T2w", profile=profile(60, 80, 48)),
        row(contrast="T2w", session="ses-2", profile=profile(0, 40, 48)),
        row(contrast="T1w", profile=profile(0, 40, 48)),
        row(contrast="T2w", person="q", profile=profile(0, 40, 48)),
        row(contrast="T2w", profile=AreaProfile()),
    ],
)
def test_what_cannot_be_compared_is_left_out(other: Measurement) -> None:
    assert contrast_bias([row(contrast="T1w", profile=profile(0, 40, 52)), other]) == ()
    assert np.isnan(pooled_sd([]))


def test_runs_of_one_contrast_are_averaged() -> None:
    rows = [
        row(contrast="T1w", run="run-1", profile=profile(0, 20, 50)),
        row(contrast="T1w", run="run-2", profile=profile(0, 20, 54)),
        row(contrast="T2w", profile=profile(0, 20, 52)),
    ]
    assert [one.bias for one in contrast_bias(rows)] == pytest.approx([0, 0])
