"""Laws of the whole comparison, with the embedded model on a small real image."""

import numpy as np
import pytest
from samples import image
from scipy import ndimage

from sct_deepseg_general.change.levels import disc_points
from sct_deepseg_general.change.measure import ALL, Change, Scan, compared
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Volume

NAME = "T2w"


@pytest.fixture(scope="module")
def scan():
    return Scan(image(NAME), {})


def test_a_change_is_in_per_cent_of_the_mean_area():
    change = Change("C3", 18.0, 80.0, 76.0, -4.2)
    assert change.difference == -4
    assert change.percent == pytest.approx(100 * -4 / 78)
    assert change.boundary_percent == pytest.approx(100 * -4.2 / 78)


@pytest.mark.slow
def test_the_same_image_twice_has_not_changed(scan, predictor):
    found = compared(scan, scan, predictor)
    assert found.likeness == pytest.approx(1)
    for change in found.changes:
        assert change.difference == 0
        assert change.boundary in (0, None)


@pytest.mark.slow
def test_exchanging_the_images_changes_the_sign_and_nothing_else(scan, predictor):
    noise = np.random.default_rng(0).normal(scale=5, size=scan.image.data.shape)
    moved = np.roll(np.asarray(scan.image.data, np.float32), 1, axis=0) + noise
    other = Scan(Volume(moved.astype(np.float32), scan.image.grid), {})
    there, back = compared(scan, other, predictor), compared(other, scan, predictor)
    one, two = there.changes[-1], back.changes[-1]
    assert one.name == two.name == ALL
    assert one.percent == -two.percent
    assert (one.first, one.second) == (two.second, two.first)
    assert abs(one.percent) < 2


@pytest.mark.slow
def test_another_anatomy_is_refused(scan, predictor):
    data = np.asarray(scan.image.data, np.float32)
    rng = np.random.default_rng(1)
    clouds = ndimage.gaussian_filter(rng.normal(size=data.shape), 3)
    other = data.mean() * (1 + 3 * clouds / np.abs(clouds).max()) + 0.3 * data
    with pytest.raises(ImageError):
        compared(scan, Scan(Volume(other.astype(np.float32), scan.image.grid), {}), predictor)


def test_an_image_whose_segmentation_fails_the_quality_check_is_refused(scan, predictor):
    data = np.random.default_rng(2).normal(100, 20, scan.image.data.shape).astype(np.float32)
    noise = Scan(Volume(data, scan.image.grid), {}, "noise.nii.gz")
    for pair in ((scan, noise), (noise, scan)):
        with pytest.raises(ImageError, match=r"^The segmentation of noise.nii.gz fails .* \(.+\):"):
            compared(*pair, predictor)


@pytest.mark.slow
def test_images_with_different_levels_are_refused(scan, predictor):
    data = np.zeros(scan.image.grid.shape, np.int16)
    middle = tuple(n // 2 for n in data.shape)
    data[middle] = 3
    third = disc_points(Volume(data, scan.image.grid))
    with pytest.raises(ImageError, match="share no level"):
        compared(Scan(scan.image, third), Scan(scan.image, {8: third[3]}), predictor)
