"""Existing masks are measured like a model's, and found by the image's name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from phantoms import Convention, phantom_bids

from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.errors import DatasetError, MissingContentError
from sct_deepseg_general.evaluation.cases import EvaluationCase, cases_of_indexes
from sct_deepseg_general.evaluation.evaluate import evaluate_models
from sct_deepseg_general.evaluation.masks import existing_masks


@pytest.fixture
def cases(tmp_path: Path) -> tuple[EvaluationCase, ...]:
    root = phantom_bids(tmp_path / "data", Convention(people=("01", "02"), shape=(16, 16, 4)))
    return cases_of_indexes([index(root)])


def copied(cases: tuple[EvaluationCase, ...], folder: Path, ending: str = "_seg") -> Path:
    folder.mkdir(parents=True)
    for case in cases:
        stem = case.image.name.removesuffix(".nii.gz")
        shutil.copyfile(case.label, folder / f"{stem}{ending}.nii.gz")
    return folder


@pytest.mark.parametrize("ending", ["_seg", "_label-SC_seg", "_desc-manual_seg"])
def test_masks_equal_to_the_reference_have_a_dice_of_one(
    cases: tuple[EvaluationCase, ...], tmp_path: Path, ending: str
) -> None:
    folder = copied(cases, tmp_path / "ours/deep", ending)
    rows = list(evaluate_models([existing_masks(folder.parent, cases)], cases))
    assert [(row.model, row.status, row.dice) for row in rows] == [("ours", "ok", 1.0)] * 2


def test_a_mask_on_another_grid_counts_as_failed(
    cases: tuple[EvaluationCase, ...], tmp_path: Path
) -> None:
    folder = copied(cases, tmp_path / "ours")
    other = phantom_bids(tmp_path / "big", Convention(people=("01",), shape=(18, 16, 4)))
    shutil.copyfile(
        other / "derivatives/labels/sub-01/anat/sub-01_T2w_seg-manual.nii.gz",
        folder / "sub-01_T2w_seg.nii.gz",
    )
    first, second = evaluate_models([existing_masks(folder, cases)], cases)
    assert (first.status, first.dice) == ("failed", 0.0)
    assert "voxels" in first.reason
    assert second.dice == 1.0


def test_missing_and_double_masks_are_refused(
    cases: tuple[EvaluationCase, ...], tmp_path: Path
) -> None:
    folder = copied(cases, tmp_path / "ours")
    copied(cases, folder / "twice")
    with pytest.raises(DatasetError, match="several masks of data_sub-01_T2w"):
        existing_masks(folder, cases)
    (folder / "empty").mkdir()
    with pytest.raises(DatasetError, match="has no mask of data_sub-01_T2w, data_sub-02_T2w"):
        existing_masks(folder / "empty", cases)


def test_a_mask_whose_content_is_elsewhere_is_refused_and_not_measured_as_empty(
    cases: tuple[EvaluationCase, ...], tmp_path: Path
) -> None:
    folder = copied(cases, tmp_path / "ours")
    mask = next(iter(sorted(folder.rglob("*.nii.gz"))))
    mask.unlink()
    mask.symlink_to("../.git/annex/objects/XX/YY/MD5E-s1--0.nii.gz")
    with pytest.raises(MissingContentError, match="run 'git annex get'"):
        existing_masks(folder, cases)


def test_a_bad_reference_is_refused_before_anything_is_measured(
    cases: tuple[EvaluationCase, ...], tmp_path: Path
) -> None:
    folder = copied(cases, tmp_path / "ours")
    other = phantom_bids(tmp_path / "big", Convention(people=("02",), shape=(18, 16, 4)))
    label = "derivatives/labels/sub-02/anat/sub-02_T2w_seg-manual.nii.gz"
    shutil.copyfile(other / label, cases[1].label)
    measured = evaluate_models([existing_masks(folder, cases)], cases)
    with pytest.raises(DatasetError, match="cannot be used with its image"):
        next(iter(measured))


def test_a_mask_that_two_datasets_would_share_is_refused(
    cases: tuple[EvaluationCase, ...], tmp_path: Path
) -> None:
    folder = copied(cases, tmp_path / "ours")
    other = phantom_bids(tmp_path / "other", Convention(people=("01", "02"), shape=(16, 16, 4)))
    both = (*cases, *cases_of_indexes([index(other)]))
    with pytest.raises(DatasetError, match="mask of data_sub-01_T2w and of other_sub-01_T2w"):
        existing_masks(folder, both)
