"""Masks and other results are told from images by their name and sidecar."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sct_deepseg_general.job.inputs import result_reason
from sct_deepseg_general.job.outputs import PROGRAM


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("t2_seg.nii.gz", "t2.nii.gz"),
        ("t2_seg.nii.gz", "t2.nii"),
        ("t2_softseg.nii.gz", "t2.nii.gz"),
        ("t2_seg-manual.nii.gz", "t2.nii.gz"),
        ("sub-01_T2w_label-SC_seg.nii.gz", "sub-01_T2w.nii.gz"),
        ("t2_seg_seg.nii.gz", "t2.nii.gz"),
    ],
)
def test_a_mask_is_known_by_its_name_beside_its_image(
    name: str, image: str, tmp_path: Path
) -> None:
    assert result_reason(tmp_path / name) == ""
    (tmp_path / image).touch()
    assert result_reason(tmp_path / name) == f"it is named as a mask of {image}"
    assert result_reason(tmp_path / image) == ""


@pytest.mark.parametrize(
    ("sidecar", "known"),
    [
        ({"GeneratedBy": [{"Name": PROGRAM}]}, True),
        ({"Type": "ROI"}, True),
        ({"GeneratedBy": [{"Name": "fMRIPrep"}]}, False),
        ({"EchoTime": 0.1, "GeneratedBy": "dcm2niix"}, False),
        (["no object"], False),
    ],
)
def test_a_mask_is_known_by_its_sidecar(sidecar: object, known: bool, tmp_path: Path) -> None:
    (tmp_path / "cord.json").write_text(json.dumps(sidecar))
    assert bool(result_reason(tmp_path / "cord.nii.gz")) is known
