import numpy as np
import pytest
from scipy import ndimage

from sct_deepseg_general.change.boundary_shift import boundary_shift
from sct_deepseg_general.image.volume import Grid, Probability, Volume

GRID = Grid((81, 81, 12), np.diag([0.5, 0.5, 2.0, 1]))


def disk(radius: float) -> np.ndarray:
    """The share of each voxel inside a circle, in every slice."""
    fine = (np.arange(81 * 8) + 0.5) / 16 - 20.25
    inside = np.hypot(fine[:, None], fine[None, :]) < radius
    share = inside.reshape(81, 8, 81, 8).mean(axis=(1, 3))
    return np.repeat(share[:, :, None], 12, axis=2)


def image(radius: float, gain: float = 1.0, offset: float = 0.0) -> Volume:
    """A dark disk in a bright surrounding, blurred like a 0.7 mm voxel."""
    data = ndimage.gaussian_filter(1000 - 600 * disk(radius), (0.6, 0.6, 0))
    return Volume((gain * data + offset).astype(np.float32), GRID)


def seen(radius: float) -> Probability:
    return Probability(disk(radius).astype(np.float32), GRID)


@pytest.mark.parametrize("loss", [0.005, 0.01, 0.03, 0.05])
def test_a_known_loss_comes_out(loss):
    before, after = 4.5, 4.5 * np.sqrt(1 - loss)
    change = boundary_shift(image(before), image(after), (seen(before), seen(after))).change
    expected = 0.25 * (disk(after) - disk(before)).sum(axis=(0, 1))  # of the circles as drawn
    assert expected == pytest.approx(-loss * np.pi * before**2, rel=0.25)
    assert change == pytest.approx(expected, rel=0.05)


def test_brightness_and_contrast_of_an_image_do_not_matter():
    bright = image(4.5, gain=1.7, offset=300)
    change = boundary_shift(image(4.5), bright, (seen(4.5), seen(4.5))).change
    assert np.abs(change).max() < 1e-3 * np.pi * 4.5**2


def test_exchanging_the_images_changes_the_sign():
    a, b, p, q = image(4.5), image(4.3), seen(4.5), seen(4.3)
    there, back = boundary_shift(a, b, (p, q)).change, boundary_shift(b, a, (q, p)).change
    assert np.array_equal(there, -back)


def test_without_contrast_nothing_is_said():
    rng = np.random.default_rng(0)
    flat = Volume(rng.normal(500, 30, GRID.shape).astype(np.float32), GRID)
    change = boundary_shift(flat, flat, (seen(4.5), seen(4.5))).change
    assert np.isnan(change).all()
