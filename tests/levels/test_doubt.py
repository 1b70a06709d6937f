"""Each reason to withhold numbers, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sct_deepseg_general.levels.doubt import (
    NO_C2C3,
    Evidence,
    contrast_reasons,
    number_reasons,
    probability,
)
from sct_deepseg_general.levels.record import Certainty, Limits, embedded_model
from sct_deepseg_general.levels.strip import Tissue

GOOD = Evidence(
    tissue=Tissue(3.0, 0.2),
    thickness=1.0,
    discs=8,
    response=0.93,
    c2c3=0.95,
    above=25.0,
    margin=12.0,
    growth=-0.2,
    spread=0.3,
    offset=0.1,
)
LIMITS = Limits()
MARGIN = Certainty(constant=-6.0, margin=4.0)


def test_clear_evidence_gives_no_reason() -> None:
    assert contrast_reasons(GOOD, LIMITS) == ()
    assert number_reasons(GOOD, LIMITS, MARGIN, anchored=False) == ()
    embedded = embedded_model()
    assert number_reasons(GOOD, embedded.limits, embedded.certainty, anchored=False) == ()


@pytest.mark.parametrize(
    ("tissue", "proven"),
    [
        (Tissue(2.3, 0.38), True),  # T2w
        (Tissue(1.4, 0.25), True),  # T2*w
        (Tissue(1.5, 0.43), False),  # MT
        (Tissue(0.7, 0.5), False),  # T1w
        (Tissue(1.6, 0.9), False),  # T2w, inverted
        (Tissue(float("nan"), float("nan")), False),
    ],
)
def test_only_proven_contrasts_pass(tissue: Tissue, proven: bool) -> None:
    reasons = contrast_reasons(replace(GOOD, tissue=tissue), LIMITS)
    assert (reasons == ()) is proven
    assert proven or "contrast not proven" in reasons[0]


def test_slices_thicker_than_half_a_vertebra_are_refused() -> None:
    assert "17 mm apart" in contrast_reasons(replace(GOOD, thickness=17.0), LIMITS)[0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"discs": 1}, "fewer than two discs"),
        ({"response": 0.5}, "not clear"),
        ({"c2c3": 0.3}, NO_C2C3),
        ({"above": 3.0}, "C2/C3 is not in the field of view with 8 mm above it: levels are"),
        ({"margin": 1.0}, "numbers are in doubt (right with a probability of 0.12"),
    ],
)
def test_each_doubt_is_said(changed: dict[str, float], said: str) -> None:
    (reason,) = number_reasons(replace(GOOD, **changed), LIMITS, MARGIN, anchored=False)
    assert said in reason


def test_without_a_fit_nothing_is_sure() -> None:
    assert probability(GOOD, Certainty()) == 0.5
    assert number_reasons(GOOD, LIMITS, Certainty(), anchored=False)


def test_the_probability_is_that_of_the_weighed_figures() -> None:
    odds = -6 + 4 * 12**0.5
    assert probability(GOOD, MARGIN) == pytest.approx(1 / (1 + 2.718281828**-odds))
    more, most = (probability(replace(GOOD, margin=m), MARGIN) for m in (15.0, 99.0))
    assert more == most > probability(GOOD, MARGIN)


def test_the_embedded_weights_trust_a_larger_margin_more() -> None:
    certainty = embedded_model().certainty
    assert probability(replace(GOOD, margin=4.0), certainty) < probability(GOOD, certainty)


def test_two_discs_are_enough_in_thick_slices() -> None:
    few = replace(GOOD, discs=2, thickness=8.0)
    assert number_reasons(few, LIMITS, MARGIN, anchored=False) == ()


@pytest.mark.parametrize("figure", [0.0, -1.0, float("inf")])
def test_figures_at_their_ends_are_weighed(figure: float) -> None:
    odd = replace(GOOD, margin=figure)
    assert 0 <= probability(odd, embedded_model().certainty) <= 1


def test_a_known_disc_stands_for_c2c3() -> None:
    unseen = replace(GOOD, c2c3=0.0, margin=0.0)
    assert number_reasons(unseen, LIMITS, Certainty(), anchored=True) == ()
    assert number_reasons(replace(unseen, discs=1), LIMITS, Certainty(), anchored=True)
    (reason,) = number_reasons(replace(unseen, response=0.5), LIMITS, Certainty(), anchored=True)
    assert "not clear" in reason
