"""Each reason to withhold numbers, one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sct_deepseg_general.levels.doubt import Evidence, contrast_reasons, number_reasons
from sct_deepseg_general.levels.record import Limits
from sct_deepseg_general.levels.strip import Tissue

GOOD = Evidence(
    tissue=Tissue(3.0, 0.2),
    thickness=1.0,
    discs=8,
    response=0.93,
    c2c3=0.95,
    above=25.0,
    margin=12.0,
    spread=0.3,
    offset=0.1,
)
LIMITS = Limits()


def test_clear_evidence_gives_no_reason() -> None:
    assert contrast_reasons(GOOD, LIMITS) == ()
    assert number_reasons(GOOD, LIMITS, anchored=False) == ()


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
        ({"discs": 2}, "fewer than three discs"),
        ({"response": 0.5}, "not clear"),
        ({"c2c3": 0.3}, "C2/C3 is not in the field of view"),
        ({"above": 3.0}, "C2/C3 is not in the field of view"),
        ({"margin": 1.0}, "numbers are in doubt"),
        ({"margin": 4.0, "c2c3": 0.65}, "numbers are in doubt"),
        ({"spread": 0.9}, "numbers are in doubt"),
    ],
)
def test_each_doubt_is_said(changed: dict[str, float], said: str) -> None:
    (reason,) = number_reasons(replace(GOOD, **changed), LIMITS, anchored=False)
    assert said in reason


def test_less_margin_is_enough_where_c2c3_is_clear() -> None:
    assert number_reasons(replace(GOOD, margin=4.0), LIMITS, anchored=False) == ()


def test_a_known_disc_stands_for_c2c3() -> None:
    unseen = replace(GOOD, c2c3=0.0, margin=0.0)
    assert number_reasons(unseen, LIMITS, anchored=True) == ()
    assert number_reasons(replace(unseen, discs=1), LIMITS, anchored=True)
