from __future__ import annotations

from pathlib import Path

import pytest

from sct_deepseg_general.bids.cases import case_of


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("sub-1_T2w.nii.gz", "T2w"),
        ("sub-1_acq-MTon_MTS.nii.gz", "MTon"),
        ("sub-1_flip-1_mt-off_MTS.nii.gz", "MToff"),
        ("sub-1_acq-T1w_MTS.nii.gz", "MTS"),
        ("sub-1_acq-crop_T2star.nii", "T2star"),
        ("sub-1_UNIT1.nii.gz", "UNIT1"),
    ],
)
def test_contrast_is_told_by_the_name(name: str, contrast: str) -> None:
    assert case_of(Path(name), "ds").contrast == contrast
