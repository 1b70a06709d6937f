"""Threshold, largest object, holes: each does its one thing."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import cylinder
from samples import grid

from sct_deepseg_general.image.volume import Probability
from sct_deepseg_general.inference.postprocess import Cleaning, segmented

SHAPE = (20, 18, 12)
WHERE = grid(SHAPE, (1, 1, 2))


def soft(*parts: tuple[np.ndarray, float]) -> Probability:
    data = np.zeros(SHAPE, np.float32)
    for mask, value in parts:
        data[mask] = value
    return Probability(data, WHERE)


def box(x: slice, y: slice, z: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[x, y, z] = True
    return mask


CORD = cylinder(SHAPE, (1, 1, 2), 4)
BLOB = box(slice(0, 2), slice(0, 2), slice(0, 2))


@pytest.mark.parametrize(
    ("threshold", "cord"), [(0.3, True), (0.6, True), (0.61, False), (1.0, False)]
)
def test_the_threshold_is_included(threshold: float, cord: bool) -> None:
    probability = Probability(np.where(CORD, 0.6, 0.1), WHERE)
    mask = segmented(probability, Cleaning(threshold))
    np.testing.assert_array_equal(mask.data, CORD if cord else np.zeros(SHAPE))
    assert mask.data.dtype == np.uint8
    assert mask.grid is WHERE


def test_only_the_largest_object_stays_when_asked() -> None:
    probability = soft((CORD, 0.9), (BLOB, 1.0))
    np.testing.assert_array_equal(segmented(probability, Cleaning()).data, CORD)
    both = segmented(probability, Cleaning(largest=False))
    np.testing.assert_array_equal(both.data, CORD | BLOB)


def test_objects_that_touch_at_a_corner_are_one() -> None:
    first = box(slice(2, 5), slice(2, 5), slice(2, 5))
    second = box(slice(5, 8), slice(5, 8), slice(5, 8))
    found = segmented(soft((first | second, 1.0)), Cleaning())
    np.testing.assert_array_equal(found.data, first | second)


def test_holes_are_filled_when_asked_and_tunnels_stay() -> None:
    hole = box(slice(9, 11), slice(8, 10), slice(5, 6))
    holed = soft((CORD & ~hole, 1.0))
    np.testing.assert_array_equal(segmented(holed, Cleaning()).data, CORD)
    kept = segmented(holed, Cleaning(fill_holes=False))
    np.testing.assert_array_equal(kept.data, CORD & ~hole)
    tunnel = box(slice(9, 11), slice(8, 10), slice(None))
    assert not segmented(soft((CORD & ~tunnel, 1.0)), Cleaning()).data[tunnel].any()


def test_nothing_gives_nothing() -> None:
    assert not segmented(soft(), Cleaning()).data.any()


def test_cleaning_twice_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    probability = Probability(rng.random(SHAPE, np.float32), WHERE)
    once = segmented(probability, Cleaning(0.6))
    again = segmented(Probability(once.data.astype(np.float32), WHERE), Cleaning())
    np.testing.assert_array_equal(once.data, again.data)


def test_the_mask_has_the_probabilitys_header() -> None:
    import nibabel as nib

    header = nib.Nifti1Header()
    probability = Probability(CORD.astype(np.float32), WHERE, header)
    assert segmented(probability, Cleaning()).header is header


def test_a_single_voxel_beside_the_background_is_the_largest_object() -> None:
    one = box(slice(3, 4), slice(3, 4), slice(3, 4))
    other = box(slice(9, 10), slice(9, 10), slice(9, 10))
    found = segmented(soft((one, 0.9), (other, 0.9)), Cleaning()).data
    assert found.sum() == 1
