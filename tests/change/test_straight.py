import numpy as np
import pytest

from sct_deepseg_general.change.straight import STEP, course_of
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Segmentation


def tilted_tube(slope: float = 0.3) -> Segmentation:
    """A tube of radius 5 mm, 60 mm high, leaning forward."""
    x, y, z = np.meshgrid(*(np.arange(n) for n in (40, 60, 60)), indexing="ij")
    mask = np.hypot(x - 20, (y - 20 - slope * z) / np.hypot(1, slope)) < 5
    return Segmentation(mask.astype(np.uint8), Grid((40, 60, 60), np.diag([-1.0, 1, 1, 1])))


def test_the_course_has_the_length_and_direction_of_the_cord():
    course = course_of(tilted_tube())
    assert course.length == pytest.approx(59 * np.hypot(1, 0.3), abs=1)
    assert course.axes[60, 2] == pytest.approx(np.array([0, 0.3, 1]) / np.hypot(1, 0.3), abs=0.02)


def test_the_axes_are_right_angles_and_u_points_right():
    axes = course_of(tilted_tube()).axes
    assert np.allclose(axes @ axes.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert (axes[:, 0, 0] > 0.9).all()
    assert (axes[:, 1, 1] > 0.9).all()
    assert np.allclose(np.linalg.det(axes), 1)


def test_points_of_the_course_are_found_again():
    course = course_of(tilted_tube())
    for index in (0, 30, len(course.points) - 1):
        w = course.along(course.points[index])
        assert w == pytest.approx(STEP * (index - (len(course.points) - 1) / 2))
        assert course.world(np.array([0.0, 0.0, w])) == pytest.approx(course.points[index])


@pytest.mark.parametrize("slices", [0, 1])
def test_too_little_cord_is_refused(slices):
    mask = tilted_tube()
    data = mask.data.copy()
    data[:, :, slices:] = 0
    with pytest.raises(ImageError, match="fewer than two slices"):
        course_of(Segmentation(data, mask.grid))
