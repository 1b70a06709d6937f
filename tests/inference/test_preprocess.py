"""Into the model's grid and back: nothing moves, and what lies outside the box is 0."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cylinder
from samples import dice, image, label

from sct_deepseg_general.image.volume import Box, Grid, Probability, Volume, from_sct_letters
from sct_deepseg_general.inference.preprocess import (
    averaged,
    margin_box,
    prepared,
    restored,
    zscored,
)

SPACING = (0.8, 0.8, 1.5)
LPI = from_sct_letters("LPI")


@pytest.mark.parametrize("name", ["T2w", "acq-MTon_MTS", "acq-crop_T2star"])
def test_a_label_comes_back_as_it_went(name: str) -> None:
    mask = label(name)
    oriented = Volume(mask.data.astype(np.float32), mask.grid).reoriented(LPI)
    box = margin_box(oriented.data, oriented.grid.spacing, 15)
    close = oriented.cropped(box).resampled(SPACING)
    back = restored(Probability(close.data, close.grid), oriented.grid, box, mask.grid)
    assert back.grid is mask.grid
    assert back.data.dtype == np.float32
    assert 0 <= back.data.min() <= back.data.max() <= 1
    assert dice(back.data >= 0.5, mask.data) > 0.95


def test_outside_the_box_is_zero() -> None:
    where = Grid((20, 18, 10), affine_of("PSR", (1, 1, 2), (20, 18, 10)))
    oriented = where.reoriented(LPI)
    box = Box((2, 3, 4), (8, 15, 12))
    grid = oriented.cropped(box).resampled(SPACING)
    ones = Probability(np.ones(grid.shape, np.float32), grid)
    back = restored(ones, oriented, box, where)
    assert back.data.sum() == np.prod(box.shape)
    again = back.reoriented(LPI)
    assert (again.data[box.slices] == 1).all()


def test_what_leaves_zero_to_one_is_cut() -> None:
    where = Grid((6, 6, 6), affine_of("RAS", (1, 1, 1), (6, 6, 6)))
    odd = Probability(np.linspace(-1, 2, 216, dtype=np.float32).reshape(6, 6, 6), where)
    back = restored(odd, where, where.box, where)
    assert (back.data.min(), back.data.max()) == (0, 1)


def test_the_prepared_image_is_float32_and_zscored() -> None:
    oriented = image("T2w").reoriented(LPI)
    close = prepared(oriented, Box((5, 5, 5), (45, 50, 50)), SPACING)
    assert close.data.dtype == np.float32
    assert abs(float(close.data.mean())) < 1e-4
    assert float(close.data.std()) == pytest.approx(1, abs=1e-4)
    assert np.allclose(close.grid.spacing, SPACING, atol=0.02)


def test_scale_and_offset_of_intensities_do_not_matter() -> None:
    data = np.random.default_rng(1).normal(300, 50, (9, 8, 7)).astype(np.float32)
    np.testing.assert_allclose(zscored(data), zscored(data * 40 - 900), atol=1e-4)


def test_a_constant_crop_gives_zeros() -> None:
    assert not zscored(np.full((4, 4, 4), 9.0, np.float32)).any()


@pytest.mark.parametrize("margin", [0.0, 2.0, 3.1])
def test_the_margin_is_in_millimetres(margin: float) -> None:
    spacing = (0.5, 1.0, 4.0)
    mask = np.zeros((60, 40, 20), bool)
    mask[20:30, 10:15, 5:8] = True
    box = margin_box(mask, spacing, margin)
    for start, stop, low, high, mm in zip(
        box.start, box.stop, (20, 10, 5), (30, 15, 8), spacing, strict=True
    ):
        assert margin <= (low - start) * mm < margin + mm
        assert margin <= (stop - high) * mm < margin + mm


def test_a_box_is_cut_at_the_border_and_whole_without_a_mask() -> None:
    mask = cylinder((10, 10, 10), (1, 1, 1), 2)
    assert margin_box(mask, (1, 1, 1), 50) == Box((0, 0, 0), (10, 10, 10))
    assert margin_box(np.zeros((4, 5, 6)), (1, 1, 1), 1) == Box((0, 0, 0), (4, 5, 6))


def test_an_image_is_resampled_linearly_in_single_precision() -> None:
    step = np.zeros((8, 6, 4), np.int16)
    step[4:] = 1000
    where = Grid(step.shape, np.diag([1.0, 1, 1, 1]))
    close = prepared(Volume(step, where), where.box, (0.5, 1, 1))
    assert close.data.dtype == np.float32
    levels = np.unique(close.data[:, 0, 0].round(4))
    assert len(levels) == 3  # below, half way and above: nothing swings beyond the step
    assert levels[1] == pytest.approx((levels[0] + levels[2]) / 2, abs=1e-3)


@pytest.mark.parametrize("factor", [2.0, 3.0, 5.0])
def test_averaging_leaves_about_the_noise_of_a_larger_voxel(factor: float) -> None:
    noise = np.random.default_rng(2).normal(size=(60, 60, 60)).astype(np.float32)
    fine = Volume(noise, Grid(noise.shape, np.diag([0.5, 0.5, 3, 1])))
    left = averaged(fine, (0.5 * factor, 0.5 * factor, 2.0)).data.std()
    assert left == pytest.approx(1 / factor, rel=0.3)  # per axis one over the root of the factor


def test_averaging_changes_nothing_along_an_axis_of_larger_voxels() -> None:
    data = np.random.default_rng(3).normal(size=(9, 8, 7)).astype(np.float32)
    thick = Volume(data, Grid(data.shape, np.diag([1.0, 1, 5, 1])))
    np.testing.assert_array_equal(averaged(thick, (1, 1, 2)).data, data)
    constant = Volume(np.full((9, 8, 7), 4, np.int16), thick.grid)
    assert (averaged(constant, (3, 3, 9)).data == 4).all()


@pytest.mark.parametrize("radius", [3.0, 4.3, 5.6])
def test_averaging_keeps_the_area_of_a_cord_of_small_voxels(radius: float) -> None:
    fine = cylinder((60, 60, 12), (0.5, 0.5, 2), radius).astype(np.float32)
    where = Grid(fine.shape, np.diag([0.5, 0.5, 2, 1]))

    def error(averaging: bool) -> float:
        volume = Probability(fine, where)
        volume = averaged(volume, (1, 1, 2)) if averaging else volume
        coarse = volume.resampled((1, 1, 2))
        back = restored(Probability(coarse.data, coarse.grid), where, where.box, where)
        return abs(float((back.data > 0.5).sum() / fine.sum()) - 1)

    assert error(True) < 0.02
    assert error(True) < error(False)


def test_the_mean_of_many_equal_voxels_is_exact() -> None:
    data = np.full((200, 200, 60), 16_777_217, np.float64).astype(np.float32) + 2
    data[0] = 0
    expected = data.astype(np.float64)
    scored = zscored(data)
    np.testing.assert_allclose(
        scored, (expected - expected.mean()) / expected.std(), rtol=1e-5, atol=1e-6
    )
    faint = np.array([[[0.0, 1e-3]]], np.float32)
    np.testing.assert_allclose(zscored(faint), [[[-1, 1]]], rtol=1e-4)


def test_an_empty_mask_is_worth_the_whole_grid() -> None:
    assert margin_box(np.zeros((4, 5, 6)), (1, 1, 1), 2) == Box((0, 0, 0), (4, 5, 6))
