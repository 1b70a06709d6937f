from __future__ import annotations

from dataclasses import astuple
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from phantoms import affine_of, cylinder

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.image.metrics import agreement, distances, overlap
from sct_deepseg_general.image.volume import Grid, Segmentation

SHAPE = (30, 30, 8)
SPACING = (0.5, 0.5, 4.0)
MASKS = arrays(np.bool_, (5, 4, 3))


def segmentation(mask: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> Segmentation:
    grid = Grid(mask.shape, affine_of("LAS", spacing, mask.shape))
    return Segmentation(mask.astype(np.uint8), grid)


def box(start: int, stop: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[start:stop, 5:15, 2:6] = True
    return mask


def test_perfect_agreement() -> None:
    mask = cylinder(SHAPE, SPACING, 4)
    result = agreement(segmentation(mask), segmentation(mask))
    assert astuple(result.overlap) == (1, 1, 1, 1, 1, 1, 0, 0)
    assert astuple(result.distances) == (0, 0, 0, 0)
    assert result.volume == result.reference_volume == pytest.approx(mask.sum() * 1.0)


def test_overlap_of_two_boxes_by_hand() -> None:
    """10 against 10 columns, 6 shared: Dice 12/20, Jaccard 6/14, volumes equal."""
    result = overlap(box(4, 14), box(8, 18))
    assert result.dice == pytest.approx(0.6)
    assert result.jaccard == pytest.approx(6 / 14)
    assert result.sensitivity == result.ppv == pytest.approx(0.6)
    outside = 30 * 30 * 8 - 400
    assert result.specificity == result.npv == pytest.approx((outside - 160) / outside)
    assert result.volume_error == 0


def test_half_and_double_volume_do_not_cancel_in_the_absolute_error() -> None:
    half, double = overlap(box(4, 9), box(4, 14)), overlap(box(4, 24), box(4, 14))
    assert (half.volume_error, double.volume_error) == (-50, 100)
    assert (half.volume_error_abs, double.volume_error_abs) == (50, 100)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shift_is_measured_in_millimetres(axis: int) -> None:
    """Trap: distances in voxels. A shift of one voxel is 0.5 mm in-plane and 4 mm across."""
    reference = np.zeros(SHAPE, bool)
    reference[15, 15, 4] = True
    moved = np.roll(reference, 1, axis)
    result = distances(moved, reference, SPACING)
    assert astuple(result) == pytest.approx((SPACING[axis],) * 4)


def test_hausdorff_takes_the_worse_direction_and_the_percentile_forgives_a_stray_voxel() -> None:
    reference = cylinder(SHAPE, SPACING, 4)
    stray = reference.copy()
    stray[0, 15, 4] = True
    result = distances(stray, reference, SPACING)
    assert result.hausdorff == pytest.approx(0.5 * (np.flatnonzero(reference[:, 15, 4])[0]))
    assert result.hausdorff95 == 0
    assert 0 < result.average_symmetric < result.contour_mean < 0.1


def test_a_thicker_cylinder_is_away_by_the_difference_of_the_radii() -> None:
    fine = (0.1, 0.1, 1.0)
    shape = (121, 121, 3)
    inner, outer = (cylinder(shape, fine, r) for r in (4, 5))
    rings = distances(outer[..., 1:2], inner[..., 1:2], fine)
    assert rings.hausdorff == pytest.approx(1.0, abs=0.15)


def test_both_empty_is_perfect_and_one_empty_counts_as_the_worst() -> None:
    """Trap: empty predictions dropped from the means."""
    empty, cord = np.zeros(SHAPE, bool), cylinder(SHAPE, SPACING, 4)
    nothing = agreement(segmentation(empty), segmentation(empty))
    assert astuple(nothing.overlap) == (1, 1, 1, 1, 1, 1, 0, 0)
    assert astuple(nothing.distances) == (0, 0, 0, 0)
    missed = agreement(segmentation(empty), segmentation(cord))
    assert (missed.overlap.dice, missed.overlap.ppv, missed.overlap.sensitivity) == (0, 0, 0)
    assert missed.overlap.volume_error == -100
    diagonal = float(np.hypot(np.hypot(15, 15), 32))
    assert astuple(missed.distances) == pytest.approx((diagonal,) * 4)
    invented = agreement(segmentation(cord), segmentation(empty))
    assert (invented.overlap.dice, invented.overlap.sensitivity) == (0, 0)
    assert invented.overlap.volume_error == 100
    assert invented.distances.hausdorff == pytest.approx(diagonal)


def test_two_grids_are_not_compared() -> None:
    """Trap: the geometry of image and label was never checked."""
    mask = cylinder(SHAPE, SPACING, 4)
    with pytest.raises(DatasetError, match="grid"):
        agreement(segmentation(mask), segmentation(mask, (0.5, 0.5, 5.0)))


@settings(max_examples=60, deadline=None)
@given(MASKS, MASKS)
def test_laws_hold_for_any_two_masks(first: np.ndarray, second: np.ndarray) -> None:
    spacing = (1.0, 2.0, 3.0)
    there, back = distances(first, second, spacing), distances(second, first, spacing)
    assert astuple(there) == pytest.approx(astuple(back))
    assert there.average_symmetric <= there.contour_mean + 1e-9
    assert there.hausdorff95 <= there.hausdorff
    o = overlap(first, second)
    assert o.dice == pytest.approx(2 * o.jaccard / (1 + o.jaccard))
    assert all(0 <= v <= 1 for v in astuple(o)[:6])


@settings(max_examples=20, deadline=None)
@given(MASKS, MASKS, st.sampled_from(list(permutations(range(3)))))
def test_the_order_of_the_axes_changes_nothing(
    first: np.ndarray, second: np.ndarray, axes: tuple[int, int, int]
) -> None:
    spacing = (1.0, 2.0, 3.0)
    turned = tuple(spacing[a] for a in axes)
    assert astuple(distances(first, second, spacing)) == pytest.approx(
        astuple(distances(first.transpose(axes), second.transpose(axes), turned))
    )


@settings(max_examples=25, deadline=None)
@given(MASKS.filter(np.any), MASKS.filter(np.any))
def test_distances_equal_a_search_over_all_pairs(first: np.ndarray, second: np.ndarray) -> None:
    """An independent way to the same numbers: every surface voxel against every other."""
    spacing = np.array([0.7, 1.1, 5.0])
    points = [np.argwhere(_touching_outside(m)) * spacing for m in (first, second)]
    pairs = np.linalg.norm(points[0][:, None] - points[1][None], axis=2)
    there, back = pairs.min(axis=1), pairs.min(axis=0)
    assert astuple(distances(first, second, tuple(spacing))) == pytest.approx((
        max(there.max(), back.max()),
        max(np.percentile(there, 95), np.percentile(back, 95)),
        max(there.mean(), back.mean()),
        (there.sum() + back.sum()) / (there.size + back.size),
    ))  # fmt: skip


def _touching_outside(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inside = np.ones_like(mask)
    for axis in range(3):
        for step in (-1, 1):
            inside &= np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1]
    return mask & ~inside
