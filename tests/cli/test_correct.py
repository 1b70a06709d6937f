"""`correct` as it is typed: copy, viewer lines, the change in words, and labels for training."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from samples import DATA, image_path, label_path

from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.cli.correction.correct import viewer_words

MAIN = [sys.executable, "-c", "from sct_deepseg_general.cli import main; main()"]


def typed(*words: object, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if path:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        [*MAIN, *map(str, words)], capture_output=True, text=True, check=False, env=environment
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(image_path("T2w"), tmp_path / "t2.nii.gz")
    shutil.copy(label_path("T2w"), tmp_path / "t2_seg.nii.gz")
    return tmp_path


def erase(path: Path, slices: int = 3) -> None:
    """Empty the first slices with cord, along the axis that has most of them."""
    mask = nib.load(path)
    data = np.asarray(mask.dataobj).copy()
    axis = int(np.argmax([len(np.unique(place)) for place in np.nonzero(data)]))
    held = np.unique(np.nonzero(data)[axis])
    np.moveaxis(data, axis, 0)[held[:slices]] = 0
    nib.save(nib.Nifti1Image(data, mask.affine, mask.header), path)


def test_copy_then_correction_then_before_and_after_on_the_page(folder: Path) -> None:
    image, manual = folder / "t2.nii.gz", folder / "t2_label-SC_desc-manual_seg.nii.gz"
    first = typed("correct", "-i", image)
    assert first.returncode == 0, first.stderr
    assert f"fsleyes {image} -cm greyscale {manual} -cm red -a 50" in first.stdout
    assert f"itksnap -g {image} -s {manual}" in first.stdout
    again = typed("correct", "-i", image)
    assert "was not changed yet" in again.stdout
    assert not (folder / "t2_label-SC_desc-manual_seg_csa.csv").exists()
    erase(manual)
    done = typed("correct", "-i", image, "-qc", folder / "qc")
    assert done.returncode == 0, done.stderr
    assert "corrected by hand in 3 slices" in done.stdout
    row = json.loads(next((folder / "qc").glob("entries/*/entry.json")).read_text())
    text = json.dumps(row, ensure_ascii=False)
    assert "corrected by hand in 3 slices" in text
    dice = json.loads((folder / "t2_label-SC_desc-manual_seg.json").read_text())["Change"]["Dice"]
    assert any(isinstance(one, float) and one == pytest.approx(dice, abs=1e-3) for one in row)
    measured = typed("csa", "-i", manual, "-perslice", "1", "-o", folder / "again.csv")
    assert measured.returncode == 0, measured.stderr


def test_the_viewer_is_run_with_the_line_that_is_printed(folder: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    viewer = programs / "itksnap"
    viewer.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\n')
    viewer.chmod(0o755)
    ended = typed("correct", "-i", folder / "t2.nii.gz", "-open", "itksnap", path=str(programs))
    assert ended.returncode == 0, ended.stderr
    manual = folder / "t2_label-SC_desc-manual_seg.nii.gz"
    words = viewer_words("itksnap", folder / "t2.nii.gz", manual)
    assert (tmp_path / "called").read_text().split() == words[1:]


@pytest.mark.skipif(bool(shutil.which("fsleyes")), reason="FSLeyes is installed here")
def test_a_viewer_that_is_not_installed_is_one_sentence(folder: Path) -> None:
    ended = typed("correct", "-i", folder / "t2.nii.gz", "-open", "fsleyes")
    assert ended.returncode == 1
    assert "fsleyes is not on the PATH" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_a_mask_it_says_so(folder: Path) -> None:
    (folder / "t2_seg.nii.gz").unlink()
    ended = typed("correct", "-i", folder / "t2.nii.gz")
    assert ended.returncode == 1
    assert "segment the image first" in ended.stderr


def test_corrected_masks_of_a_dataset_are_labels_to_train_on(tmp_path: Path) -> None:
    data, masks = tmp_path / "ours", tmp_path / "masks"
    masks.mkdir()
    for number, name in (("01", "T2w"), ("02", "acq-crop_T2star")):
        place = data / f"sub-{number}" / "anat"
        place.mkdir(parents=True)
        image = place / f"sub-{number}_{name}.nii.gz"
        shutil.copy(image_path(name), image)
        mask = masks / f"sub-{number}_mask.nii.gz"
        shutil.copy(label_path(name), mask)
        assert typed("correct", "-i", image, "-s", mask, "-bids", data).returncode == 0
        manual = next((data / "derivatives" / "labels").rglob(f"sub-{number}*manual_seg.nii.gz"))
        erase(manual, 1)
        ended = typed("correct", "-i", image, "-s", mask, "-bids", data)
        assert "corrected by hand in " in ended.stdout
    shutil.copy(DATA / "dataset_description.json", data)
    assert (data / "derivatives" / "labels" / "dataset_description.json").exists()
    assert [case.label.name for case in index(data).labelled] == [
        "sub-01_T2w_label-SC_desc-manual_seg.nii.gz",
        "sub-02_acq-crop_T2star_label-SC_desc-manual_seg.nii.gz",
    ]
    recipe = tmp_path / "recipe.yaml"
    ended = typed("recipe", "init", "-bids", data, "-o", recipe)
    assert ended.returncode == 0, ended.stderr
    assert "2 of 2 images are labelled" in ended.stdout


def test_the_discs_of_the_page_are_those_of_the_image_and_make_levels(tmp_path: Path) -> None:
    """The voxels that docs/correct.md gives to SCT's command, in a file as it makes one."""
    from benchmarks.accuracy.correction_pictures import NECK, command, disc_voxels

    assert command() in (Path(__file__).parents[2] / "docs" / "correct.md").read_text()
    image = nib.load(NECK / "neck_T2w.nii.gz")
    data = np.zeros(image.shape, np.uint8)
    for number, voxel in disc_voxels().items():
        data[voxel] = number
    discs = tmp_path / "discs.nii.gz"
    nib.save(nib.Nifti1Image(data, image.affine), discs)
    ended = typed(
        "csa", "-i", NECK / "neck_T2w_seg.nii.gz", "-discfile", discs, "-perlevel", "1",
        "-o", tmp_path / "csa.csv",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    lines = (tmp_path / "csa.csv").read_text().splitlines()[1:]
    levels = [line.split(",")[4].strip('"') for line in lines]
    assert {"3", "4", "5", "6"} <= set(levels)
