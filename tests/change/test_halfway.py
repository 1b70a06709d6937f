"""The grid half-way between two images: what both of them show, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from sct_deepseg_general.change.halfway import HALF_WIDTH, PITCH, halfway
from sct_deepseg_general.change.rigid import ImagePair, Motion
from sct_deepseg_general.change.straight import Course, Sampler, sampler_of
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Volume

LENGTH = 60
STILL = Motion(np.zeros(6))


def sampler(left: float, right: float, length: int = LENGTH) -> Sampler:
    """An image that shows from `left` to `right` mm beside a straight cord, bright with height."""
    points = np.column_stack([np.zeros((2 * length + 1, 2)), np.arange(2 * length + 1) / 2])
    shape = (round(right - left) + 1, 81, length + 1)
    affine = np.eye(4)
    affine[:3, 3] = (left, -40, 0)
    data = np.broadcast_to(np.arange(shape[2], dtype=np.float32), shape)
    course = Course(points, np.tile(np.eye(3), (len(points), 1, 1)))
    return sampler_of(Volume(np.array(data), Grid(shape, affine)), course)


def test_a_wide_image_is_sampled_up_to_the_half_width() -> None:
    found = halfway(ImagePair(sampler(-40, 40), sampler(-40, 40)), STILL)
    assert found.first.grid.shape[:2] == (2 * round(HALF_WIDTH / PITCH) + 1,) * 2
    assert found.first.grid.affine[:2, 3] == pytest.approx([-HALF_WIDTH, -HALF_WIDTH])


def test_nothing_beyond_either_image_is_made_up() -> None:
    found = halfway(ImagePair(sampler(-10, 40), sampler(-40, 8)), STILL)
    low = found.first.grid.affine[0, 3]
    high = low + PITCH * (found.first.grid.shape[0] - 1)
    assert (low, high) == (-10.5, 8.5)  # half a voxel of 1 mm beyond the last centres
    assert found.first.grid == found.second.grid


def test_values_are_those_of_the_images() -> None:
    found = halfway(ImagePair(sampler(-10, 10), sampler(-10, 10)), STILL)
    heights = found.first.data[5, 5, 3:-3]
    assert np.diff(heights) == pytest.approx(1.0, abs=0.02)


def test_images_that_share_too_little_are_refused() -> None:
    apart = Motion(np.array([0, 0, 0, 0, 0, 50.0]))
    with pytest.raises(ImageError, match="share 10 mm of the cord"):
        halfway(ImagePair(sampler(-20, 20), sampler(-20, 20)), apart)
