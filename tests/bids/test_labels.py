from __future__ import annotations

from pathlib import Path

import pytest

from sct_deepseg_general.bids.cases import DatasetSelection
from sct_deepseg_general.bids.dataset import index


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"image")
    return path


def label_path(root: Path, name: str, place: str = "sub-01/anat") -> Path:
    return touch(root / "derivatives" / "labels" / place / name)


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_T2w_seg-manual.nii.gz",
        "sub-01_T2w_label-SC_seg.nii",
        "sub-01_T2w_label-SC_softseg.nii.gz",
        "sub-01_T2w_desc-manual_seg.nii.gz",
        "sub-01_space-other_T2w_label-SC_seg.nii.gz",
    ],
)
def test_each_label_convention_is_recognised(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "sub-01/anat/sub-01_T2w.nii.gz")
    label = label_path(tmp_path, name)
    (case,) = index(tmp_path).cases
    assert case.label == label


def test_the_first_suffix_asked_for_wins(tmp_path: Path) -> None:
    touch(tmp_path / "sub-01/anat/sub-01_T2w.nii.gz")
    label_path(tmp_path, "sub-01_T2w_label-SC_seg.nii.gz")
    soft = label_path(tmp_path, "sub-01_T2w_label-SC_softseg.nii.gz")
    wanted = DatasetSelection(label_suffixes=("_label-SC_softseg", "_label-SC_seg"))
    assert index(tmp_path, wanted).cases[0].label == soft


def test_a_label_of_another_structure_is_not_the_cord(tmp_path: Path) -> None:
    touch(tmp_path / "sub-01/anat/sub-01_T2w.nii.gz")
    label_path(tmp_path, "sub-01_T2w_label-disc_dlabel.nii.gz")
    label_path(tmp_path, "sub-01_T2w_csfseg-manual.nii.gz")
    assert index(tmp_path).labelled == ()


def test_the_label_goes_to_the_longest_matching_name(tmp_path: Path) -> None:
    mean = touch(tmp_path / "sub-01/func/sub-01_task-rest_desc-mean_bold.nii.gz")
    touch(tmp_path / "sub-01/func/sub-01_task-rest_bold.nii.gz")
    label_path(tmp_path, "sub-01_task-rest_desc-mean_bold_seg-manual.nii.gz", "sub-01/func")
    (case,) = index(tmp_path).labelled
    assert case.image == mean
