"""The probability that numbers are right: learned from what was right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sct_deepseg_general.level_training.certainty import fitted
from sct_deepseg_general.levels.doubt import Evidence, probability
from sct_deepseg_general.levels.strip import Tissue

ONE = Evidence(Tissue(3.0, 0.2), 1.0, 6, 0.9, 0.9, 20.0, 8.0, 0.0, 0.4, 0.1)


def drawn(count: int = 400) -> tuple[list[Evidence], list[bool]]:
    """Evidence whose margin alone decides: the odds are even at 4."""
    rng = np.random.default_rng(0)
    margins = rng.uniform(0, 15, count)
    evidence = [replace(ONE, margin=margin) for margin in margins]
    odds = 4 * (np.sqrt(margins) - 2)
    return evidence, (rng.random(count) < 1 / (1 + np.exp(-odds))).tolist()


def test_the_probability_is_the_share_that_is_right() -> None:
    evidence, right = drawn(2000)
    certainty = fitted(evidence, right)
    chances = np.array([probability(one, certainty) for one in evidence])
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 1.0)):
        inside = (chances >= low) & (chances < high)
        assert np.array(right)[inside].mean() == pytest.approx(chances[inside].mean(), abs=0.08)


def test_the_weights_that_drew_the_outcomes_are_found() -> None:
    certainty = fitted(*drawn(4000))
    assert certainty.margin == pytest.approx(4, rel=0.15)
    assert certainty.constant == pytest.approx(-8, rel=0.15)


def test_more_ridge_is_less_sure() -> None:
    evidence, right = drawn()
    sure, unsure = fitted(evidence, right), fitted(evidence, right, ridge=1000.0)
    assert probability(ONE, unsure) < probability(ONE, sure)


@pytest.mark.parametrize("right", [True, False])
def test_one_kind_of_outcome_teaches_nothing(right: bool) -> None:
    with pytest.raises(ValueError, match="right and with wrong"):
        fitted([ONE, ONE], [right, right])
