"""The box holds the cord with its margin, wherever the cord is."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cylinder

from sct_deepseg_general.locate import locate
from sct_deepseg_general.volume import Box, Grid, Probability, Volume

SPACING = (1.0, 0.9, 2.0)
SHAPE = (90, 80, 40)
COARSE = (3.0, 3.0, 3.0)


def oriented(mask: np.ndarray) -> Volume:
    return Volume(mask.astype(np.float32), Grid(mask.shape, affine_of("RAS", SPACING, mask.shape)))


def perfect(prepared: Volume) -> Probability:
    """A locator that knows: cord is what is bright."""
    data = 1 / (1 + np.exp(-4 * (prepared.data - prepared.data.max() / 2)))
    return Probability(data.astype(np.float32), prepared.grid)


def blind(prepared: Volume) -> Probability:
    return Probability(np.full(prepared.data.shape, 0.1, np.float32), prepared.grid)


@pytest.mark.parametrize("centre", [(30.0, 30.0), (60.0, 50.0), (6.0, 6.0)])
@pytest.mark.parametrize("margin", [5.0, 12.0])
def test_the_box_holds_the_cord_and_its_margin(centre: tuple[float, float], margin: float) -> None:
    mask = cylinder(SHAPE, SPACING, 6, centre)
    mask[:, :, :10] = False
    found = locate(oriented(mask), perfect, COARSE, 0.5, margin)
    index = np.argwhere(mask)
    low, high = index.min(0), index.max(0) + 1
    for axis in range(3):
        tolerance = COARSE[axis]  # a coarse voxel may miss the cord's edge
        before = (low[axis] - found.box.start[axis]) * SPACING[axis]
        after = (found.box.stop[axis] - high[axis]) * SPACING[axis]
        at_start, at_end = found.box.start[axis] == 0, found.box.stop[axis] == SHAPE[axis]
        assert at_start or margin - tolerance <= before <= margin + 2 * tolerance
        assert at_end or margin - tolerance <= after <= margin + 2 * tolerance
    assert found.found
    assert found.coarse is not None
    assert found.confidence > 0.5


def test_without_a_cord_the_box_is_the_image() -> None:
    volume = oriented(cylinder(SHAPE, SPACING, 6))
    found = locate(volume, blind, COARSE, 0.5, 10)
    assert found.box == Box((0, 0, 0), SHAPE)
    assert not found.found
    assert found.coarse is None
    assert found.confidence == pytest.approx(0.1)


def test_a_small_second_object_is_left_out_and_a_large_one_kept() -> None:
    cord = cylinder(SHAPE, SPACING, 6, (20, 30))
    speck = cylinder(SHAPE, SPACING, 5, (75, 30))
    speck[:, :, 3:] = False
    found = locate(oriented(cord | speck), perfect, COARSE, 0.5, 5)
    assert found.box.stop[0] < 60
    twin = cylinder(SHAPE, SPACING, 5, (75, 30))
    assert locate(oriented(cord | twin), perfect, COARSE, 0.5, 5).box.stop[0] > 75


@pytest.mark.parametrize("shape", [(40, 40, 1), (7, 80, 40), (200, 30, 2)])
def test_thin_images_have_boxes_too(shape: tuple[int, int, int]) -> None:
    mask = cylinder(shape, SPACING, 3)
    box = locate(oriented(mask), perfect, COARSE, 0.5, 4).box
    inside = np.zeros(shape, bool)
    inside[box.slices] = True
    assert inside[mask].mean() > 0.9
    assert all(0 <= a < b <= n for a, b, n in zip(box.start, box.stop, shape, strict=True))
