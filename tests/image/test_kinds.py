"""Masks, probability maps and maps of labels are told from images by their values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from phantoms import cylinder

from sct_deepseg_general import measure, segment
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.kinds import (
    binary_mask,
    check_background,
    check_is_image,
    check_is_mask,
    check_is_probability,
)
from sct_deepseg_general.image.volume import Grid, Volume

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


def soft() -> np.ndarray:
    """A tube whose edge is 1.5 voxels wide."""
    x, y = np.mgrid[:30, :30]
    edge = np.clip((4 - np.hypot(x - 15.2, y - 15.1)) / 1.5 + 0.5, 0, 1)
    return np.repeat(edge[..., None], SHAPE[2], axis=2)


@pytest.mark.parametrize("scale", [1, 100, 255])
def test_a_probability_is_no_image(scale: int) -> None:
    noise = RNG.random(SHAPE) * 0.002  # as a network leaves it around the cord
    with pytest.raises(ImageError, match="probability map"):
        check_is_image(volume(np.clip(soft() + noise, 0, 1) * scale), "x.nii")


def test_an_image_scaled_to_one_is_an_image() -> None:
    data = RNG.gamma(2, 1, SHAPE) * tube()
    check_is_image(volume(data / data.max()), "x.nii")


@pytest.mark.parametrize("data", [MASKS["binary"], LABELS["levels"], soft()])
def test_the_library_refuses_them_too(data: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"is a mask|a map of labels|probability map"):
        segment(data.astype(np.float32), affine=np.eye(4))


@pytest.mark.parametrize("sidecar", [True, False])
def test_the_library_refuses_a_result_by_its_path(sidecar: bool, tmp_path: Path) -> None:
    path = tmp_path / ("cord.nii.gz" if sidecar else "t2_seg.nii.gz")
    (tmp_path / ("cord.json" if sidecar else "t2.nii.gz")).write_text('{"Type": "ROI"}')
    with pytest.raises(ImageError, match="not an image to segment"):
        segment(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (IMAGES["noise"], "is an image, not a mask"),
        (IMAGES["8 bit"], "is an image, not a mask"),
        (IMAGES["negative"], "negative"),
        (-MASKS["of floats"], "no value above 0"),
        (np.where(tube(), np.inf, 0), "infinite"),
    ],
)
def test_an_image_is_no_mask(data: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        check_is_mask(volume(data), "x.nii")


@pytest.mark.parametrize("data", [np.where(tube(), 1, 0.2), 0.02 + 0.98 * tube()])
def test_a_mask_that_is_measured_by_its_values_is_0_outside_the_cord(data: np.ndarray) -> None:
    with pytest.raises(ImageError, match="set its background to 0"):
        measure(data.astype(np.float32), affine=np.eye(4))
    for right in (tube(), np.ones(SHAPE)):
        check_background(volume(right.astype(np.float32)), "mask.nii.gz")


@pytest.mark.parametrize("scale", [1, 255, 0.3])
def test_of_two_values_the_higher_is_cord(scale: float) -> None:
    found = binary_mask(volume(np.where(tube(), scale, np.nan if scale == 1 else 0)), "x.nii")
    np.testing.assert_array_equal(found.data, tube())


def test_a_soft_mask_is_cord_from_a_half() -> None:
    np.testing.assert_array_equal(binary_mask(volume(soft()), "x.nii").data, soft() > 0.5)


@pytest.mark.parametrize("scale", [100, 255])
def test_percentages_are_no_probability(scale: int) -> None:
    with pytest.raises(ImageError, match=f"Divide it by {scale}"):
        binary_mask(volume(soft() * scale), "x.nii")
    with pytest.raises(ImageError, match=rf"divide it by {scale}"):
        check_is_probability(volume(soft() * scale), "x.nii")
    check_is_probability(volume(soft() * 1.02 - 0.01), "x.nii")


def test_a_map_of_labels_is_no_mask_to_be_thresholded() -> None:
    with pytest.raises(ImageError, match="map of labels"):
        binary_mask(volume(LABELS["white and grey matter"]), "x.nii")
