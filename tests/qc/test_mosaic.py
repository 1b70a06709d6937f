"""The mosaic shows every slice of the cord, the contour where the mask is."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from qc_phantoms import cord

from sct_deepseg_general.qc.display import displayed
from sct_deepseg_general.qc.mosaic import axial_mosaic, thumbnail


@pytest.fixture(scope="module")
def shown():
    return displayed(*cord())


def bounds(path):
    """Left, top, right, bottom of an SVG path of horizontal and vertical lines."""
    xs = [int(v) for v in re.findall(r"[MH](\d+)", path)]
    ys = [int(v) for v in re.findall(r"(?: |V)(\d+)", path)]
    return min(xs), min(ys), max(xs), max(ys)


def test_the_slices_of_the_cord_and_two_beyond_superior_first(shown):
    numbers = [tile.number for tile in axial_mosaic(shown).tiles]
    assert numbers == list(range(shown.slices - 1, -1, -1))  # the phantom misses two at each end


def test_a_short_cord_in_a_long_image_is_cut_out():
    image, mask, _ = cord(shape=(48, 40, 60))
    data = mask.data.copy()
    data[:, :, :30] = data[:, :, 40:] = 0
    mosaic = axial_mosaic(displayed(image, replace(mask, data=data)))
    assert [tile.number for tile in mosaic.tiles] == list(range(41, 27, -1))


def test_the_contour_lies_in_the_middle_of_its_tile(shown):
    mosaic = axial_mosaic(shown)
    for tile in mosaic.tiles[2:-2]:
        left, top, right, bottom = bounds(tile.contour)
        assert (left + right) / 2 == pytest.approx(mosaic.voxels[0] / 2, abs=1)
        assert (top + bottom) / 2 == pytest.approx(mosaic.voxels[1] / 2, abs=1)
    assert not mosaic.tiles[0].contour


def test_the_contour_encloses_the_bright_cord_in_the_sheet(shown):
    mosaic = axial_mosaic(shown)
    i = 8
    width, height = mosaic.pixels
    row, column = divmod(i, mosaic.columns)
    tile = mosaic.sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
    left, top, right, bottom = bounds(mosaic.tiles[i].contour)
    scale = width / mosaic.voxels[0], height / mosaic.voxels[1]
    inside = tile[
        round((top + 2) * scale[1]) : round((bottom - 2) * scale[1]),
        round((left + 2) * scale[0]) : round((right - 2) * scale[0]),
    ]
    assert inside.mean() > 1.3 * np.median(tile)


def test_many_slices_are_thinned_evenly():
    image, mask, _ = cord(shape=(40, 40, 300), spacing=(1, 1, 0.5))
    mosaic = axial_mosaic(displayed(image, mask))
    numbers = [tile.number for tile in mosaic.tiles]
    assert len(numbers) == 72
    assert (mosaic.of, numbers[0], numbers[-1]) == (300, 299, 0)
    assert set(np.diff(numbers)) <= {-4, -5}


def test_a_mask_that_has_leaked_still_fits():
    image, mask, _ = cord(shape=(100, 100, 8), spacing=(1, 1, 5), radius=30)
    mosaic = axial_mosaic(displayed(image, mask))
    left, _, right, _ = bounds(mosaic.tiles[4].contour)
    assert right - left >= 58
    assert left > 0
    assert right < mosaic.voxels[0]


def test_anisotropic_voxels_keep_their_shape():
    image, mask, _ = cord(shape=(60, 20, 8), spacing=(0.5, 1.5, 5))
    mosaic = axial_mosaic(displayed(image, mask))
    width, height = mosaic.voxels
    assert width * 0.5 == pytest.approx(height * 1.5, rel=0.05)
    assert mosaic.pixels[0] == pytest.approx(mosaic.pixels[1], rel=0.05)


def test_no_cord_shows_every_slice_without_contour():
    image, mask, _ = cord()
    mosaic = axial_mosaic(displayed(image, replace(mask, data=np.zeros_like(mask.data))))
    assert len(mosaic.tiles) == 24
    assert not any(tile.contour for tile in mosaic.tiles)


def test_the_cord_at_the_border_of_the_image_is_shown_with_black_beyond():
    image, mask, _ = cord()
    data = np.zeros_like(mask.data)
    data[:4, :4, 5:15] = 1
    mosaic = axial_mosaic(displayed(image, replace(mask, data=data)))
    assert mosaic.sheet.min() == 0
    assert all(tile.contour for tile in mosaic.tiles[2:-2])


def test_the_heat_has_the_sheets_shape_and_is_absent_without_probability(shown):
    mosaic = axial_mosaic(shown)
    assert mosaic.heat is not None
    assert mosaic.heat.shape == mosaic.sheet.shape
    assert axial_mosaic(replace(shown, probability=None)).heat is None


def test_the_second_mask_has_contours_of_its_own():
    image, mask, _ = cord()
    data = mask.data.copy()
    data[:, :, :12] = 0
    mosaic = axial_mosaic(displayed(image, replace(mask, data=data), other=mask))
    assert [bool(tile.other) for tile in mosaic.tiles] == [False] * 2 + [True] * 20 + [False] * 2
    assert sum(bool(tile.contour) for tile in mosaic.tiles) == 10


def test_each_label_has_contours_in_place_of_the_masks():
    image, mask, _ = cord()
    upper, lower = mask.data.copy(), mask.data.copy()
    upper[:, :, :12], lower[:, :, 12:] = 0, 0
    labels = [replace(mask, data=data) for data in (upper, lower)]
    mosaic = axial_mosaic(displayed(image, mask, labels=labels))
    assert [tile.contour for tile in mosaic.tiles] == [""] * 24
    drawn = [tuple(map(bool, tile.labels)) for tile in mosaic.tiles]
    none = [(False, False)] * 2
    assert drawn == [*none, *[(True, False)] * 10, *[(False, True)] * 10, *none]
    plain = axial_mosaic(displayed(image, mask))
    assert [a or b for a, b in (t.labels for t in mosaic.tiles)] == [t.contour for t in plain.tiles]


def test_the_thumbnail_is_three_squares_with_a_coloured_border(shown):
    picture = thumbnail(shown)
    assert picture.shape == (48, 144, 3)
    assert (np.ptp(picture.astype(int), axis=2) > 50).sum() > 60
    blank = thumbnail(replace(shown, mask=np.zeros_like(shown.mask)))
    assert np.ptp(blank.astype(int), axis=2).max() == 0
