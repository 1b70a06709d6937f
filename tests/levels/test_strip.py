"""The strip along the cord: values where they are, NaN where nothing is, brightness of tissues."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cylinder

from sct_deepseg_general.image.volume import Grid, Segmentation, Volume
from sct_deepseg_general.levels.course import course_of
from sct_deepseg_general.levels.strip import COLUMNS, channels, strip_of, tissue

SPACING = (1.0, 1.0, 2.0)
SHAPE = (30, 80, 40)
GRID = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))
COLUMN = np.arange(COLUMNS[0], COLUMNS[1] + 1)


def mask() -> Segmentation:
    return Segmentation(cylinder(SHAPE, SPACING, 4.0).astype(np.uint8), GRID)


def brightness(fluid: float, bone: float) -> Volume:
    """A cord of 1 in a canal, with a spine before it."""
    x, y, _ = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    y = y - 39.5
    data = np.full(SHAPE, 0.1, np.float32)
    data[(y > 8) & (y < 26)] = bone
    data[np.hypot(x - 14.5, y) < 8] = fluid
    data[np.hypot(x - 14.5, y) < 4] = 1
    return Volume(data, GRID)


def test_values_are_those_of_the_place() -> None:
    y = np.arange(SHAPE[1], dtype=np.float32)
    image = Volume(np.broadcast_to(y[None, :, None], SHAPE).copy(), GRID)
    strip = strip_of(image, course_of(mask()))
    seen = strip.data[strip.course.inside]
    expected = np.where(SHAPE[1] - 0.5 >= COLUMN + 39.5, COLUMN + 39.5, np.nan)
    middle = np.minimum(expected, SHAPE[1] - 1)
    np.testing.assert_allclose(seen, np.tile(middle, (len(seen), 1)), atol=1e-3)


def test_outside_the_field_of_view_there_is_nothing() -> None:
    strip = strip_of(brightness(3, 0.3), course_of(mask()))
    rows = np.isfinite(strip.data).any(axis=1)
    assert rows.sum() == pytest.approx(SHAPE[2] * SPACING[2], abs=2)
    assert not strip.visible[~rows].any()
    given = channels(strip.data)
    assert (given[:, ~np.isfinite(strip.data)] == 0).all()
    assert (given[2] == np.isfinite(strip.data)).all()


def test_what_the_network_is_given_does_not_depend_on_the_units() -> None:
    data = strip_of(brightness(3, 0.3), course_of(mask())).data
    np.testing.assert_allclose(channels(data * 40 + 7), channels(data), atol=1e-3)


@pytest.mark.parametrize(("fluid", "bone"), [(3.0, 0.4), (1.5, 0.3), (1.2, 0.9)])
def test_tissues_have_their_brightness(fluid: float, bone: float) -> None:
    found = tissue(strip_of(brightness(fluid, bone), course_of(mask())))
    assert found.fluid == pytest.approx(fluid, rel=0.1)
    assert found.bone == pytest.approx(bone / fluid, rel=0.1)


def test_dark_fluid_is_darker_than_the_cord() -> None:
    assert tissue(strip_of(brightness(0.4, 0.7), course_of(mask()))).fluid < 0.8


def test_a_strip_of_nothing_has_no_tissue() -> None:
    strip = strip_of(Volume(np.zeros(SHAPE, np.float32), GRID), course_of(mask()))
    assert np.isnan([tissue(strip).fluid, tissue(strip).bone]).all()
