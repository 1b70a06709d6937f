import numpy as np
import pytest

from sct_deepseg_general.change.levels import common_shift, disc_points, joined, levels_of
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Grid, Volume

DISCS = {3: 40.0, 4: 22.0, 5: 5.0, 7: -30.0}


def test_a_level_lies_below_its_disc_and_is_known_between_neighbours_only():
    positions = np.array([50.0, 39.0, 22.0, 21.9, 6.0, 0.0, -40.0])
    assert levels_of(positions, DISCS).tolist() == [0, 3, 4, 4, 4, 0, 0]


def test_discs_out_of_order_are_refused():
    with pytest.raises(ImageError, match="not in order"):
        levels_of(np.zeros(3), {3: 10.0, 4: 20.0})


def test_the_shift_is_the_same_for_any_common_disc_and_needs_one():
    moved = {n: p - 6 for n, p in DISCS.items()}
    assert common_shift(DISCS, moved) == 6
    assert common_shift(moved, DISCS) == -6
    with pytest.raises(ImageError, match="share no level"):
        common_shift({3: 0.0}, {8: 0.0})


def test_positions_are_averaged_where_both_have_the_disc():
    assert joined({3: 10.0, 4: 0.0}, {3: 12.0, 5: -9.0}) == {3: 11.0, 4: 0.0, 5: -9.0}


def test_discs_are_read_in_millimetres():
    data = np.zeros((4, 4, 4), np.int16)
    data[1, 2, 3] = 3
    labels = Volume(data, Grid((4, 4, 4), np.diag([2.0, 2, 2, 1])))
    assert disc_points(labels)[3].tolist() == [2, 4, 6]
    with pytest.raises(ImageError, match="no disc"):
        disc_points(Volume(np.zeros_like(data), labels.grid))


def marked(at: dict[int, int]) -> Volume:
    data = np.zeros((4, 4, 80), np.int16)
    for number, z in at.items():
        data[1, 2, z] = number
    return Volume(data, Grid(data.shape, np.eye(4)))


def test_discs_that_cannot_be_right_are_refused():
    assert set(disc_points(marked({3: 60, 4: 45, 6: 10}))) == {3, 4, 6}
    for wrong in ({3: 10, 4: 30}, {3: 60, 4: 59}):
        with pytest.raises(ImageError, match="cannot both be right"):
            disc_points(marked(wrong))
    levels = np.broadcast_to((6 - np.arange(80) // 16).astype(np.int16), (4, 4, 80))
    with pytest.raises(ImageError, match="no disc file"):
        disc_points(Volume(levels, Grid((4, 4, 80), np.eye(4))))
