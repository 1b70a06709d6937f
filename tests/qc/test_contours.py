"""A border encloses exactly the mask, whatever its shape."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sct_deepseg_general.qc.contours import polygons, svg_path


def filled(loops, shape):
    """The mask back from its borders: even-odd rule at the pixels' centres, left to right."""
    crossings = np.zeros((shape[0], shape[1] + 1), dtype=int)
    for loop in loops:
        for (x0, y0), (x1, y1) in zip(loop, loop[1:] + loop[:1], strict=True):
            if x0 == x1:
                crossings[min(y0, y1) : max(y0, y1), x0] += 1
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1


def ring():
    mask = np.ones((7, 9), dtype=bool)
    mask[2:5, 3:6] = False
    return mask


SHAPES = {
    "nothing": np.zeros((4, 5), dtype=bool),
    "a pixel": np.pad(np.ones((1, 1), dtype=bool), 2),
    "all": np.ones((3, 4), dtype=bool),
    "a ring": ring(),
    "a chessboard": np.indices((6, 7)).sum(axis=0) % 2 == 0,
    "noise": np.random.default_rng(1).random((40, 30)) > 0.5,
}


@pytest.mark.parametrize("name", SHAPES)
def test_filling_the_borders_gives_the_mask_back(name):
    mask = SHAPES[name]
    assert np.array_equal(filled(polygons(mask), mask.shape), mask)


def test_objects_turn_clockwise_and_holes_the_other_way():
    def area(loop):
        pairs = zip(loop, loop[1:] + loop[:1], strict=True)
        return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs) / 2

    assert sorted(area(loop) for loop in polygons(ring())) == [-9.0, 63.0]


def test_corners_alternate_so_that_a_corner_costs_one_number():
    path = svg_path(SHAPES["a ring"])
    assert re.fullmatch(r"(M\d+ \d+(H\d+V\d+)+(H\d+)?Z|M\d+ \d+(V\d+H\d+)+(V\d+)?Z)+", path)
    assert len(polygons(SHAPES["all"])[0]) == 4


def test_a_path_of_noise_stays_short_and_keeps_the_largest_border():
    mask = np.random.default_rng(2).random((200, 200)) > 0.7
    mask[50:120, 50:120] = True
    path = svg_path(mask, longest=3000)
    assert 0 < len(path) <= 3000
    assert len(svg_path(mask, longest=10**9)) > 20_000
    right = max(int(x) for x in re.findall(r"H(\d+)", path))
    assert right >= 118  # the block is there
    block = np.zeros((9, 9), dtype=bool)
    block[2:5, 2:6] = True
    block[7, 7] = True
    assert svg_path(block, longest=14).count("M") == 1


def test_no_border_is_no_path():
    assert svg_path(SHAPES["nothing"]) == ""
