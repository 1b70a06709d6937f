"""Which images may be compared, by their names and their content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sct_deepseg_general.change.pairing import check_names, remarks_of, same_image
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Volume

IMAGE = Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4), Grid((2, 3, 4), np.eye(4)))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sub-01_ses-1_T2w.nii.gz", "sub-01_ses-2_T2w.nii.gz"),
        ("sub-01_ses-1_T2w.nii.gz", "sub-01_ses-2_run-2_T2w.nii"),
        ("sub-01_T2w.nii.gz", "t2.nii.gz"),
        ("visit1", "visit2"),
    ],
)
def test_names_of_one_person_or_of_nobody_pass(first: str, second: str) -> None:
    check_names(Path(first), Path("other") / second)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ("sub-02_ses-2_T2w.nii.gz", r"two people by their names \(sub-01, sub-02\)"),
        ("sub-01_ses-2_T1w.nii.gz", r"two contrasts by their names \(T2w, T1w\)"),
    ],
)
def test_names_of_two_people_or_contrasts_are_refused(second: str, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        check_names(Path("sub-01_ses-1_T2w.nii.gz"), Path(second))


def test_the_same_image_has_the_same_values_at_the_same_places() -> None:
    other = replace(IMAGE, data=IMAGE.data.copy())
    moved = replace(IMAGE, grid=Grid((2, 3, 4), np.diag([1.0, 1.0, 2.0, 1.0])))
    assert same_image(IMAGE, other)
    assert not same_image(IMAGE, replace(IMAGE, data=IMAGE.data + 1))
    assert not same_image(IMAGE, moved)


def test_what_was_done_to_an_image_is_said() -> None:
    assert remarks_of(IMAGE, Path("a.nii")) == []
    found = remarks_of(replace(IMAGE, frames=3, undefined=7), Path("a.nii"))
    assert found == [
        "a.nii is a series of 3 volumes: their mean is compared.",
        "a.nii has 7 voxels without a value (NaN): background.",
    ]
