"""What is shown does not depend on how the file stores it: left is left, anterior is up."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from qc_phantoms import box_around, cord

from sct_deepseg_general.qc.display import centres, displayed

ORIENTATIONS = [
    "".join(codes)
    for axes in itertools.permutations(("LR", "AP", "SI"))
    for codes in itertools.product(*axes)
]


@pytest.fixture(scope="module")
def upright():
    image, mask, probability = cord()
    return displayed(image, mask, probability, mask, box_around(mask))


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_every_orientation_of_the_file_shows_the_same(codes, upright):
    image, mask, probability = cord(codes=codes)
    shown = displayed(image, mask, probability, mask, box_around(mask))
    for name in ("image", "mask", "probability", "other", "centres"):
        assert np.array_equal(getattr(shown, name), getattr(upright, name)), name
    assert shown.box == upright.box
    assert shown.spacing == pytest.approx(upright.spacing)


def test_the_axes_run_to_the_right_the_back_and_the_feet():
    image, mask, _ = cord(codes="RAS")
    data = np.zeros_like(mask.data)
    data[-1, -1, -1] = 1  # right, front, top
    shown = displayed(image, type(mask)(data, mask.grid))
    assert np.argwhere(shown.mask).tolist() == [[mask.data.shape[0] - 1, 0, 0]]
    assert shown.number(0) == shown.slices - 1


def test_the_box_goes_with_the_voxels(upright):
    assert upright.box is not None
    outside = upright.mask.copy()
    outside[upright.box.slices] = False
    assert not outside.any()


def test_slices_without_cord_take_the_nearest_centre(upright):
    assert np.array_equal(upright.centres[0], upright.centres[2])
    assert np.isfinite(upright.centres).all()


def test_without_cord_the_centre_is_the_middle():
    assert centres(np.zeros((10, 6, 3), dtype=bool)).tolist() == [[4.5, 2.5]] * 3
