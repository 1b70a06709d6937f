"""Levels for the labels of a model without a cord: given ones are used, others are said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from necks import cord, known_discs, labelled, neck

from sct_deepseg_general.csa.c2c3 import C2C3
from sct_deepseg_general.csa.measure import PER_SLICE
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.image.volume import Grid, Probability, Segmentation, Volume
from sct_deepseg_general.inference.locate import Location
from sct_deepseg_general.inference.pipeline import InferenceResult
from sct_deepseg_general.job.levels import (
    c2c3_words,
    discs_shown,
    levels_of_labels,
    with_levels,
)
from sct_deepseg_general.levels.answer import (
    Given,
    LevelAnswer,
    LevelRequest,
    answered,
    needed_discs,
)
from sct_deepseg_general.levels.detect import FoundLevels
from sct_deepseg_general.levels.responses import embedded_network

GRID = Grid((20, 20, 40), np.diag([-1.0, 1.0, 1.0, 1.0]))  # LAS
COARSE = Grid((10, 10, 20), np.diag([-2.0, 2.0, 2.0, 1.0]))


def result(*, cord: bool) -> InferenceResult:
    """Labels of no interest in an image whose cord the locator found, or did not."""
    data = np.zeros(COARSE.shape, np.uint8)
    data[4:6, 4:6] = cord
    empty = Segmentation(np.zeros(GRID.shape, np.uint8), GRID)
    image = Volume(np.zeros(GRID.shape, np.float32), GRID)
    location = Location(GRID.box, Volume(data, COARSE), found=cord, confidence=1.0)
    probability = Probability(image.data, GRID)
    return InferenceResult(image, probability, empty, location, GRID, labels=empty)


def discs() -> Volume:
    data = np.zeros(GRID.shape, np.uint8)
    for number, z in ((3, 30), (4, 20), (5, 10)):
        data[9, 4, z] = number
    return Volume(data, GRID)


def test_a_level_map_gives_the_level_of_each_slice() -> None:
    data = np.zeros(GRID.shape, np.uint8)
    data[:, :, 10:20], data[:, :, 20:30] = 4, 3
    measures = replace(PER_SLICE, level_map=Volume(data, GRID))
    levels, sentence = levels_of_labels(result(cord=False), measures, None)
    assert levels is not None
    assert levels.tolist() == [0] * 10 + [4] * 10 + [3] * 10 + [0] * 10
    assert sentence == ""


def test_discs_are_projected_onto_the_cord_that_the_locator_found() -> None:
    measures = replace(PER_SLICE, discs=discs())
    levels, sentence = levels_of_labels(result(cord=True), measures, None)
    assert levels is not None
    assert set(levels[12:19]) == {4}
    assert set(levels[22:29]) == {3}
    assert sentence == ""


def test_what_was_not_used_is_said() -> None:
    levels, sentence = levels_of_labels(result(cord=False), replace(PER_SLICE, discs=discs()), None)
    assert levels is None
    assert "no cord was found" in sentence
    levels, sentence = levels_of_labels(result(cord=True), PER_SLICE, LevelRequest(None))
    assert levels is None
    assert "give discs or a level map" in sentence
    assert levels_of_labels(result(cord=True), PER_SLICE, None) == (None, "")


def test_the_discs_shown_are_those_of_the_file() -> None:
    off = {number - 1: point for number, point in known_discs().items()}
    shown = discs_shown(answered(neck(), cord(), embedded_network(), Given(discs=labelled(off))))
    assert {mark.number for mark in shown} == set(off)
    for mark in shown:
        assert np.linalg.norm(np.subtract(mark.place, off[mark.number])) < 1
        assert mark.detected


def test_a_disc_that_is_only_estimated_is_shown_so() -> None:
    given = Given(labelled({3: known_discs()[3]}), needed=needed_discs((), c2c3=True))
    shown = discs_shown(answered(neck(), cord(), embedded_network(), given))
    assert {mark.number: mark.detected for mark in shown} == {2: False, 3: True, 4: True}
    alone = discs_shown(answered(neck(), cord(), embedded_network(), Given()))
    assert [mark.number for mark in alone if not mark.detected] == [1, 2]


def test_no_disc_is_shown_where_numbers_are_withheld() -> None:
    assert discs_shown(None) == ()
    withheld = FoundLevels((), "withheld", ("contrast not proven",))
    assert discs_shown(LevelAnswer(None, withheld)) == ()


def test_why_c2c3_is_withheld_is_told_once() -> None:
    alone = C2C3("withheld", reasons=("C3-C4 is one level",))
    assert c2c3_words(alone, LevelAnswer(None, None)) == "withheld: C3-C4 is one level"
    withheld = LevelAnswer(None, FoundLevels((), "withheld", ("contrast not proven",)))
    assert c2c3_words(C2C3("withheld", reasons=withheld.withheld), withheld) == "withheld"
    assert c2c3_words(None) == ""
    assert c2c3_words(C2C3("ok", 70.0, 65.0, 75.0)) == "70.0 mm² (65.0 to 75.0)"


def test_a_region_stays_where_levels_that_it_does_not_need_are_withheld() -> None:
    withheld = LevelAnswer(None, FoundLevels((), "withheld", ("slices are 17 mm apart",)))
    region = replace(PER_SLICE, selection=Selection(slices=(40, 41)))
    assert with_levels(cord(), region, withheld).selection == region.selection
    each = replace(PER_SLICE, selection=Selection(slices=(40, 41), per_level=True))
    rows = with_levels(cord(), each, withheld).selection
    assert rows == Selection(slices=(40, 41), per_slice=True)
