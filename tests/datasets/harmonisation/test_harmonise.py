"""A label's edge moved by fractions of a voxel, to given areas or to a place on the profile."""

from __future__ import annotations

import numpy as np
import pytest

from sct_deepseg_general.datasets.harmonisation.border import half_way
from sct_deepseg_general.datasets.harmonisation.contours import Contour, contour_of
from sct_deepseg_general.datasets.harmonisation.harmonise import (
    offset_by_rule,
    offsets_by_areas,
    smoothed,
)
from sct_deepseg_general.errors import DatasetError, ImageError
from sct_deepseg_general.image.volume import Grid, Probability, Segmentation, Volume

SLICES = 12


def grid(across: float = 1.0, up: float = 2.0) -> Grid:
    size = round(36 / across)
    return Grid((size, size, SLICES), np.diag([-across, across, up, 1.0]))


def radii(on: Grid) -> np.ndarray:
    """The distance (mm) of every voxel's centre from a cord's axis, a third of a voxel off it."""
    x, y = ((np.arange(on.shape[a]) - on.shape[a] / 2 + 0.33) * on.spacing[a] for a in (0, 1))
    plane = np.hypot(x[:, None], y[None, :])
    return np.repeat(plane[:, :, None], on.shape[2], 2)


def disc(radius: float, across: float = 1.0) -> Probability:
    """A cord of this radius (mm), voxels at its edge filled in part."""
    on = grid(across)
    return Probability(np.clip((radius - radii(on)) / across + 0.5, 0, 1).astype(np.float32), on)


def blurred_canal(edge: float, bright: float = 3.0) -> Volume:
    """A cord of intensity 1 in fluid; the intensity is half-way at the radius `edge` (mm)."""
    share = 1 / (1 + np.exp(-(radii(grid()) - edge) / 0.25))
    return Volume((1 + (bright - 1) * share).astype(np.float32), grid())


@pytest.mark.parametrize("across", [0.5, 1.0])
@pytest.mark.parametrize("offset", [-0.6, -0.2, 0.0, 0.3])
def test_moving_the_edge_changes_the_radius_by_as_much(across: float, offset: float) -> None:
    contour = contour_of(disc(5.0, across))
    area = np.pi * (5.0 + offset) ** 2
    assert contour.areas(offset) == pytest.approx(area, rel=0.03)
    moved = contour.fractions(offset)
    volume = moved.data.sum((0, 1)) * across**2
    assert volume == pytest.approx(area, rel=0.03)
    assert volume == pytest.approx(contour.areas(offset), rel=1e-5)


def test_an_edge_that_is_not_moved_is_where_it_was() -> None:
    label = disc(5.0)
    again = contour_of(label).fractions()
    assert np.abs(again.data - label.data).max() < 0.2
    assert np.array_equal(again.data > 0.5, label.data > 0.5)


def test_offsets_find_the_areas_that_are_asked_for_and_only_in_reach() -> None:
    contour = contour_of(disc(5.0))
    wanted = np.linspace(60, 100, SLICES)
    wanted[0], wanted[1] = np.nan, 5000.0
    offsets = contour.offsets(wanted)
    assert np.isnan(offsets[:2]).all()
    found = contour.areas(np.nan_to_num(offsets))
    assert found[2:] == pytest.approx(wanted[2:], rel=0.03)


def test_the_label_may_lie_in_any_orientation() -> None:
    label = disc(5.0)
    turned = Segmentation((label.data > 0.5).astype(np.uint8), label.grid).reoriented("SAR")
    straight = contour_of(Segmentation((label.data > 0.5).astype(np.uint8), label.grid))
    assert contour_of(turned).areas() == pytest.approx(straight.areas())


def test_an_empty_label_has_no_edge() -> None:
    with pytest.raises(ImageError, match="empty"):
        contour_of(Segmentation(np.zeros(grid().shape, np.uint8), grid()))


@pytest.mark.parametrize("bright", [3.0, 0.2])
@pytest.mark.parametrize("outside", [-0.3, 0.0, 0.4])
def test_the_half_way_point_is_found_with_bright_and_dark_fluid(
    bright: float, outside: float
) -> None:
    contour = contour_of(disc(5.0))
    found = half_way(contour, blurred_canal(5.0 + outside, bright))
    assert found == pytest.approx(outside, abs=0.12)


def test_an_image_on_another_grid_is_refused() -> None:
    contour = contour_of(disc(5.0))
    with pytest.raises(ImageError, match="one grid"):
        half_way(contour, Volume(np.ones(grid(0.5).shape, np.float32), grid(0.5)))


def test_the_rule_puts_every_label_of_one_image_in_the_same_place() -> None:
    image = blurred_canal(5.2)
    for radius in (4.8, 5.0, 5.4):
        contour = contour_of(disc(radius))
        offset = offset_by_rule(contour, image, edge=0.3)
        assert radius + offset == pytest.approx(4.9, abs=0.12)


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
