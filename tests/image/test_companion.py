"""Companions on other grids: what they say of a place stays, or they are refused."""

from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.csa.aggregate import aggregated, profiles
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.companion import (
    brought_over,
    check_points,
    described,
    points_of,
    same_grid,
)
from sct_deepseg_general.image.volume import Box, Grid, Probability, Segmentation, Volume
from sct_deepseg_general.levels.slices import from_levels
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure
from tests.support.phantoms import affine_of

LEVEL_MM = 15.0
SHAPE, SPACING = (40, 40, 30), (1.0, 1.0, 2.0)
CODES = [
    "".join(letters)
    for order in itertools.permutations(("LR", "AP", "SI"))
    for letters in itertools.product(*order)
]


def level_at(height: NDArray[np.float64]) -> NDArray[np.int16]:
    """The level (from 1, upwards smaller) of a height in mm, for heights from -30 to 30."""
    return np.asarray(8 - np.floor((height + 60) / LEVEL_MM), np.int16)


def grid_of(codes: str, spacing: tuple[float, ...], shape: tuple[int, ...]) -> Grid:
    order = [next(i for i, pair in enumerate(("LR", "AP", "SI")) if c in pair) for c in codes]
    own = [spacing[i] for i in order]
    n0, n1, n2 = (shape[i] for i in order)
    return Grid((n0, n1, n2), affine_of(codes, own, (n0, n1, n2)))


def level_map(grid: Grid) -> Volume:
    voxels = np.indices(grid.shape).reshape(3, -1).T
    heights = apply_affine(grid.affine, voxels)[:, 2]
    return Volume(level_at(heights).reshape(grid.shape), grid)


def moved(grid: Grid, shift: tuple[float, ...]) -> Grid:
    affine = grid.affine.copy()
    affine[:3, 3] += shift
    return Grid(grid.shape, affine)


def mask_with_two_widths() -> Segmentation:
    """A tube along LAS whose radius is larger in every second level."""
    grid = grid_of("LAS", SPACING, SHAPE)
    x, y, z = np.moveaxis(apply_affine(grid.affine, np.indices(SHAPE).reshape(3, -1).T), -1, 0)
    radius = np.where(level_at(z) % 2, 5.0, 8.0)
    inside = (x**2 + y**2 <= radius**2).reshape(SHAPE)
    return Segmentation(inside.astype(np.uint8), grid)


MASK = mask_with_two_widths()
MEASURED: Morphometrics = measure(MASK, angle_correction=False)
grids = st.builds(
    grid_of,
    st.sampled_from(CODES),
    st.tuples(*[st.sampled_from([0.5, 0.8, 1.0, 1.7, 2.0])] * 3),
    st.tuples(*[st.integers(12, 60)] * 3),
)
shifts = st.tuples(*[st.floats(-25, 25)] * 3)


@settings(deadline=None, max_examples=150)
@given(grids, shifts)
def test_the_area_of_each_level_stays_or_the_map_is_refused(
    grid: Grid, shift: tuple[float, float, float]
) -> None:
    labels = level_map(moved(grid, shift))
    try:
        brought = brought_over(labels, "labels", MASK, "levels.nii.gz", "mask.nii.gz").volume
    except ImageError as error:
        stated = [described(one) in str(error) for one in (labels.grid, MASK.grid)]
        assert all(stated)
        return
    levels = from_levels(brought)
    heights = apply_affine(MASK.grid.affine, np.c_[np.zeros((30, 2)), np.arange(30)])[:, 2]
    far = np.abs((heights + 60) % LEVEL_MM - LEVEL_MM / 2) < LEVEL_MM / 2 - 1.01
    named = levels > 0
    np.testing.assert_array_equal(levels[named & far], level_at(heights)[named & far])
    per_level, measures = Selection(per_level=True), profiles(MEASURED)
    rows = aggregated(measures, per_level, np.where(far, levels, 0))
    truth = aggregated(measures, per_level, np.where(far & named, level_at(heights), 0))
    assert rows == truth


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(CODES), st.tuples(*[st.tuples(st.integers(0, 10), st.integers(30, 30))] * 3))
def test_flipping_and_cropping_loses_nothing_of_a_mask(
    codes: str, crop: tuple[tuple[int, int], ...]
) -> None:
    (x0, x1), (y0, y1), (z0, z1) = crop
    part = MASK.cropped(Box((x0, y0, z0), (x1, y1, z1)))
    turned = part.reoriented((codes[0], codes[1], codes[2]))
    brought = brought_over(turned, "mask", MASK, "mask.nii.gz")
    expected = np.zeros_like(MASK.data)
    expected[x0:x1, y0:y1, z0:z1] = part.data
    np.testing.assert_array_equal(brought.volume.data, expected)
    assert brought.moved
    assert brought.exact
    assert "mask.nii.gz" in brought.sentence


@settings(deadline=None, max_examples=60)
@given(grids, shifts, st.integers(0, 2**32 - 1))
def test_points_stay_within_half_a_voxel(
    grid: Grid, shift: tuple[float, float, float], seed: int
) -> None:
    grid = moved(grid, shift)
    rng = np.random.default_rng(seed)
    data = np.zeros(grid.shape, np.uint8)
    for value in (3, 4, 5):
        data[tuple(rng.integers(0, grid.shape))] = value
    points = points_of(Volume(data, grid))
    try:
        brought = brought_over(Volume(data, grid), "points", MASK, "discs.nii.gz")
    except ImageError as error:
        assert "discs.nii.gz" in str(error)  # noqa: PT017 - as above
        return
    placed = points_of(brought.volume)
    for position, value in zip(placed.positions, placed.values, strict=True):
        near = np.abs(points.positions[points.values == value] - position)
        assert (near <= np.array(SPACING) / 2 + 1e-3).all(axis=1).any()
    for value in set(points.values) - set(placed.values):
        assert str(value) in brought.sentence.split("left out: ")[1]


