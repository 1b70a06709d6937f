"""Factor and shift of the logits that make a probability true."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.accuracy.label_bias import truer


@pytest.mark.parametrize(("times", "shift"), [(1.0, 0.0), (2.0, 0.0), (1.5, -0.4), (0.7, 0.6)])
def test_the_fit_finds_what_spoiled_the_probability(times: float, shift: float) -> None:
    logit = np.linspace(-4, 4, 81)
    voxels = np.full(logit.size, 1000.0)
    given = voxels / (1 + np.exp(-logit))
    cord = voxels / (1 + np.exp(-(times * logit + shift)))
    assert truer(given, cord, voxels) == pytest.approx((times, shift), abs=0.01)


def test_empty_bins_say_nothing() -> None:
    voxels = np.array([10.0, 0.0, 10.0])
    given = np.array([2.0, 0.0, 8.0])
    assert truer(given, given, voxels) == pytest.approx((1.0, 0.0), abs=0.01)
