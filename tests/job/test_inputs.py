"""Masks and other results are told from images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from phantoms import cylinder

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Volume
from sct_deepseg_general.job.inputs import check_is_image, result_reason
from sct_deepseg_general.job.outputs import PROGRAM

RNG = np.random.default_rng(3)
SHAPE = (30, 30, 12)


def volume(data: np.ndarray) -> Volume:
    return Volume(data, Grid(data.shape, np.eye(4)))


def tube() -> np.ndarray:
    x, y = np.mgrid[:30, :30]
    return np.repeat((np.hypot(x - 15, y - 15) < 4)[..., None], SHAPE[2], axis=2)


MASKS = {
    "binary": tube().astype(np.uint8),
    "of floats": tube().astype(np.float32),
    "of 255": tube().astype(np.int16) * 255,
    "inverted": (~tube()).astype(np.uint8),
    "scaled": tube() * 0.003,
}
LABELS = {
    "levels": tube() * np.arange(1, SHAPE[2] + 1),
    "white and grey matter": tube().astype(np.int16) + (RNG.random(SHAPE) < 0.02) * tube(),
}
IMAGES = {
    "noise": RNG.normal(100, 20, SHAPE),
    "8 bit": RNG.integers(0, 256, SHAPE).astype(np.uint8),
    "masked": RNG.integers(1, 400, SHAPE) * tube(),
    "few values": RNG.integers(0, 40, SHAPE),
    "negative": RNG.normal(0, 1, SHAPE).round(1) * tube(),
    "without zeros": 5 + tube().astype(float),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_volume_of_two_values_is_a_mask(name: str) -> None:
    with pytest.raises(ImageError, match=r"x\.nii is a mask \(its only values are 0, "):
        check_is_image(volume(MASKS[name]), "x.nii")


@pytest.mark.parametrize("name", LABELS)
def test_a_few_whole_numbers_on_zeros_are_labels(name: str) -> None:
    with pytest.raises(ImageError, match="map of labels"):
        check_is_image(volume(LABELS[name]), "x.nii")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_an_image(name: str) -> None:
    check_is_image(volume(IMAGES[name]), "x.nii")


def test_a_phantom_image_of_the_tests_is_an_image() -> None:
    mask = cylinder((24, 24, 10), (1.0, 1.0, 2.0), 5.0)
    noisy = mask * 50.0 + RNG.normal(10, 1, mask.shape)
    check_is_image(volume(noisy), "x.nii")


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
