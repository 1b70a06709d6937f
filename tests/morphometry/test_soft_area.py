"""The soft area, and the symmetry of halves."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from phantoms import affine_of
from sct_reference import CORD, mask

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Probability, Segmentation, Volume
from sct_deepseg_general.morphometry.fine_slice import fine_slice
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.morphometry.slice_symmetry import axis_angle, symmetry_of
from sct_deepseg_general.morphometry.soft_area import soft_areas
from sct_deepseg_general.morphometry.symmetry import symmetries


def filled_disc(radius: float, spacing: float, shift: float) -> Probability:
    """A disc's partial volumes, in six slices."""
    fine = (np.arange(20 * 11) + 0.5) / 11 * spacing - 10 * spacing - shift
    inside = fine[:, None] ** 2 + fine[None, :] ** 2 <= radius**2
    share = inside.reshape(20, 11, 20, 11).mean(axis=(1, 3)).astype(np.float32)
    data = np.repeat(share[:, :, None], 6, axis=2)
    grid = Grid(data.shape, affine_of("LAS", (spacing, spacing, 3.0), data.shape))
    return Probability(data, grid)


def thresholded(probability: Probability) -> Segmentation:
    return Segmentation((probability.data > 0.5).astype(np.uint8), probability.grid)


@pytest.mark.parametrize("spacing", [1.0, 1.5])
def test_partial_volumes_bias_the_mask_more(spacing: float) -> None:
    hard, soft = [], []
    for shift in np.linspace(0, spacing, 7):
        probability = filled_disc(5.0, spacing, float(shift))
        segmentation = thresholded(probability)
        table = measure(segmentation)
        hard.append(np.nanmean(table.area) - math.pi * 25)
        soft.append(np.nanmean(soft_areas(probability, segmentation, table)) - math.pi * 25)
    assert np.sqrt(np.mean(np.square(soft))) < 0.4 * np.sqrt(np.mean(np.square(hard)))
    assert np.abs(soft).max() < 0.01 * math.pi * 25


def test_a_lower_probability_is_a_smaller_area() -> None:
    probability = filled_disc(5.0, 1.0, 0.0)
    segmentation = thresholded(probability)
    table = measure(segmentation)
    whole = soft_areas(probability, segmentation, table)
    half = soft_areas(replace(probability, data=probability.data / 2), segmentation, table)
    assert half == pytest.approx(whole / 2, rel=1e-6)


def test_what_is_far_from_the_mask_does_not_count() -> None:
    probability = filled_disc(3.0, 1.0, 0.0)
    segmentation = thresholded(probability)
    table = measure(segmentation)
    before = soft_areas(probability, segmentation, table)
    noisy = probability.data.copy()
    noisy[0, 0] = 1
    after = soft_areas(replace(probability, data=noisy), segmentation, table)
    assert (before == after).all()


def test_orientation_does_not_count() -> None:
    probability = filled_disc(5.0, 1.0, 0.3)
    segmentation = thresholded(probability)
    expected = soft_areas(probability, segmentation, measure(segmentation))
    codes = ("S", "P", "R")
    turned, cord = probability.reoriented(codes), segmentation.reoriented(codes)
    assert soft_areas(turned, cord, measure(cord)) == pytest.approx(expected)


def test_empty_and_foreign_masks() -> None:
    probability = filled_disc(5.0, 1.0, 0.0)
    empty = Segmentation(np.zeros(probability.data.shape, np.uint8), probability.grid)
    assert np.isnan(soft_areas(probability, empty, measure(empty))).all()
    other = Segmentation(mask(CORD).data, mask(CORD).grid)
    with pytest.raises(ImageError, match="same grid"):
        soft_areas(probability, other, measure(other))


def ellipse(angle: float = 0.0) -> np.ndarray:
    x, y = np.mgrid[:60, :50] - np.array([30, 25])[:, None, None]
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return ((u / 14) ** 2 + (v / 8) ** 2 <= 1).astype(np.float64)


def test_an_ellipse_is_symmetric_and_its_quarters_alike() -> None:
    fine = fine_slice(ellipse(), (0.5, 0.5))
    assert fine is not None
    centre = ((fine.extent[0] - 1) / 2, (fine.extent[1] - 1) / 2)
    found = symmetry_of(fine, centre, 0.0)
    quarters = [
        found.area_quadrant_anterior_left, found.area_quadrant_anterior_right,
        found.area_quadrant_posterior_left, found.area_quadrant_posterior_right,
    ]  # fmt: skip
    assert quarters == pytest.approx([fine.area / 4] * 4, rel=0.03)
    assert min(found.symmetry_dice_rl, found.symmetry_dice_ap) > 0.95
    assert max(found.symmetry_hausdorff_rl, found.symmetry_hausdorff_ap) < 0.5


def test_a_missing_corner_is_seen_on_both_axes() -> None:
    cut = ellipse()
    cut[32:, 27:] = 0  # left and front
    fine = fine_slice(cut, (0.5, 0.5))
    assert fine is not None
    found = symmetry_of(fine, (84.5, 54.5), 0.0)
    assert found.area_quadrant_anterior_left < 0.6 * found.area_quadrant_posterior_right
    assert found.symmetry_dice_rl < 0.9
    assert found.symmetry_difference_ap > 5


def test_the_axis_follows_the_image() -> None:
    from scipy.ndimage import gaussian_filter

    for degrees in (-20, 0, 15):
        image = gaussian_filter(ellipse(math.radians(degrees)), 1.0) * 100
        found = math.degrees(axis_angle(image, (30.0, 25.0)))
        assert abs(found) == pytest.approx(abs(degrees), abs=5)


def test_symmetry_needs_the_image_on_the_same_grid() -> None:
    cord = mask(CORD)
    with pytest.raises(ImageError, match="same grid"):
        symmetries(cord, mask("mt1_seg"), measure(cord))


def test_an_empty_mask_has_no_symmetry() -> None:
    empty = mask("empty")
    image = Volume(np.ones(empty.data.shape), empty.grid)
    assert set(symmetries(empty, image, measure(empty))) == {None}


def test_a_slice_without_cord_has_no_soft_area() -> None:
    soft = filled_disc(6.0, 1.0, 0.0)
    cord = thresholded(soft)
    cord.data[:, :, 3] = 0
    found = soft_areas(soft, cord, measure(cord))
    assert np.isnan(found).tolist() == [False, False, False, True, False, False]
    assert found[2] == pytest.approx(math.pi * 36, rel=0.02)


def test_a_slice_of_few_voxels_has_no_symmetry_and_hides_no_other() -> None:
    cord = thresholded(filled_disc(6.0, 1.0, 0.0))
    cord.data[:, :, 5] = 0
    cord.data[9, 9, 5] = 1
    found = symmetries(cord, Volume(cord.data.astype(float), cord.grid), measure(cord))
    assert [one is None for one in found] == [False] * 5 + [True]
    cord.data[:, :, :5] = 0
    alone = symmetries(cord, Volume(cord.data.astype(float), cord.grid), measure(cord))
    assert set(alone) == {None}


def test_an_image_without_contrast_leaves_the_axis_where_it_is() -> None:
    assert math.isfinite(axis_angle(np.full((60, 50), 7.0), (30.0, 25.0)))


def test_a_cord_on_one_side_of_its_axis_agrees_with_nothing() -> None:
    fine = fine_slice(ellipse(), (0.5, 0.5))
    assert fine is not None
    found = symmetry_of(fine, (0.0, 0.0), 0.0)
    assert found.symmetry_dice_rl < 0.1
    assert math.isinf(found.symmetry_hausdorff_rl)
