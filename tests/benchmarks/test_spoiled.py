"""What the failure benchmark spoils is spoiled, and what it calls mild keeps the cord."""

from __future__ import annotations

import numpy as np
import pytest
from samples import image, label

from benchmarks.quality.spoiled import IMAGES, MASKS, MILD, on_label, sure_of
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Segmentation

NAME = "acq-crop_T2star"


def cord() -> Segmentation:
    return label(NAME)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def test_a_sure_result_is_its_mask() -> None:
    mask = cord().reoriented(AXES).data > 0
    segmentation, probability = sure_of(mask, cord().grid)
    np.testing.assert_array_equal(segmentation.data, cord().data)
    inside = probability.data[cord().data > 0]
    assert 0.75 < inside.mean() < 0.95
    assert probability.data.max() < 1
    assert probability.grid.matches(cord().grid)


@pytest.mark.parametrize("kind", MASKS)
def test_a_spoiled_mask_is_no_good_result(kind: str) -> None:
    mask = cord().reoriented(AXES).data > 0
    before = mask.copy()
    spacing = cord().grid.reoriented(AXES).spacing
    for seed in range(4):
        wrong = MASKS[kind](mask, spacing, np.random.default_rng(seed))
        assert wrong.shape == mask.shape
        assert dice(wrong, mask) < 0.9
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize("kind", IMAGES)
def test_a_spoiled_image_is_another_image(kind: str) -> None:
    worse = IMAGES[kind](image(NAME), cord(), np.random.default_rng(1))
    assert np.isfinite(worse.data).all()
    assert worse.data.std() > 0
    same = worse.grid.shape == image(NAME).grid.shape
    assert not same or np.abs(worse.data - image(NAME).data).max() > 0


@pytest.mark.parametrize("kind", MILD)
def test_a_mild_change_takes_the_label_along(kind: str) -> None:
    changed = MILD[kind](image(NAME), cord(), np.random.default_rng(1))
    moved = on_label(kind, cord(), changed)
    assert moved.grid.matches(changed.grid)
    inside, before = changed.data[moved.data > 0], image(NAME).data[cord().data > 0]
    assert inside.mean() == pytest.approx(before.mean(), rel=0.3)
