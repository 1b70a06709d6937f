"""Discs as label maps: written, read, and compared."""

from __future__ import annotations

import numpy as np
import pytest
from necks import cord, known_discs, labelled, neck

from sct_deepseg_general.levels.course import course_of
from sct_deepseg_general.levels.discs import Disc, as_volume, disagreeing, rows_given


def discs() -> tuple[Disc, ...]:
    points = known_discs()
    rows = course_of(cord()).rows_of(np.array(list(points.values())))
    return tuple(
        Disc(n, float(row), tuple(point))
        for (n, point), row in zip(points.items(), rows, strict=True)
    )


def test_a_disc_is_one_voxel_with_its_number() -> None:
    volume = as_volume(discs(), neck().grid)
    assert sorted(volume.data[volume.data > 0].tolist()) == sorted(known_discs())
    assert (volume.data == labelled(known_discs()).data).all()


def test_a_disc_out_of_the_field_of_view_is_left_out() -> None:
    far = Disc(9, 0.0, (0.0, 0.0, -500.0))
    assert not as_volume((far,), neck().grid).data.any()


def test_written_discs_are_read_where_they_were() -> None:
    rows = rows_given(as_volume(discs(), neck().grid), course_of(cord()))
    assert rows == {disc.number: pytest.approx(disc.row, abs=0.9) for disc in discs()}


def test_labels_of_the_junction_are_no_discs() -> None:
    volume = labelled({3: known_discs()[3], 49: known_discs()[4], 50: known_discs()[5]})
    assert list(rows_given(volume, course_of(cord()))) == [3]


def test_half_a_level_is_a_disagreement_and_less_is_none() -> None:
    given = {disc.number: disc.row + (12 if disc.number == 4 else 4) for disc in discs()}
    ((number, off),) = disagreeing(given, discs(), 17.0)
    assert number == 4
    assert off == pytest.approx(12 / 17)
