"""Grids and volumes: turning, cropping and interpolating move no anatomy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from samples import all_codes, grid, image
from scipy import ndimage

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import (
    Box,
    Grid,
    Probability,
    Segmentation,
    Volume,
    from_sct_letters,
    to_sct_letters,
)

SHAPE = (5, 7, 4)


def oblique() -> Grid:
    a, b = np.deg2rad(20), np.deg2rad(-35)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ tilt @ np.diag([0.5, 0.8, 3.0])
    affine[:3, 3] = (-12.5, 30.0, 7.25)
    return Grid(SHAPE, affine)


def numbered(where: Grid) -> Volume:
    return Volume(np.arange(np.prod(where.shape)).reshape(where.shape).astype(np.int16), where)


def places(volume: Volume) -> dict[int, tuple[float, ...]]:
    """Where in the world each value lies."""
    index = np.argwhere(volume.data >= 0)
    world = apply_affine(volume.grid.affine, index).round(6) + 0.0
    return dict(zip(volume.data[tuple(index.T)].tolist(), map(tuple, world), strict=True))


def test_sct_letters_are_the_opposite_of_nibabels() -> None:
    assert from_sct_letters("RPI") == ("L", "A", "S")
    assert from_sct_letters("ail") == ("P", "S", "R")
    assert len({from_sct_letters(to_sct_letters(codes)) for codes in all_codes()}) == 48


@pytest.mark.parametrize("letters", ["", "RP", "RPX", "RRI", "RLI", "RPIS"])
def test_letters_that_are_no_orientation_are_refused(letters: str) -> None:
    with pytest.raises(ImageError, match="not an orientation"):
        from_sct_letters(letters)


@pytest.mark.parametrize("codes", all_codes(), ids="".join)
def test_turning_moves_no_voxel_in_the_world(codes: tuple[str, str, str]) -> None:
    volume = numbered(oblique())
    turned = volume.reoriented(codes)
    assert turned.grid.axcodes == codes
    assert places(turned) == places(volume)
    back = turned.reoriented(volume.grid.axcodes)
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.grid.matches(volume.grid, 1e-9)


def test_turning_keeps_codes_and_resampling_drops_them() -> None:
    volume = image("T2w")
    assert volume.header is not None
    turned = volume.reoriented(("L", "A", "S")).header
    assert turned is not None
    assert (int(turned["qform_code"]), int(turned["sform_code"])) == (2, 1)
    np.testing.assert_allclose(
        turned.get_best_affine(), volume.grid.reoriented(("L", "A", "S")).affine, atol=1e-4
    )
    assert volume.resampled((2, 2, 2)).header is None
    assert volume.resampled((1, 1, 1)).header is volume.header  # the same voxels
    assert volume.cropped(Box((1, 1, 1), (9, 9, 9))).header is None


def test_a_turned_header_without_codes_gets_one() -> None:
    volume = image("T2w")
    header = volume.header.copy()
    header["qform_code"], header["sform_code"] = 0, 0
    turned = Volume(volume.data, volume.grid, header).reoriented(("L", "A", "S"))
    np.testing.assert_allclose(turned.header.get_best_affine(), turned.grid.affine, atol=1e-4)


def test_a_crop_lies_where_it_was() -> None:
    volume = numbered(oblique())
    crop = volume.cropped(Box((1, 2, 0), (4, 7, 3)))
    assert crop.data.shape == crop.grid.shape == (3, 5, 3)
    whole = places(volume)
    assert all(whole[value] == place for value, place in places(crop).items())


def test_a_box_grows_and_is_cut_at_the_border() -> None:
    assert Box((2, 0, 5), (4, 3, 6)).grown((1, 2, 3), (10, 4, 7)) == Box((1, 0, 2), (5, 4, 7))
    assert Box((2, 0, 5), (4, 3, 6)).shape == (2, 3, 1)


def test_resampling_keeps_the_first_voxel_and_the_number_law() -> None:
    found = grid((64, 64, 10), (0.84, 0.84, 5.0)).resampled((1.0, 0.5, 5.0))
    assert found.shape == (54, 108, 10)
    assert found.affine[:3, 3].tolist() == [0, 0, 0]
    np.testing.assert_allclose(
        np.array(found.shape) * found.spacing, np.array((64, 64, 10)) * (0.84, 0.84, 5.0), rtol=1e-6
    )


def test_no_axis_vanishes() -> None:
    assert grid((3, 3, 1), (1, 1, 1)).resampled((50, 50, 50)).shape == (1, 1, 1)


def test_a_ramp_in_the_world_stays_that_ramp() -> None:
    where = oblique()
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    world = apply_affine(where.affine, index)
    fine = Volume(world @ (1.0, -2.0, 0.5), where).resampled((0.4, 0.7, 1.9), order=1)
    expected = apply_affine(fine.grid.affine, np.moveaxis(np.indices(fine.grid.shape), 0, -1)) @ (
        1.0,
        -2.0,
        0.5,
    )
    inside = apply_affine(
        np.linalg.inv(where.affine) @ fine.grid.affine,
        np.moveaxis(np.indices(fine.grid.shape), 0, -1),
    )
    kept = ((inside >= 0) & (inside <= np.array(SHAPE) - 1)).all(-1)
    assert kept.any()
    np.testing.assert_allclose(fine.data[kept], expected[kept], atol=1e-9)


def test_the_type_decides_the_interpolation() -> None:
    where = grid((4, 4, 4), (1, 1, 1))
    data = np.zeros((4, 4, 4), np.uint8)
    data[2:] = 1
    mask = Segmentation(data, where).resampled((0.4, 1, 1))
    assert mask.data.dtype == np.uint8
    assert set(np.unique(mask.data)) == {0, 1}
    soft = Probability(data.astype(np.float32), where).resampled((0.4, 1, 1))
    assert ((soft.data > 0) & (soft.data < 1)).any()
    assert isinstance(mask, Segmentation)
    assert isinstance(soft, Probability)


def test_dtypes_after_interpolation() -> None:
    volume = numbered(oblique())
    assert volume.resampled((1, 1, 1), order=0).data.dtype == np.int16
    assert volume.resampled((1, 1, 1), order=1).data.dtype == np.float64
    single = Volume(volume.data.astype(np.float32), volume.grid)
    assert single.resampled((1, 1, 1), order=1).data.dtype == np.float32


def test_outside_is_the_nearest_value() -> None:
    small = Volume(np.full((3, 3, 3), 7.0), grid((3, 3, 3), (1, 1, 1)))
    far = Grid((9, 9, 9), np.array([[1, 0, 0, -3], [0, 1, 0, -3], [0, 0, 1, -3], [0, 0, 0, 1.0]]))
    assert (small.resampled_to(far).data == 7).all()


def test_data_that_do_not_fit_the_grid_are_refused() -> None:
    with pytest.raises(ImageError, match="on a grid"):
        Volume(np.zeros((2, 2, 2)), grid((2, 2, 3), (1, 1, 1)))


def test_grids_match_within_a_tolerance() -> None:
    where = oblique()
    moved = Grid(where.shape, where.affine + np.eye(4, k=3) * 2e-3)
    assert where.matches(Grid(where.shape, where.affine + 1e-5))
    assert not where.matches(moved)
    assert not where.matches(Grid((5, 7, 5), where.affine))


def test_letters_that_are_none_are_refused_not_passed_on() -> None:
    for letters in ("RP?", "RPX", "RP", "RRP", "RLA", ""):
        with pytest.raises(ImageError, match="three letters"):
            from_sct_letters(letters)


@pytest.mark.parametrize("wrong", [(1, 1), (1, 1, 1, 1)])
def test_a_number_for_each_axis_or_none(wrong: tuple[int, ...]) -> None:
    box = Box((1, 1, 1), (3, 3, 3))
    with pytest.raises(ValueError, match="zip"):
        box.grown(wrong, (9, 9, 9))
    with pytest.raises(ValueError, match="zip"):
        grid(SHAPE, (1, 1, 1)).resampled([float(n) for n in wrong])


def test_grids_match_within_millimetres_however_far_they_lie() -> None:
    near, far = oblique(), oblique()
    far.affine[:3, 3] += 5000
    shifted = Grid(far.shape, far.affine.copy())
    shifted.affine[0, 3] += 0.01
    assert not far.matches(shifted)
    assert far.matches(shifted, 0.02)
    assert not near.matches(far)


def test_integers_are_interpolated_between_and_keep_their_kind_without() -> None:
    steps = Volume(
        (np.arange(8).reshape(8, 1, 1) * 10).astype(np.int16), grid((8, 1, 1), (1, 1, 1))
    )
    finer = steps.resampled((0.5, 1, 1))
    assert finer.data.dtype == np.float64
    assert finer.data[1, 0, 0] == pytest.approx(5)
    assert steps.resampled((0.5, 1, 1), order=0).data.dtype == np.int16
    single = Volume(steps.data.astype(np.float32), steps.grid)
    assert single.resampled((0.5, 1, 1)).data.dtype == np.float32


def test_a_header_is_kept_for_the_very_same_grid_only() -> None:
    volume = image("T2w")
    moved = Grid(volume.grid.shape, volume.grid.affine.copy())
    moved.affine[0, 3] += 1e-4
    assert volume.resampled_to(volume.grid, 0).header is volume.header
    assert volume.resampled_to(moved, 0).header is None


@pytest.mark.parametrize(
    ("shape", "scale"),
    [
        ((9, 5, 14), (0.5, 2.2, 1.0)),
        ((20, 11, 6), (0.71, 1.37, -1.4)),
        ((4, 4, 4), (3.0, 0.2, 9.0)),
        ((30, 1, 30), (0.43, 0.43, 0.43)),
    ],
)
def test_nearest_values_of_parallel_grids_are_those_of_scipys_transform(
    shape: tuple[int, int, int], scale: tuple[float, float, float]
) -> None:
    random = np.random.default_rng(3)
    where = Grid((12, 13, 9), oblique().affine)
    step = np.diag([*scale, 1.0])
    step[:3, 3] = 1.3, -0.63, 2.1
    volume = Volume(random.random(where.shape, dtype=np.float32), where)
    found = volume.resampled_to(Grid(shape, where.affine @ step), 0).data
    expected = ndimage.affine_transform(
        volume.data, step[:3, :3], step[:3, 3], shape, order=0, mode="nearest"
    )
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@given(st.sampled_from(["RPI", "ASL", "IRP", "LAS"]), st.integers(0, 3), st.integers(4, 6))
def test_a_box_holds_the_same_voxels_in_another_axis_order(codes: str, low: int, high: int) -> None:
    grid = Grid((6, 7, 8), np.diag([1.0, 2.0, 3.0, 1.0]))
    box = Box((low, 1, 2), (high, 5, 7))
    turned = grid.reoriented((codes[0], codes[1], codes[2]))
    data = np.zeros(grid.shape, np.uint8)
    data[box.slices] = 1
    assert box.on_axes(grid, grid) == box
    there = Volume(data, grid).reoriented(turned.axcodes).data
    assert Box.around(there) == box.on_axes(grid, turned)
    assert box.joined(Box((0, 0, 0), (1, 1, 1))) == Box((0, 0, 0), (high, 5, 7))
