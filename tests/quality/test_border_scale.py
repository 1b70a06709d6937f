"""The scale of an interval from the place of the border in the image."""

from __future__ import annotations

import numpy as np
import pytest
from soft_cords import SLICES, blurred_canal, disc

from sct_deepseg_general.image.volume import Probability, Segmentation, Volume
from sct_deepseg_general.quality.border_scale import (
    FARTHEST,
    BorderScale,
    border_places,
    local_means,
)

SCALE = BorderScale(usual=0.4, always=0.05, small=0.2, gap=0.3)


def mask_of(probability: Probability) -> Segmentation:
    return Segmentation((probability.data > 0.5).astype(np.uint8), probability.grid)


@pytest.mark.parametrize("outside", [-0.3, 0.2, 0.6])
@pytest.mark.parametrize("codes", ["LAS", "SRP"])
def test_the_border_is_found_where_the_image_has_it(outside: float, codes: str) -> None:
    cord, image = disc(5.0), blurred_canal(5.0 + outside)
    volumes = (one.reoriented(codes) for one in (image, cord, mask_of(cord)))
    assert border_places(*volumes) == pytest.approx(np.full(SLICES, outside), abs=0.12)


def test_a_second_object_in_the_probability_does_not_move_the_border() -> None:
    cord, image = disc(5.0), blurred_canal(5.3)
    data = cord.data.copy()
    data[:4, :4] = 1.0
    beside = Probability(data, cord.grid)
    alone = border_places(image, cord, mask_of(cord))
    assert border_places(image, beside, mask_of(cord)) == pytest.approx(alone)


def test_without_a_border_or_a_mask_nothing_is_found() -> None:
    cord = disc(5.0)
    even = Volume(np.ones(cord.grid.shape, np.float32), cord.grid)
    assert np.isnan(border_places(even, cord, mask_of(cord))).all()
    nothing = Segmentation(np.zeros(cord.grid.shape, np.uint8), cord.grid)
    assert np.isnan(border_places(blurred_canal(5.0), cord, nothing)).all()


def test_the_scale_is_the_perimeter_times_mm_of_the_edge() -> None:
    radius = 5.5  # 95 mm²: not small
    area = np.full(3, np.pi * radius**2)
    found = SCALE.of(area, np.array([0.4, 0.6, 0.2]))
    assert found == pytest.approx(2 * np.pi * radius * np.array([0.05, 0.11, 0.11]))


def test_a_small_cord_and_a_border_elsewhere_widen_the_interval() -> None:
    area, usual = np.array([75.0, 30.0]), np.full(2, 0.4)
    large, small = SCALE.of(area, usual) / np.sqrt(area)
    assert small > large
    far = [SCALE.of(area, np.full(2, at))[0] for at in (0.5, 0.9, 5.0, np.nan)]
    assert far == sorted(far)
    assert far[2] == far[3] == pytest.approx(SCALE.of(area, np.full(2, 0.4 + FARTHEST))[0])


def test_without_cord_there_is_no_scale() -> None:
    assert np.isnan(SCALE.of(np.array([np.nan]), np.array([0.4]))).all()


def test_local_means_are_of_what_is_known() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan])
    assert local_means(values, 3) == pytest.approx([1, 2, 3, 3, np.nan, np.nan], nan_ok=True)
    assert local_means(values, 0.3) == pytest.approx(values, nan_ok=True)
    assert local_means(values, 100) == pytest.approx(np.full(6, 2.0))


@pytest.mark.parametrize("changed", [{"gap": -1}, {"usual": float("nan")}, {"always": 0}])
def test_impossible_numbers_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        BorderScale.from_record({**vars(SCALE), **changed})


def test_the_record_gives_the_scale() -> None:
    assert BorderScale.from_record(vars(SCALE)) == SCALE
    assert BorderScale.from_record(None) is None
