"""Planes without signal are found in every axis order, and dark planes elsewhere do not count."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cord_image, cylinder

from sct_deepseg_general.image.blank import blank_ends, blank_planes
from sct_deepseg_general.image.volume import Axcodes, Grid, Volume

SHAPE, SPACING = (40, 40, 30), (1.0, 1.0, 3.0)
MASK = cylinder(SHAPE, SPACING, 5.0)


def image(*blank: int) -> Volume:
    data = cord_image(MASK, "T2w", 0)
    data[:, :, list(blank)] = 0
    return Volume(data, Grid(SHAPE, affine_of("LAS", SPACING, SHAPE)))


@pytest.mark.parametrize("codes", [("L", "A", "S"), ("P", "I", "R"), ("S", "R", "P")])
@pytest.mark.parametrize("blank", [(), (12,), tuple(range(10, 20)), tuple(range(0, 30, 2))])
def test_blank_slices_are_found(codes: Axcodes, blank: tuple[int, ...]) -> None:
    turned = image(*blank).reoriented(codes)
    mask = Volume(MASK.astype(np.uint8), image().grid).reoriented(codes).data
    found = blank_planes(turned, mask)
    expected = np.zeros(SHAPE[2], bool)
    expected[list(blank)] = True
    if "I" in codes:
        expected = expected[::-1]
    assert found.slices == tuple(np.flatnonzero(expected))
    assert found.any == bool(blank)
    assert not np.moveaxis(found.cleared(mask), found.along, 2)[..., expected].any()


def test_a_blank_sagittal_plane_is_found() -> None:
    volume = image()
    volume.data[20] = 0
    found = blank_planes(volume, MASK)
    assert [tuple(np.flatnonzero(one)) for one in found.planes] == [(20,), (), ()]


def test_slices_that_are_blank_around_the_mask_only_are_found() -> None:
    """A field of view that was filled with zeros on one side."""
    volume = image()
    volume.data[8:, :, 20:] = 0
    assert blank_planes(volume, MASK).slices == tuple(range(20, 30))


def test_dark_slices_away_from_the_mask_do_not_count() -> None:
    short = MASK.copy()
    short[:, :, 15:] = False
    assert not blank_planes(image(20, 21, 22), short).any
    assert not blank_planes(image(3), np.zeros_like(MASK)).any


def test_slices_of_noise_between_others_are_blank_and_fading_signal_is_not() -> None:
    volume = image()
    volume.data[:, :, 10:20] = np.random.default_rng(0).normal(10, 3, (40, 40, 10))
    assert blank_planes(volume, MASK).slices == tuple(range(10, 20))
    faded = image()
    faded.data[:] *= np.linspace(1, 0.02, 30)
    assert not blank_planes(faded, MASK).any


@pytest.mark.parametrize("codes", [("L", "A", "S"), ("S", "R", "P"), ("R", "P", "I")])
@pytest.mark.parametrize("level", [0.0, 10.0])
def test_signal_that_ends_at_once_is_named_and_not_measured(codes: Axcodes, level: float) -> None:
    volume = image()
    noise = np.random.default_rng(0).normal(level, level / 4, (40, 40, 8))
    volume.data[:, :, :8] = noise
    turned = volume.reoriented(codes)
    counted = range(22, 30) if "I" in codes else range(8)
    whole = Volume(MASK.astype(np.uint8), volume.grid).reoriented(codes).data
    assert blank_planes(turned, whole).slices == tuple(counted), "where a mask was drawn"
    cut = MASK.copy()
    cut[:, :, :8] = False
    beside = Volume(cut.astype(np.uint8), volume.grid).reoriented(codes).data
    assert blank_ends(turned, beside) == tuple(counted), "where it was not"
    assert blank_planes(turned, beside).slices == ()
    far = MASK.copy()
    far[:, :, :20] = False
    assert blank_ends(volume, far) == ()


def test_an_image_with_signal_to_its_ends_has_no_blank_ends() -> None:
    faded = image()
    faded.data[:, :, :10] *= np.linspace(0.2, 1, 10)
    assert blank_ends(faded, MASK) == blank_ends(image(), MASK) == ()
    assert blank_ends(image(), np.zeros_like(MASK)) == ()


def test_the_range_of_16_bits_does_not_overflow() -> None:
    data = image().data
    scaled = np.interp(data, (data.min(), data.max()), (-32768, 32767)).astype(np.int16)
    assert not blank_planes(Volume(scaled, image().grid), MASK).any
