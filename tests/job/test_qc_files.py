"""A QC entry of files: their areas, levels and status, and what the user is told of their grids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qc_phantoms import cord

from sct_deepseg_general.csa.measure import CsaRequest, measured, region_of
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Box, Grid, Segmentation, Volume
from sct_deepseg_general.job.qc_files import (
    QcAreas,
    QcFiles,
    QcNames,
    areas_shown,
    entry_of,
)
from sct_deepseg_general.morphometry.morphometrics import measure

NAMES = QcNames("data", "sub-01", "T2w")


@pytest.fixture
def files(tmp_path: Path) -> QcFiles:
    image, mask, sure = cord(codes="LAS")
    found = QcFiles(*(tmp_path / f"{name}.nii.gz" for name in ("t2", "seg")))
    nifti.save(image, found.image)
    nifti.save(mask, found.mask)
    nifti.save(sure, tmp_path / "soft.nii.gz")
    return found


def test_an_entry_has_the_areas_of_its_mask_and_a_status(files: QcFiles) -> None:
    entry, sentences = entry_of(replace(files, soft=files.mask.parent / "soft.nii.gz"), NAMES)
    table = measure(nifti.load_segmentation(files.mask))
    assert [one.area for one in entry.csa] == pytest.approx(table.area[table.slices])
    assert (entry.status, sentences, entry.dataset) == ("ok", (), "data")
    assert entry.probability is not None


def test_areas_that_were_measured_on_the_mask_are_shown_in_the_slices_of_the_image(
    files: QcFiles,
) -> None:
    whole = nifti.load_segmentation(files.mask)
    x, y, z = whole.grid.shape
    cropped = whole.cropped(Box((0, 0, 4), (x, y, z - 3))).reoriented(("P", "I", "R"))
    nifti.save(cropped, files.mask)
    request = CsaRequest(Selection(slices=(6, 7, 9)), angle_correction=False)
    found = measured(cropped, request)
    areas = QcAreas(found, cropped.grid, region_of(cropped, found, request), "70.0 mm²")
    entry, _ = entry_of(files, NAMES, areas)
    plain = measure(whole, angle_correction=False).area
    shown = {one.slice: one.area for one in entry.csa}
    assert set(shown) == set(np.flatnonzero(np.isfinite(plain[4 : z - 3])) + 4)
    assert list(shown.values()) == pytest.approx([plain[one] for one in shown], rel=1e-3)
    assert (entry.region, entry.region_slices) == ("slices 6:7;9", (10, 11, 13))
    assert (entry.c2c3, entry.interval) == ("70.0 mm²", None)


def test_a_probability_on_another_grid_is_interpolated_and_named(files: QcFiles) -> None:
    soft = nifti.load_probability(files.mask.parent / "soft.nii.gz")
    nifti.save(
        soft.resampled([mm / 2 for mm in soft.grid.spacing]), files.mask.parent / "fine.nii.gz"
    )
    entry, sentences = entry_of(replace(files, soft=files.mask.parent / "fine.nii.gz"), NAMES)
    assert len(sentences) == 1
    assert "fine.nii.gz is not on the grid" in sentences[0]
    assert entry.probability is not None
    assert np.abs(entry.probability.data - soft.data).mean() < 0.05


def test_a_mask_that_would_be_resampled_is_refused(files: QcFiles) -> None:
    mask = nifti.load_segmentation(files.mask)
    nifti.save(mask.resampled([mm / 2 for mm in mask.grid.spacing]), files.mask)
    with pytest.raises(ImageError, match="resampling would change its area"):
        entry_of(files, NAMES)


def test_a_mask_in_slices_without_signal_is_flagged(files: QcFiles) -> None:
    image = nifti.load(files.image)
    data = image.data.copy()
    middle = data.shape[2] // 2
    data[:, :, middle - 2 : middle + 2] = 0
    nifti.save(replace(image, data=data), files.image)
    entry, _ = entry_of(files, NAMES)
    assert entry.status == "warn"
    assert {one.slice for one in entry.csa if one.flagged} >= set(range(middle - 2, middle + 2))


def test_a_table_of_another_image_is_refused() -> None:
    mask = Segmentation(np.ones((4, 4, 6), np.uint8), Grid((4, 4, 6), np.eye(4)))
    other = Volume(np.zeros((4, 4, 5)), Grid((4, 4, 5), np.eye(4)))
    with pytest.raises(ImageError, match="another image"):
        areas_shown(other.grid, measure(mask), None)
