"""A user's discs and maps: kept, checked against the image, and completed."""

from __future__ import annotations

import numpy as np
import pytest
from necks import below, cord, known_discs, labelled, neck

from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.levels.answer import Given, LevelAnswer, answered, needed_discs
from sct_deepseg_general.levels.detect import Anchor
from sct_deepseg_general.levels.responses import embedded_network
from sct_deepseg_general.levels.slices import from_discs


def answer(given: Given) -> LevelAnswer:
    return answered(neck(), cord(), embedded_network(), given)


def slice_of(number: int) -> int:
    """The slice of a disc, from the lowest, from 0."""
    affine = cord().grid.affine
    return round(float((known_discs()[number][2] - affine[2, 3]) / affine[2, 2]))


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


def test_discs_that_are_needed_are_taken_from_the_image() -> None:
    only = labelled({3: known_discs()[3]})
    assert answer(Given(discs=only)).discs is only
    found = answer(Given(discs=only, needed=needed_discs((), c2c3=True)))
    assert found.discs is not None
    assert numbers(found.discs) == [2, 3, 4]
    assert found.warnings == (
        "The discs 2 (estimated), 4 (found) are not in the file: they were taken from the image.",
    )
    assert found.from_file
    rows = np.argwhere(found.discs.data == 4)
    assert np.abs(rows - np.argwhere(labelled(known_discs()).data == 4)).max() <= 3


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_known_disc_that_the_image_contradicts_is_used_with_a_warning(shift: int) -> None:
    z = slice_of(5)
    found = answer(Given(anchor=Anchor(z, 5 + shift)))
    assert found.discs is not None
    assert int(found.discs.data[:, :, z - 4 : z + 5].max()) == 5 + shift
    told = f"-disc-at {z},{5 + shift} disagrees with the image, in which the disc at slice {z} is 5"
    assert [told in one for one in found.warnings] == [True] * abs(shift)


def test_a_known_disc_where_no_disc_is_gives_no_levels() -> None:
    top = int(np.flatnonzero(cord().data.any(axis=(0, 1)))[-1])
    found = answer(Given(anchor=Anchor(top, 3)))
    assert found.discs is None
    assert f"no disc is seen within 4 mm of slice {top}" in found.withheld[0]


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


def test_a_map_of_levels_is_used_where_the_image_has_none() -> None:
    image, mask = below(known_discs()[3][2] - 6)
    levels = from_discs(labelled(known_discs()), cord())[: mask.grid.shape[2]]
    data = np.where(mask.data > 0, levels[None, None], 0).astype(np.int16)
    found = answered(image, mask, embedded_network(), Given(level_map=Volume(data, mask.grid)))
    assert found.found is not None
    assert found.found.status == "withheld"
    assert found.withheld == ()
    assert found.from_file


def test_discs_of_a_mask_without_a_course_are_from_the_file() -> None:
    data = np.zeros_like(cord().data)
    data[:, :, 50] = cord().data[:, :, 50]
    discs = labelled(known_discs())
    single = Segmentation(data, cord().grid)
    found = answered(neck(), single, embedded_network(), Given(discs=discs))
    assert found.discs is discs
    assert found.from_file
    assert found.withheld == ()
