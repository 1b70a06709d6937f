"""A user's discs and maps: kept, checked against the image, and completed."""

from __future__ import annotations

import numpy as np
from necks import below, cord, known_discs, labelled, neck

from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.levels.answer import Given, LevelAnswer, answered
from sct_deepseg_general.levels.responses import embedded_network
from sct_deepseg_general.levels.slices import from_discs


def answer(given: Given) -> LevelAnswer:
    return answered(neck(), cord(), embedded_network(), given)


def numbers(volume: Volume) -> list[int]:
    return sorted(volume.data[volume.data > 0].tolist())


def test_without_a_file_the_discs_are_found() -> None:
    found = answer(Given())
    assert found.discs is not None
    assert found.written
    assert numbers(found.discs) == [2, 3, 4, 5, 6, 7]  # the top of C1 is before the image
    levels = from_discs(found.discs, cord())
    by_hand = from_discs(labelled(known_discs()), cord())
    both = (by_hand >= 3) & (by_hand < 7)
    assert (levels[both] == by_hand[both]).mean() > 0.9


def test_in_doubt_there_are_no_discs_and_a_reason() -> None:
    image, mask = below(known_discs()[3][2] - 6)
    found = answered(image, mask, embedded_network(), Given())
    assert found.discs is None
    assert "C2/C3" in found.withheld[0]


def test_a_file_that_agrees_is_used_without_a_word() -> None:
    discs = labelled(known_discs())
    found = answer(Given(discs=discs))
    assert found.discs is discs
    assert found.warnings == ()
    assert not found.written


def test_numbers_one_too_low_are_used_with_a_warning() -> None:
    discs = labelled({number - 1: point for number, point in known_discs().items()})
    found = answer(Given(discs=discs))
    assert found.discs is discs
    assert "disagree with the file given" in found.warnings[0]


def test_missing_discs_are_taken_from_the_image_and_named() -> None:
    discs = labelled({number: known_discs()[number] for number in (3, 4, 7)})
    found = answer(Given(discs=discs))
    assert found.discs is not None
    assert numbers(found.discs) == [3, 4, 5, 6, 7]
    assert (found.discs.data[discs.data > 0] == discs.data[discs.data > 0]).all()
    assert "discs 5 (found), 6 (found)" in found.warnings[0]
    assert found.written


def test_a_map_of_levels_one_too_low_is_a_warning() -> None:
    grid = cord().grid
    levels = from_discs(labelled(known_discs()), cord())
    for shift, warned in ((0, False), (-1, True)):
        data = np.where(cord().data > 0, levels[None, None] + shift, 0)
        found = answer(Given(level_map=Volume(data.astype(np.int16), grid)))
        assert bool(found.warnings) is warned


def test_a_mask_without_a_course_has_no_levels() -> None:
    data = np.zeros_like(cord().data)
    data[:, :, 50] = cord().data[:, :, 50]
    single = Segmentation(data, cord().grid)
    found = answered(neck(), single, embedded_network(), Given())
    assert "single slice" in found.withheld[0]
