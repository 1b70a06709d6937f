"""The box holds the cord with its margin, wherever the cord is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from phantoms import affine_of, cylinder

from sct_deepseg_general.image.volume import Box, Grid, Probability, Volume
from sct_deepseg_general.inference.locate import BESIDE, body_box, locate

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


def profile(values: list[float], halo: float = 0.0) -> Callable[[Volume], Probability]:
    """A locator whose cord has so much probability in each coarse slice, and a halo beside it."""

    def coarse(image: Volume) -> Probability:
        data = np.zeros(image.data.shape, np.float32)
        data[10:13, 10:13] = np.resize(values, image.data.shape[2])
        data[13:16, 10:13] = halo
        return Probability(data, image.grid)

    return coarse


def test_the_box_goes_on_along_the_cord_as_long_as_it_is_likely() -> None:
    """On 27 coarse slices: cord in the middle, likely below it, hardly above it."""
    volume = oriented(np.ones(SHAPE, bool))
    sure, faint = [0.1] * 9 + [0.9] * 9 + [0.1] * 9, [0.35] * 9 + [0.9] * 9 + [0.1] * 9
    plain, more = (locate(volume, profile(one), COARSE, 0.5, 0) for one in (sure, faint))
    assert plain.box.start[2] >= 0.3 * SHAPE[2]
    assert more.box.start[2] == 0
    assert more.box.stop[2] == plain.box.stop[2] <= 0.7 * SHAPE[2]
    assert more.confidence == pytest.approx(plain.confidence)


def test_what_is_likely_beside_the_cord_does_not_widen_the_box() -> None:
    volume = oriented(np.ones(SHAPE, bool))
    boxes = [locate(volume, profile([0.9], halo), COARSE, 0.5, 0).box for halo in (0.0, 0.35)]
    assert boxes[0] == boxes[1]


def test_likely_nowhere_sure_is_no_cord() -> None:
    volume = oriented(np.ones(SHAPE, bool))
    assert not locate(volume, profile([0.45]), COARSE, 0.5, 5).found


def in_air(noise: float, dark_end: float = 1.0) -> Volume:
    """A body of 1 that is 60 mm wide, in the middle of 180 mm of noisy air."""
    data = np.abs(np.random.default_rng(0).normal(0, noise, (60, 60, 30))).astype(np.float32)
    data[20:40, 20:40] += 1
    data[:, :, 24:] *= dark_end
    return Volume(data, Grid(data.shape, affine_of("RAS", COARSE, data.shape)))


def test_the_air_beside_the_body_is_not_looked_at() -> None:
    seen = []

    def coarse(image: Volume) -> Probability:
        seen.append(image.data.shape)
        return perfect(image)

    found = locate(in_air(0.03), coarse, COARSE, 0.5, 0)
    kept = 20 + 2 * (BESIDE / 3 + 2)
    assert max(seen[0][:2]) <= kept < 40
    assert seen[0][2] == 30
    assert found.box.shape[0] == found.box.shape[1] == 20
    assert found.box.start[:2] == (20, 20)


def test_the_body_is_seen_to_its_ends_and_whole_where_there_is_no_air() -> None:
    """Far from the coil, tissue may be as dark as air."""
    assert body_box(in_air(0.03, dark_end=0.01)).shape[2] == 30
    assert body_box(in_air(0.5)).shape == (60, 60, 30)
    flat = Volume(np.ones((5, 6, 7), np.float32), Grid((5, 6, 7), np.eye(4)))
    assert body_box(flat) == flat.grid.box


@pytest.mark.parametrize("shape", [(40, 40, 1), (7, 80, 40), (200, 30, 2)])
def test_thin_images_have_boxes_too(shape: tuple[int, int, int]) -> None:
    mask = cylinder(shape, SPACING, 3)
    box = locate(oriented(mask), perfect, COARSE, 0.5, 4).box
    inside = np.zeros(shape, bool)
    inside[box.slices] = True
    assert inside[mask].mean() > 0.9
    assert all(0 <= a < b <= n for a, b, n in zip(box.start, box.stop, shape, strict=True))
