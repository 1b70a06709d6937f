"""Other views show the same anatomy: what is drawn in them returns to its place."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cylinder

from sct_deepseg_general.image.volume import Box, Grid, Probability, Volume
from sct_deepseg_general.inference.preprocess import prepared, restored
from sct_deepseg_general.inference.test_time import VIEWS, views

SHAPE = (40, 36, 16)
SPACING = (0.8, 0.8, 3.0)
AXES = ("R", "P", "S")
BOX = Box((4, 2, 1), (36, 33, 15))


@pytest.fixture(scope="module")
def image() -> Volume:
    rng = np.random.default_rng(3)
    data = cylinder(SHAPE, SPACING, 4.0, (14.0, 12.0)) * 80.0 + rng.normal(100, 5, SHAPE)
    return Volume(data.astype(np.float32), Grid(SHAPE, affine_of("RPS", SPACING, SHAPE)))


@pytest.fixture(scope="module")
def close(image: Volume) -> Volume:
    return prepared(image, BOX, (0.8, 0.8, 1.5))


def test_every_view_is_as_the_network_expects_it(image: Volume, close: Volume) -> None:
    seen = list(views(image.cropped(BOX), close))
    assert len(seen) == len(VIEWS)
    for view in seen:
        assert view.data.dtype == np.float32
        assert view.grid.shape == close.grid.shape
        np.testing.assert_allclose(view.grid.spacing, close.grid.spacing)
        assert view.data.mean() == pytest.approx(0, abs=1e-3)
        assert view.data.std() == pytest.approx(1, abs=1e-3)
        assert not np.array_equal(view.data, close.data)


def test_what_is_seen_in_a_view_returns_to_its_place(image: Volume, close: Volume) -> None:
    cord = cylinder(SHAPE, SPACING, 4.0, (14.0, 12.0))[BOX.slices] > 0
    for name, view in zip(VIEWS, views(image.cropped(BOX), close), strict=True):
        sign = -1 if name == "contrast turned round" else 1
        bright = (sign * view.data > 0.5).astype(np.float32)
        back = restored(Probability(bright, view.grid), image.grid, BOX, image.grid)
        found = back.data[BOX.slices] > 0.5
        dice = 2 * (found & cord).sum() / (found.sum() + cord.sum())
        assert dice > 0.85, name


def test_the_mirror_is_left_and_right(image: Volume, close: Volume) -> None:
    mirrored = next(iter(views(image.cropped(BOX), close)))
    assert mirrored.grid.axcodes == ("L", "P", "S")
    np.testing.assert_array_equal(mirrored.data, close.data[::-1])
