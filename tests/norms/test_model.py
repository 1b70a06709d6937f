import numpy as np
import pytest

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.model import (
    Distribution,
    Family,
    NoNorm,
    Norms,
    Subject,
    embedded,
    level_key,
)

WHO = Family(0.0, 0.0, 7, {"F": 100, "M": 90}, {"F": ((20.0, 80.0),), "M": ((20.0, 80.0),)})


@pytest.mark.parametrize("skewness", [-1.0, 0.0, 1e-9, 0.5, 2.0])
def test_score_and_value_are_inverse(skewness):
    norm = Distribution(66.0, 0.1, skewness, WHO)
    z = np.linspace(-2.5, 2.5, 11)
    assert np.allclose(norm.z_score(norm.value(z)), z)
    assert float(norm.value(0)) == pytest.approx(66.0)


def test_the_embedded_norms_survive_being_written_and_read():
    norms = embedded()
    assert Norms.from_text(norms.to_text()) == norms


def test_women_are_smaller_and_old_people_smaller_than_at_forty():
    def median(age, sex):
        return embedded().distribution("area", "C2-C3", Subject(age, sex), "T1w").median

    assert median(40, "F") < median(40, "M")
    assert median(80, "F") < median(60, "F") < median(40, "F")
    assert median(7, "M") < median(20, "M")
    assert 100 * np.log(median(85, "F") / median(50, "F")) / 35 == pytest.approx(-0.25, abs=0.05)


def test_the_median_lies_within_a_few_mm2_of_the_published_means():
    t2w = embedded().distribution("area", "C3", Subject(28, "M"), "T2w")
    assert t2w.median == pytest.approx(74.7, abs=2.0)  # mean of 104 men of spine-generic


@pytest.mark.parametrize(
    ("age", "sex", "family", "level", "says"),
    [
        (54, "F", "T2w", "C2-C3", "other ages"),
        (14, "M", "T1w", "C3", "other ages"),
        (54, "F", "T2star", "C3", "no norm of T2star"),
        (54, "F", "T1w", "T2", "no norm of T1w"),
    ],
)
def test_outside_of_what_was_measured_there_is_no_norm(age, sex, family, level, says):
    found = embedded().distribution("area", level, Subject(age, sex), family)
    assert isinstance(found, NoNorm)
    assert says in found.reason


@pytest.mark.parametrize(("age", "sex"), [(540, "F"), (-1, "M"), (float("nan"), "F"), (54, "x")])
def test_impossible_people_are_refused(age, sex):
    with pytest.raises(NormsError):
        Subject(age, sex)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "cells": [{}]}'])
def test_damaged_files_are_refused(text):
    with pytest.raises(NormsError):
        Norms.from_text(text)


def test_levels_have_names():
    assert level_key((2, 3)) == "C2-C3"
    assert level_key((1,)) == "C1"
    assert level_key((9,)) == "T2"
    assert [level_key(t) for t in ((10,), (0,), (3, 4), ())] == [None] * 4
