"""Sections follow the cord: a bent cord is whole in both, the box where it belongs."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from nibabel.affines import apply_affine
from qc_phantoms import box_around, cord

from sct_deepseg_general.qc.display import DiscMark, displayed
from sct_deepseg_general.qc.sections import coronal_section, sagittal_section


@pytest.fixture(scope="module")
def shown():
    image, mask, probability = cord()
    return displayed(image, mask, probability, None, box_around(mask))


def extent(path, letters):
    values = [int(v) for v in re.findall(letters, path)]
    return min(values), max(values)


def test_the_cord_is_whole_in_both_sections_although_it_bends(shown):
    for section in (sagittal_section(shown), coronal_section(shown)):
        assert extent(section.contour, r"(?: |V)(\d+)") == (2, 22)
        assert section.contour.count("M") == 1


def test_rows_are_all_slices_and_sides_are_millimetres(shown):
    section = sagittal_section(shown)
    assert section.voxels == (40, 24)
    assert section.millimetres == pytest.approx((32.0, 48.0))
    rows, columns = section.image.shape
    assert rows / columns == pytest.approx(48 / 32, rel=0.02)
    assert section.heat is not None
    assert section.heat.shape == section.image.shape


def test_the_sagittal_section_shows_the_width_of_a_cylinder_everywhere(shown):
    section = sagittal_section(shown)
    left, right = extent(section.contour, r"[MH](\d+)")
    assert (right - left) * 0.8 == pytest.approx(9.0, abs=0.9)


def test_the_box_is_drawn_around_the_contour(shown):
    for section in (sagittal_section(shown), coronal_section(shown)):
        assert section.box is not None
        left, top, width, height = section.box
        first, last = extent(section.contour, r"[MH](\d+)")
        assert left <= first
        assert last <= left + width
        assert (top, top + height) == (0, 24)
    assert sagittal_section(replace(shown, box=None)).box is None


def test_discs_are_placed_on_the_sagittal_section():
    image, mask, _ = cord()
    tips = {3: (20, 30, 18), 4: (20, 30, 6)}
    discs = tuple(
        DiscMark(number, tuple(apply_affine(image.grid.affine, voxel)), detected=number == 3)
        for number, voxel in tips.items()
    )
    shown = displayed(image, mask, discs=discs)
    section = sagittal_section(shown)
    (column, upper, first, seen), (_, lower, second, unseen) = section.discs
    assert (first, seen, second, unseen) == (3, True, 4, False)
    assert abs(lower - upper) == pytest.approx(12)
    assert 0 < column < section.voxels[0]
    assert coronal_section(shown).discs == ()


def test_each_label_has_a_border_in_place_of_the_masks():
    image, mask, _ = cord()
    upper = mask.data.copy()
    upper[:, :, :12] = 0
    none = np.zeros_like(upper)
    labels = [replace(mask, data=data) for data in (mask.data, upper, none)]
    for section in (sagittal_section, coronal_section):
        found, plain = (
            section(displayed(image, mask, labels=labels)),
            section(displayed(image, mask)),
        )
        assert found.contour == ""
        assert found.labels[0] == plain.contour
        low, high = extent(found.labels[1], r"(?:V|M\d+ )(\d+)")
        assert high - low == 10
        assert found.labels[2] == ""


def test_a_wide_image_is_cut_about_the_cord_and_box():
    image, mask, _ = cord(shape=(300, 300, 12), spacing=(0.8, 0.8, 3))
    section = coronal_section(displayed(image, mask, None, mask, box_around(mask, 20)))
    assert section.voxels[0] * 0.8 == pytest.approx(66, abs=8)
    assert section.box is not None
    assert section.box[0] >= 0
    assert section.box[0] + section.box[2] <= section.voxels[0]
    assert section.other == section.contour


def test_without_cord_the_middle_plane_is_shown_whole():
    image, mask, _ = cord(shape=(200, 100, 12))
    empty = replace(mask, data=np.zeros_like(mask.data))
    section = coronal_section(displayed(image, empty))
    assert section.voxels == (200, 12)
    assert section.contour == ""
    assert section.heat is None


def test_the_window_follows_the_cord_not_the_fat(shown):
    fat = shown.image.copy()
    fat[:, -4:, :] = 5000
    bright = sagittal_section(replace(shown, image=fat)).image
    assert bright[bright.shape[0] // 2, bright.shape[1] // 2] > 120
