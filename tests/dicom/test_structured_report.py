"""Structured reports, read back by dcmqi, which shares no code with highdicom."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("highdicom")

from dcmqi_tools import read_report
from dicom_files import write_series

from sct_deepseg_general.dicom.convert import converted
from sct_deepseg_general.dicom.segmentation import headers_of, segmentation_of, write_object
from sct_deepseg_general.dicom.series import series_in
from sct_deepseg_general.dicom.structured_report import LevelArea, report_of


def test_each_area_is_read_back_with_its_level_and_unit(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(1, 2000, (40, 32, 6)).astype(np.uint16)
    write_series(tmp_path / "visit", data, (0.5, 0.75, 3.0))
    series = series_in(tmp_path / "visit")[0]
    image = nib.load(converted(series, tmp_path / "image.nii.gz"))
    mask = np.zeros(image.shape, bool)
    mask[10:15, 3:9, 2:4] = True
    images = headers_of(series, keep=False)
    segmentation = segmentation_of(mask, np.asarray(image.affine), images, "sc-general@0.5.0")
    areas = [LevelArea("", 70.1), LevelArea("C3", 71.25), LevelArea("C2-C3", 71.0)]
    write_object(tmp_path / "sr.dcm", report_of(areas, segmentation, images))
    read = read_report(tmp_path / "sr.dcm", tmp_path / "sr.json")
    found = {
        group["TrackingIdentifier"]: group["measurementItems"][0] for group in read["Measurements"]
    }
    assert {name: float(item["value"]) for name, item in found.items()} == {
        "Spinal cord, all slices": 70.1,
        "Spinal cord at C3": 71.25,
        "Spinal cord at C2-C3": 71.0,
    }
    assert {item["units"]["CodeValue"] for item in found.values()} == {"mm2"}
    assert {group["segmentationSOPInstanceUID"] for group in read["Measurements"]} == {
        segmentation.SOPInstanceUID
    }
    raw = (tmp_path / "sr.dcm").read_bytes()
    assert b"Jane" not in raw
    assert b"20240506" not in raw
