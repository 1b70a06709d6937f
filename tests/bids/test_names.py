from __future__ import annotations

import pytest

from sct_deepseg_general.bids.names import MASK_WORDS, is_mask_name, name_parts


@pytest.mark.parametrize(
    "stem", ["sub-01_T2w_brain", "sub-01_T2w (1)", "T2w", "acq-sag_T2w", "sub-01_sub-02_T2w"]
)
def test_a_name_that_bids_does_not_know_has_no_parts(stem: str) -> None:
    assert name_parts(stem) is None


@pytest.mark.parametrize("word", MASK_WORDS)
def test_a_mask_is_known_by_the_last_word_of_its_name(word: str) -> None:
    assert is_mask_name(f"sub-01_T2w_{word}")
    assert is_mask_name(f"sub-01_T2w_{word}-manual")
    assert not is_mask_name(f"sub-01_acq-{word}_T2w")
