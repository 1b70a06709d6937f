"""A label's edge moved by fractions of a voxel."""

from __future__ import annotations

import numpy as np
import pytest
from soft_cords import SLICES, disc, grid

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Segmentation
from sct_deepseg_general.morphometry.contours import contour_of


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


def test_a_coarser_fine_grid_has_the_same_edge() -> None:
    coarse, fine = contour_of(disc(5.0), 0.25), contour_of(disc(5.0))
    assert coarse.distance.size < fine.distance.size / 4
    assert coarse.areas() == pytest.approx(fine.areas(), rel=0.02)
