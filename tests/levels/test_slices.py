"""Levels of slices: from label maps, from discs, and distances from the junction."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cylinder
from sct_reference import CORD, LEVEL_MAP, NO_DISCS, mask

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Box, Grid, Volume
from sct_deepseg_general.levels import pmj
from sct_deepseg_general.levels import slices as levels

SPACING = (1.0, 1.0, 2.0)
SHAPE = (30, 40, 50)


def volume(data: np.ndarray) -> Volume:
    return Volume(data, Grid(data.shape, affine_of("LAS", SPACING, data.shape)))


def cord() -> Volume:
    return volume(cylinder(SHAPE, SPACING, 5.0).astype(np.uint8))


def labels(at: dict[int, int], row: int = 5) -> Volume:
    """Single voxels in front of the cord: slice to value."""
    data = np.zeros(SHAPE, dtype=np.int16)
    for z, value in at.items():
        data[15, row, z] = value
    return volume(data)


def test_a_level_map_is_read_slice_by_slice() -> None:
    found = levels.from_levels(mask(LEVEL_MAP))
    assert found[[0, 2, 10, 20, 40, 54]].tolist() == [0, 5, 4, 3, 2, 0]


def test_a_slice_of_two_levels_takes_the_mean() -> None:
    data = np.zeros(SHAPE, dtype=np.int16)
    data[:3, 0, 7], data[3:5, 0, 7] = 4, 5
    assert levels.from_levels(volume(data))[7] == 4


def test_discs_are_upper_borders() -> None:
    found = levels.from_discs(labels({10: 5, 20: 4, 30: 3}), cord())
    assert found[:11].tolist() == [5] * 11
    assert found[11:21].tolist() == [4] * 10
    assert found[21:31].tolist() == [3] * 10
    assert found[31:].tolist() == [2] * 19


def test_discs_may_lie_in_any_orientation() -> None:
    expected = levels.from_discs(mask(NO_DISCS), mask(CORD))
    turned = levels.from_discs(
        mask(NO_DISCS).reoriented(("R", "A", "I")), mask(CORD).reoriented(("S", "P", "L"))
    )
    assert (found := np.flatnonzero(turned != expected)).size <= 2, found


@pytest.mark.parametrize("turned", [False, True])
def test_discs_beyond_the_mask_change_nothing(turned: bool) -> None:
    part = cord().data.copy()
    part[:, :, :18] = part[:, :, 35:] = 0
    codes = ("P", "I", "R") if turned else ("L", "A", "S")
    mask = volume(part).reoriented(codes)
    near = {14: 6, 20: 5, 28: 4, 38: 3}
    far = {2: 8, 8: 7, **near, 45: 2, 49: 1}
    expected = levels.from_discs(labels(near), mask)
    assert levels.from_discs(labels(far), mask).tolist() == expected.tolist()
    assert expected[19:35].tolist() == [5] * 2 + [4] * 8 + [3] * 6


def test_slices_without_cord_have_no_level() -> None:
    part = cord().data.copy()
    part[:, :, :5] = 0
    assert levels.from_discs(labels({20: 4}), volume(part))[:5].tolist() == [0] * 5


def test_discs_out_of_order_are_refused() -> None:
    with pytest.raises(ImageError, match="order"):
        levels.from_discs(labels({10: 3, 20: 4}), cord())


def test_no_disc_and_no_cord_are_refused() -> None:
    with pytest.raises(ImageError, match="no disc"):
        levels.from_discs(labels({}), cord())
    with pytest.raises(ImageError, match="empty"):
        levels.from_discs(labels({10: 3}), volume(np.zeros(SHAPE)))


def test_a_missing_disc_is_named() -> None:
    assert levels.missing_discs(labels({10: 6, 30: 3, 45: 49})) == (4, 5)
    assert levels.missing_discs(labels({10: 4, 30: 3})) == ()
    assert levels.missing_discs(labels({})) == ()


def test_the_distance_from_the_junction_grows_by_the_slice() -> None:
    along = pmj.distances(cord(), labels({49: 50}, row=20))
    assert along[49] == 0
    assert -np.diff(along) == pytest.approx(2.0, abs=0.01)


def test_a_junction_above_the_cord_is_reached_along_the_line() -> None:
    part = cord().data.copy()
    part[:, :, 40:] = 0
    along = pmj.distances(volume(part), labels({45: 50}, row=20))
    assert np.isnan(along[46:]).all()
    assert along[45] == 0
    assert along[39] == pytest.approx(12, abs=0.1)


def test_a_file_without_a_junction_or_elsewhere_is_refused() -> None:
    with pytest.raises(ImageError, match="no label"):
        pmj.distances(cord(), labels({}))
    with pytest.raises(ImageError, match="2 labelled voxels"):
        pmj.distances(cord(), labels({48: 1, 49: 1}))
    part = cord().data.copy()
    part[:, :, :20] = 0
    with pytest.raises(ImageError, match="below the cord"):
        pmj.distances(volume(part), labels({5: 50}, row=20))


def test_a_mask_that_reaches_above_the_junction_is_measured_from_the_junction() -> None:
    along = pmj.distances(cord(), labels({40: 50}, row=20))
    assert along[40] == 0
    assert along[30] == pytest.approx(20, abs=0.1)
    assert along[45] == pytest.approx(-10, abs=0.1)


def test_the_junction_may_lie_beyond_the_field_of_view() -> None:
    whole, junction = cord(), labels({49: 50}, row=20)
    part = whole.cropped(Box((0, 0, 0), (30, 40, 30)))
    along = pmj.distances(part, junction)
    expected = pmj.distances(volume(np.where(np.arange(50) < 30, whole.data, 0)), junction)
    np.testing.assert_allclose(along, expected[:30], atol=0.01)
    assert along[29] == pytest.approx(40, abs=0.2)


def test_other_labels_beside_the_junction_are_left_out() -> None:
    along = pmj.distances(cord(), labels({10: 4, 30: 3, 49: 50}, row=20))
    assert along[49] == 0


def test_a_window_that_leaves_the_mask_is_counted() -> None:
    along = pmj.distances(cord(), labels({49: 50}, row=20))
    present = np.arange(45)
    slices = pmj.slices_at(30.0, along, present, extent=70.0)
    assert pmj.missing_length(30.0, along, slices, 70.0) == pytest.approx(
        70 - 2 * len(slices), abs=3
    )
    whole = pmj.slices_at(50.0, along, present, extent=20.0)
    assert pmj.missing_length(50.0, along, whole, 20.0) == 0
    with pytest.raises(ImageError, match="outside the cord"):
        pmj.slices_at(200.0, along, present)


def test_levels_have_names() -> None:
    names = [levels.level_name(n) for n in (1, 7, 8, 19, 20, 25)]
    assert names == ["C1", "C7", "T1", "T12", "L1", "S1"]
