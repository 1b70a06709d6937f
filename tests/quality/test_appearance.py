"""The looks of a result: what each number says, and that only what differs is unusual."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantoms import affine_of, cylinder

from sct_deepseg_general.image.volume import Grid, Probability, Segmentation, Volume
from sct_deepseg_general.quality.appearance import (
    Appearance,
    appearance,
    coarse_overlap,
    longest_above,
)

SHAPE = (60, 60, 10)
SPACING = (0.7, 0.7, 3.0)
GRID = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))
CORD = cylinder(SHAPE, SPACING, 4.5, (21.0, 21.0))
CANAL = cylinder(SHAPE, SPACING, 7.0, (21.0, 21.0))


def image() -> Volume:
    """A grey cord in bright CSF, bone and muscle mixed around."""
    rng = np.random.default_rng(8)
    data = rng.choice([20.0, 120.0, 60.0], SHAPE)
    data[CANAL], data[CORD] = 200.0, 100.0
    return Volume((data + rng.normal(0, 4, SHAPE)).astype(np.float32), GRID)


def looks(mask: np.ndarray, edge: float = 0.05) -> Appearance:
    sure = np.where(mask, 1 - edge, edge).astype(np.float32)
    segmentation = Segmentation(mask.astype(np.uint8), GRID)
    return appearance(image(), Probability(sure, GRID), segmentation)


def test_the_cord_is_even_and_what_is_elsewhere_is_not() -> None:
    right = looks(CORD)
    aside = looks(np.roll(CORD, 12, axis=0))
    assert right.evenness < 0.3
    assert aside.evenness > 0.5
    assert looks(CANAL).evenness > 2 * right.evenness


def test_flatness_is_depth_over_width() -> None:
    assert looks(CORD).flatness == pytest.approx(1, abs=0.02)
    half = CORD.copy()
    half[:30] = False
    assert looks(half).flatness > 1.3


def test_an_unsure_outline_has_more_entropy_and_less_confidence() -> None:
    sure, unsure = looks(CORD), looks(CORD, edge=0.3)
    assert unsure.entropy > 2 * sure.entropy
    assert unsure.confidence == pytest.approx(0.7, abs=1e-3)
    assert sure.in_plane == pytest.approx(0.7, abs=1e-6)


def test_orientation_changes_no_look() -> None:
    sure = np.where(CORD, 0.95, 0.05).astype(np.float32)
    volumes = (image(), Probability(sure, GRID), Segmentation(CORD.astype(np.uint8), GRID))
    turned = [volume.reoriented(("S", "R", "P")) for volume in volumes]
    expected, found = looks(CORD), appearance(*turned)
    for name in ("confidence", "entropy", "evenness", "flatness", "in_plane"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-5)


def test_only_what_is_outside_its_range_is_unusual() -> None:
    one = replace(looks(CORD), coarse=0.5)
    typical = {"evenness": (0.0, 1.0), "coarse": (0.7, 0.9), "unheard-of": (0.0, 1.0)}
    assert one.unusual(typical) == {"coarse": 0.5}
    assert looks(CORD).unusual(typical) == {}  # nobody looked coarsely
    assert one.unusual({}) == {}


def test_the_longest_stretch_is_of_the_running_median() -> None:
    values = [0.1, 0.9, 0.1, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.9]
    along = {n + 4: value for n, value in enumerate(values)}
    assert longest_above(along, 0.5, 1) == (8, 9)
    assert longest_above(along, 0.5, 3) == (8, 9, 10, 11, 12)
    assert longest_above(along, 1.0, 3) == ()
    assert longest_above(along | {8: np.nan}, 0.5, 1) == (11, 12)


def test_overlap_counts_each_mask_in_the_others_neighbourhood() -> None:
    coarse_grid = GRID.resampled((3.0, 3.0, 3.0))
    whole = Segmentation(CORD.astype(np.uint8), GRID)
    coarse = Volume(whole.resampled_to(coarse_grid).data.astype(np.float32), coarse_grid)
    both = coarse_overlap(whole, coarse)
    assert (both.detected, both.covered) == (1.0, 1.0)
    assert both.volume == pytest.approx(1, abs=0.2)
    lower = replace(whole, data=np.where(np.arange(10) < 4, whole.data, 0).astype(np.uint8))
    part = coarse_overlap(lower, coarse)
    assert part.detected == 1.0
    assert 0.4 < part.covered < 0.65  # and 4 mm beyond
    assert part.volume == pytest.approx(0.4 * both.volume)
    aside = replace(whole, data=np.roll(whole.data, 25, axis=1))
    elsewhere = coarse_overlap(aside, coarse)
    assert (elsewhere.detected, elsewhere.covered) == (0.0, 0.0)
    assert coarse_overlap(whole.reoriented(("P", "S", "R")), coarse) == both