@settings(deadline=None, max_examples=60)
@given(grids, shifts)
def test_an_image_keeps_its_intensity_at_each_place(
    grid: Grid, shift: tuple[float, float, float]
) -> None:
    grid = moved(grid, shift)
    places = apply_affine(grid.affine, np.indices(grid.shape).reshape(3, -1).T)
    image = Volume((places @ (1.0, 2.0, 3.0)).reshape(grid.shape), grid)
    target = grid_of("LAS", (1.0, 1.0, 1.0), (8, 8, 8))
    needed = np.ones(target.shape, np.bool_)
    try:
        brought = brought_over(image, "image", target, "t2.nii.gz", needed=needed)
    except ImageError as error:
        assert "does not cover" in str(error)  # noqa: PT017 - as above
        return
    own = apply_affine(target.affine, np.indices(target.shape).reshape(3, -1).T)
    index = apply_affine(np.linalg.inv(grid.affine), own)
    inner = ((index >= 0) & (index <= np.array(grid.shape) - 1)).all(axis=1)
    np.testing.assert_allclose(
        brought.volume.data.ravel()[inner], (own @ (1.0, 2.0, 3.0))[inner], atol=1e-6
    )


def test_the_same_grid_is_used_as_it_is_and_rounding_of_a_header_is_no_other_grid() -> None:
    rounded = Volume(MASK.data, moved(MASK.grid, (0.01, -0.02, 0.01)))
    brought = brought_over(rounded, "mask", MASK, "mask.nii.gz")
    assert not brought.moved
    assert not brought.sentence
    assert brought.volume.data is MASK.data
    assert brought.volume.grid.matches(MASK.grid)
    assert not same_grid(MASK.grid, moved(MASK.grid, (0.1, 0, 0)))


def test_a_companion_without_a_position_is_refused() -> None:
    header = nib.Nifti1Header()
    header.set_data_shape(SHAPE)
    unplaced = Volume(MASK.data, moved(MASK.grid, (5, 0, 0)), header)
    with pytest.raises(ImageError, match="codes are 0"):
        brought_over(unplaced, "labels", MASK, "levels.nii.gz")
    with pytest.raises(ImageError, match="codes are 0"):
        brought_over(MASK, "mask", unplaced, "s2.nii.gz")


def test_points_that_would_share_a_voxel_are_refused() -> None:
    fine = np.zeros((80, 80, 60), np.uint8)
    fine[40, 40, 30], fine[40, 40, 31] = 3, 4
    discs = Volume(fine, grid_of("LAS", (0.5, 0.5, 0.5), (80, 80, 60)))
    coarse = grid_of("LAS", (4.0, 4.0, 4.0), (20, 20, 15))
    with pytest.raises(ImageError, match="one voxel"):
        brought_over(discs, "points", coarse, "discs.nii.gz")


def test_a_label_between_the_voxels_is_refused() -> None:
    fine = np.zeros((80, 80, 60), np.uint8)
    fine[:, :, :30], fine[:, :, 30], fine[:, :, 31:] = 3, 4, 5
    labels = Volume(fine, grid_of("LAS", (0.5, 0.5, 0.5), (80, 80, 60)))
    coarse = grid_of("LAS", (4.0, 4.0, 4.0), (10, 10, 8))
    with pytest.raises(ImageError, match="label 4 falls between"):
        brought_over(labels, "labels", coarse, "levels.nii.gz")


def test_voxels_of_another_size_or_between_others_are_not_exact() -> None:
    for spacing in ((0.5, 1.0, 2.0), (0.5, 0.5, 1.0), (2.0, 2.0, 4.0)):
        other = MASK.resampled(spacing)
        assert not brought_over(other, "mask", MASK, "mask.nii.gz").exact
    shifted = Segmentation(MASK.data, moved(MASK.grid, (0.5, 0, 0)))
    assert not brought_over(shifted, "mask", MASK, "mask.nii.gz").exact
    whole = Segmentation(MASK.data, moved(MASK.grid, (3.0, 0, 0)))
    assert brought_over(whole, "mask", MASK, "mask.nii.gz").exact


def test_points_by_position_may_lie_beside_the_field_of_view_but_not_far_away() -> None:
    data = np.zeros(SHAPE, np.uint8)
    data[20, 20, 29] = 3
    near = Volume(data, moved(MASK.grid, (0, 0, 40)))
    assert "not on the grid" in check_points(near, MASK, "discs.nii.gz")
    assert check_points(Volume(data, MASK.grid), MASK, "discs.nii.gz") == ""
    far = Volume(data, moved(MASK.grid, (0, 0, 61)))
    with pytest.raises(ImageError, match="point 3 lies 61 mm outside"):
        check_points(far, MASK, "discs.nii.gz")


def test_a_probability_is_zero_outside_of_its_field_of_view() -> None:
    sure = Probability(
        np.ones((10, 10, 10), np.float32), grid_of("LAS", (1.0, 1.0, 2.0), (10, 10, 10))
    )
    brought = brought_over(sure, "image", MASK, "soft.nii.gz").volume
    assert brought.data.max() == 1
    assert brought.data.sum() == 1000
