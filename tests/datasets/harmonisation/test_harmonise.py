"""A label's edge moved to given areas, or to a place on the profile."""

from __future__ import annotations

import numpy as np
import pytest
from soft_cords import SLICES, blurred_canal, disc, grid

from sct_deepseg_general.datasets.harmonisation.harmonise import (
    offset_by_rule,
    offsets_by_areas,
    smoothed,
)
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.morphometry.contours import Contour, contour_of


def test_without_a_border_the_rule_says_so() -> None:
    contour = contour_of(disc(5.0))
    with pytest.raises(DatasetError, match="leave the label as it is"):
        offset_by_rule(contour, blurred_canal(7.0))
    with pytest.raises(DatasetError, match="leave the label as it is"):
        offset_by_rule(contour, Volume(np.ones(grid().shape, np.float32), grid()))


def test_offsets_by_areas_are_smooth_and_reach_the_mean_area() -> None:
    contour: Contour = contour_of(disc(5.0))
    rng = np.random.default_rng(1)
    areas = 70 + rng.normal(0, 5, SLICES)
    areas[3:5] = np.nan
    offsets = offsets_by_areas(contour, areas, smoothing=10.0)
    assert np.isfinite(offsets).all()
    assert np.abs(np.diff(offsets)).max() < 0.1
    assert contour.areas(offsets).mean() == pytest.approx(np.nanmean(areas), rel=0.03)


def test_without_any_area_within_reach_nothing_can_be_moved() -> None:
    with pytest.raises(DatasetError, match="No slice"):
        offsets_by_areas(contour_of(disc(5.0)), np.full(SLICES, 900.0))


def test_smoothing_keeps_a_constant_and_fills_the_gaps() -> None:
    values = np.full(200, np.nan)
    values[90:95] = 2.0
    assert smoothed(values, 3.0) == pytest.approx(2.0)
