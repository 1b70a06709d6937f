"""A corrected mask: its copy, what was changed, and the interval of the slices that were not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from samples import image_path, model

from sct_deepseg_general.csa.measure import PER_SLICE, measured
from sct_deepseg_general.csa.table import read
from sct_deepseg_general.errors import ImageError, OutputError
from sct_deepseg_general.image.nifti import load_segmentation
from sct_deepseg_general.job.correction import (
    Correction,
    begin,
    change_of,
    is_untouched,
    manual_path,
    measure_correction,
    with_kept_interval,
)
from sct_deepseg_general.job.job import run
from sct_deepseg_general.job.outputs import outputs_for, read_sidecar
from sct_deepseg_general.job.values import Job, Request

AREA = ("MEAN(area)", "MEAN(area_lower)", "MEAN(area_upper)")


@pytest.fixture(scope="module")
def segmented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with t2.nii.gz, its automatic mask and its areas."""
    from sct_deepseg_general.inference.predictor import load_predictor

    folder = tmp_path_factory.mktemp("segmented")
    image = folder / "t2.nii.gz"
    shutil.copy(image_path("T2w"), image)
    run(Job(image, outputs_for(image)), load_predictor(model()), Request())
    return folder


@pytest.fixture
def files(segmented: Path, tmp_path: Path) -> Correction:
    folder = tmp_path / "work"
    shutil.copytree(segmented, folder)
    image, mask = folder / "t2.nii.gz", folder / "t2_seg.nii.gz"
    return Correction(image, mask, manual_path(image, mask, None, None))


def edit(path: Path, count: int = 5) -> list[int]:
    """Remove the half of the cord towards one side in `count` slices; gives their numbers (LAS)."""
    mask = nib.load(path)
    upright = nib.as_closest_canonical(mask)  # RAS: its third axis goes up, as in LAS
    data = np.asarray(upright.dataobj).copy()
    held = np.flatnonzero(data.any(axis=(0, 1)))
    slices = held[len(held) // 2 :][:count]
    for z in slices:
        columns = np.flatnonzero(data[:, :, z].any(axis=1))
        data[columns[: len(columns) // 2], :, z] = 0
    turned = nib.Nifti1Image(data, upright.affine)
    back = nib.orientations.ornt_transform(
        nib.io_orientation(upright.affine), nib.io_orientation(mask.affine)
    )
    nib.save(nib.Nifti1Image(np.asarray(turned.as_reoriented(back).dataobj), mask.affine), path)
    return slices.tolist()


def by_slice(path: Path) -> dict[int, list[float | None]]:
    table = read(path)
    places = [table.columns.index(name) for name in AREA]
    return {row.slices[0]: [row.values[place] for place in places] for row in table.rows}


def test_the_copy_is_the_mask_and_knows_what_it_began_as(files: Correction) -> None:
    begin(files)
    assert files.manual.name == "t2_label-SC_desc-manual_seg.nii.gz"
    assert files.manual.read_bytes() == files.mask.read_bytes()
    sidecar = read_sidecar(files.sidecar)
    assert sidecar["CorrectedFrom"] == "t2_seg.nii.gz"
    assert sidecar["Status"] == "not corrected yet"
    assert is_untouched(files)
    with pytest.raises(OutputError, match="rename it to begin again"):
        begin(files)


def test_changed_slices_lose_the_interval_and_others_keep_it(files: Correction) -> None:
    begin(files)
    slices = edit(files.manual)
    assert not is_untouched(files)
    done = measure_correction(files)
    assert list(done.change.slices) == slices
    assert done.change.added == 0
    assert done.change.removed > 0
    before, after = by_slice(files.mask.with_name("t2_seg_csa.csv")), by_slice(files.csa)
    for z, (area, lower, upper) in after.items():
        if z in slices:
            assert lower is None
            assert upper is None
        elif area is not None:
            assert lower / area == pytest.approx(before[z][1] / before[z][0], rel=1e-6)
            assert upper / area == pytest.approx(before[z][2] / before[z][0], rel=1e-6)
            assert lower < area < upper


def test_the_sidecar_and_the_status_say_what_was_changed(files: Correction) -> None:
    begin(files)
    edit(files.manual)
    done = measure_correction(files)
    sidecar = json.loads(files.sidecar.read_text())
    assert sidecar["Change"]["VoxelsRemoved"] == done.change.removed
    assert sidecar["Change"]["MeanAreaAfter"] < sidecar["Change"]["MeanAreaBefore"]
    assert sidecar["Status"] == done.status
    assert sidecar["Reasons"][0] == done.change.words
    assert "corrected by hand in 5 slices" in done.change.words
    assert " mm² (-" in done.change.words
    text = files.csa.read_text()
    assert '"Reasons"' in text or "Reasons" in text.splitlines()[0]
    assert not is_untouched(files)


def test_csa_gives_the_same_interval_to_a_corrected_mask(files: Correction) -> None:
    begin(files)
    slices = edit(files.manual)
    measure_correction(files)
    mask = load_segmentation(files.manual)
    found = with_kept_interval(measured(mask, PER_SLICE), files.manual, mask, PER_SLICE)
    lower = found.morphometrics.area_lower
    assert lower is not None
    held = found.morphometrics.slices
    assert [z for z in held if np.isnan(lower[z])] == slices


def test_other_masks_are_left_as_they_are(files: Correction) -> None:
    mask = load_segmentation(files.mask)
    found = measured(mask, PER_SLICE)
    assert with_kept_interval(found, files.mask, mask, PER_SLICE) is found
    begin(files)
    files.mask.unlink()
    assert with_kept_interval(found, files.manual, mask, PER_SLICE) is found


def test_nothing_changed_is_said(files: Correction) -> None:
    mask = load_segmentation(files.mask)
    change = change_of(mask, mask, measured(mask, PER_SLICE))
    assert (change.added, change.removed, change.dice, change.slices) == (0, 0, 1.0, ())
    assert change.words == "corrected by hand: nothing was changed"


def test_a_mask_that_the_viewer_resampled_is_refused(files: Correction) -> None:
    begin(files)
    mask = nib.load(files.manual)
    data = np.asarray(mask.dataobj)[:, :, ::2]
    nib.save(nib.Nifti1Image(data, mask.affine @ np.diag([1, 1, 2, 1])), files.manual)
    with pytest.raises(ImageError, match="not on the grid of"):
        measure_correction(files)


def test_places_of_the_copy() -> None:
    image, mask = Path("d/sub-01/anat/sub-01_T2w.nii"), Path("o/sub-01_mask.nii.gz")
    name = "sub-01_T2w_label-SC_desc-manual_seg.nii.gz"
    assert manual_path(image, mask, None, None) == Path("o") / name
    assert manual_path(image, mask, Path("x"), None) == Path("x") / name
    assert manual_path(image, mask, Path("x/y.nii.gz"), None) == Path("x/y.nii.gz")
    labels = Path("d/derivatives/labels/sub-01/anat")
    assert manual_path(image, mask, None, Path("d")) == labels / name
    with pytest.raises(ImageError, match="not in a sub-"):
        manual_path(image, mask, None, Path("other"))
