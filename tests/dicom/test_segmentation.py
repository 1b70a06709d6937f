"""DICOM segmentation objects, read back by dcmqi, which shares no code with highdicom."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("highdicom")

import pydicom
from dcmqi_tools import read_segmentation, world
from dicom_files import write_series

from sct_deepseg_general.dicom.convert import converted
from sct_deepseg_general.dicom.segmentation import headers_of, segmentation_of, write_object
from sct_deepseg_general.dicom.series import Series, series_in
from sct_deepseg_general.errors import ImageError

MODEL = "sc-general@0.5.0"
ORIENTATIONS = {
    "axial": [1, 0, 0, 0, 1, 0],
    "turned": [0.8, 0.6, 0, -0.6, 0.8, 0],
}


@pytest.fixture(params=ORIENTATIONS)
def series(request: pytest.FixtureRequest, tmp_path: Path) -> Series:
    data = np.random.default_rng(0).integers(1, 2000, (40, 32, 6)).astype(np.uint16)
    turned = ORIENTATIONS[request.param]
    write_series(tmp_path / "visit", data, (0.5, 0.75, 3.0), ImageOrientationPatient=turned)
    return series_in(tmp_path / "visit")[0]


def marked(series: Series, tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A mask without any symmetry on the converted image, and its affine."""
    image = nib.load(converted(series, tmp_path / "image.nii.gz"))
    mask = np.zeros(image.shape, bool)
    mask[10:15, 3:9, 2:4] = True
    mask[12, 20, 5] = True
    return mask, np.asarray(image.affine)


def test_the_mask_lies_where_it_was_drawn(series: Series, tmp_path: Path) -> None:
    mask, affine = marked(series, tmp_path)
    made = segmentation_of(mask, affine, headers_of(series, keep=False), MODEL)
    write_object(tmp_path / "seg.dcm", made)
    found = read_segmentation(tmp_path / "seg.dcm", tmp_path / "read")
    expected = world(mask, affine)
    assert world(np.asarray(found.dataobj), found.affine) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("keep", [False, True])
def test_person_and_day_are_in_it_only_if_kept(keep: bool, series: Series, tmp_path: Path) -> None:
    mask, affine = marked(series, tmp_path)
    made = segmentation_of(mask, affine, headers_of(series, keep=keep), MODEL)
    write_object(tmp_path / "seg.dcm", made)
    raw = (tmp_path / "seg.dcm").read_bytes()
    assert [word in raw for word in (b"Jane", b"20240506")] == [keep, keep]
    read = pydicom.dcmread(tmp_path / "seg.dcm")
    assert (read.PatientSex == "F") == keep
    first = pydicom.dcmread(series.files[0])
    assert read.StudyInstanceUID == first.StudyInstanceUID


def test_a_mask_of_another_grid_is_refused(series: Series, tmp_path: Path) -> None:
    mask, affine = marked(series, tmp_path)
    affine[0, 3] += 0.2
    with pytest.raises(ImageError, match="its voxels are not those of the DICOM images"):
        segmentation_of(mask, affine, headers_of(series, keep=False), MODEL)


def test_an_empty_mask_is_refused(series: Series, tmp_path: Path) -> None:
    mask, affine = marked(series, tmp_path)
    with pytest.raises(ImageError, match="No cord was found"):
        segmentation_of(mask & False, affine, headers_of(series, keep=False), MODEL)
