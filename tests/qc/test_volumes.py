"""The embedded volume is the image: same place, same values within a step of 8 bits."""

from __future__ import annotations

import base64
import gzip
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from qc_phantoms import box_around, cord

from sct_deepseg_general.qc.volumes import (
    embedded_image,
    embedded_labels,
    embedded_mask,
    embedded_probability,
    region,
)


def opened(text):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


@pytest.mark.parametrize("codes", ["LAS", "AIL", "RPI"])
def test_the_image_keeps_its_place_and_its_values(codes):
    image, mask, _ = cord(codes=codes)
    box = region(mask, box_around(mask))
    back = opened(embedded_image(image, box))
    part = image.cropped(box)
    assert np.allclose(back.affine, part.grid.affine)
    assert back.get_data_dtype() == np.uint8
    step = np.ptp(part.data) / 255
    inside = np.percentile(part.data, (0.1, 99.9))
    clipped = np.clip(part.data, *inside)
    assert np.abs(np.clip(back.get_fdata(), *inside) - clipped).max() <= step


def test_the_mask_and_the_probability_come_back():
    _, mask, probability = cord()
    box = region(mask, None)
    back = opened(embedded_mask(mask, box)).get_fdata()
    assert np.array_equal(back, mask.data[box.slices])
    soft = opened(embedded_probability(probability, box)).get_fdata()
    assert np.abs(soft - probability.data[box.slices]).max() <= 0.5 / 255 + 1e-6


def test_labels_are_numbered_and_the_later_one_is_on_top():
    _, mask, _ = cord()
    upper = mask.data.copy()
    upper[:, :, :12] = 0
    box = region(mask, None)
    back = opened(embedded_labels([mask, replace(mask, data=upper)], box)).get_fdata()
    assert np.array_equal(back, (mask.data + upper)[box.slices])


def test_the_region_is_cut_across_and_whole_along():
    _, mask, _ = cord(shape=(400, 300, 24))
    box = region(mask, None)
    assert box.shape[2] == 24
    assert box.shape[0] * 0.8 == pytest.approx(9 + 6 + 60, abs=4)


def test_the_region_without_cord_is_everything():
    _, mask, _ = cord()
    empty = replace(mask, data=np.zeros_like(mask.data))
    assert region(empty, None) == mask.grid.box


def test_a_huge_volume_is_thinned_and_stays_in_place():
    image, _, _ = cord(shape=(300, 200, 100), spacing=(0.4, 0.5, 1))
    back = opened(embedded_image(image, image.grid.box))
    assert np.prod(back.shape) <= 4_000_000
    assert np.allclose(back.affine[:3, 3], image.grid.affine[:3, 3])
    assert back.affine[0, 0] == pytest.approx(2 * image.grid.affine[0, 0])


def test_values_that_are_no_numbers_become_the_ends():
    image, _, _ = cord()
    data = image.data.copy()
    data[0, 0, 0], data[1, 0, 0] = np.nan, np.inf
    back = opened(embedded_image(replace(image, data=data), image.grid.box)).get_fdata()
    assert np.isfinite(back).all()


def test_the_same_volume_gives_the_same_text():
    image, _, _ = cord()
    assert embedded_image(image, image.grid.box) == embedded_image(image, image.grid.box)
