"""The course of the cord: even steps, directions, and points that go there and back."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cylinder

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Segmentation
from sct_deepseg_general.levels.course import BEYOND, STEP, course_of

SPACING = (1.0, 1.0, 2.0)
SHAPE = (30, 40, 50)


def tube(orientation: str = "LAS") -> Segmentation:
    data = cylinder(SHAPE, SPACING, 5.0).astype(np.uint8)
    grid = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))
    x, y, z = orientation
    return Segmentation(data, grid).reoriented((x, y, z))


@pytest.mark.parametrize("orientation", ["LAS", "RPI", "SAL", "PIR"])
def test_a_straight_tube_has_a_straight_course_in_any_orientation(orientation: str) -> None:
    course = course_of(tube(orientation))
    np.testing.assert_allclose(course.up, np.tile([0, 0, 1.0], (len(course.up), 1)), atol=1e-6)
    np.testing.assert_allclose(course.front, np.tile([0, 1.0, 0], (len(course.up), 1)), atol=1e-6)
    np.testing.assert_allclose(course.left, np.tile([-1.0, 0, 0], (len(course.up), 1)), atol=1e-6)


def test_rows_are_even_and_go_on_beyond_the_mask() -> None:
    course = course_of(tube())
    steps = np.linalg.norm(np.diff(course.points, axis=0), axis=1)
    np.testing.assert_allclose(steps, STEP, atol=1e-6)
    length = (SHAPE[2] - 1) * SPACING[2]
    assert course.inside.sum() == pytest.approx(length / STEP, abs=1)
    assert len(course.points) == pytest.approx((length + 2 * BEYOND) / STEP, abs=1)


def test_a_point_beside_the_course_has_its_row() -> None:
    course = course_of(tube())
    rows = np.array([3.25, 40.0, 99.5])
    np.testing.assert_allclose(course.rows_of(course.at(rows, 8.0)), rows, atol=1e-6)


@pytest.mark.parametrize(("slices", "said"), [(0, "empty"), (1, "single slice")])
def test_a_mask_without_a_direction_is_refused(slices: int, said: str) -> None:
    mask = tube()
    data = np.zeros_like(mask.data)
    data[:, :, :slices] = mask.data[:, :, :slices]
    with pytest.raises(ImageError, match=said):
        course_of(Segmentation(data, mask.grid))
