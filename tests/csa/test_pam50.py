"""Measures on the template's slices."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from phantoms import shared

from sct_deepseg_general.csa.aggregate import profiles
from sct_deepseg_general.csa.pam50 import SLICES, normalised, template_levels
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.region_interval import RegionInterval
from sct_deepseg_general.morphometry.slice_shape import SliceShape


def image_levels() -> np.ndarray:
    """C5 to C2 from the lowest slice up, ten slices each, five at the ends."""
    return np.array([0] * 3 + [5] * 5 + [4] * 10 + [3] * 10 + [2] * 5 + [0] * 2)


def test_the_templates_levels_are_those_of_its_label_map() -> None:
    path = shared("data") / "labels" / "pam50" / "PAM50_levels.nii.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    data = np.asanyarray(nib.load(path).dataobj)
    for z in range(SLICES):
        values = data[:, :, z][data[:, :, z] > 0]
        assert template_levels()[z] == (round(values.mean()) if values.size else 0)


def test_levels_one_to_twenty_follow_from_above() -> None:
    levels = template_levels()
    assert levels.max() == 20
    held = levels[levels > 0]
    assert (np.diff(held) <= 0).all()
    assert set(held) == set(range(1, 21))


def table(area: np.ndarray) -> Morphometrics:
    """Slices of 2 mm with these areas, and an interval of 6 mm² to either side of a slice's and of
    3 mm² to either side of that of a mean over 20 mm.
    """
    shapes = tuple(SliceShape(float(one), *[0.0] * 10, 2.0) for one in area)
    regions = RegionInterval(0.5, 0.5, 20.0)
    found = Morphometrics(shapes, (1.0, 1.0, 2.0), regions=regions)
    return found.with_interval(area - 6, area + 6)


def test_a_constant_stays_constant() -> None:
    found = normalised(table(np.full(35, 70.0)), image_levels()).area
    held = np.isfinite(found)
    assert (found[held] == 70).all()
    assert set(template_levels()[held]) == {2, 3, 4, 5}


def test_inner_levels_are_filled_and_outer_ones_kept_at_their_inner_border() -> None:
    found = normalised(table(np.arange(35.0)), image_levels()).area
    template = template_levels()
    third = np.flatnonzero(template == 3)
    assert found[third[0]] == 18
    assert found[third[-1]] == 27
    lowest, highest = np.flatnonzero(template == 5), np.flatnonzero(template == 2)
    assert np.isnan(found[lowest[0]])
    assert found[lowest[-1]] == 7
    assert found[highest[0]] == 28
    assert np.isnan(found[highest[-1]])


def test_the_interval_of_a_level_is_that_of_its_length_in_the_image() -> None:
    found = normalised(table(np.full(35, 70.0)), image_levels())
    third = np.flatnonzero(template_levels() == 3)
    assert found.column("length")[third].sum() == pytest.approx(20)
    assert found.mean_interval(third) == pytest.approx((67, 73))
    assert found.mean_interval(third[:1]) == pytest.approx((64, 76))


def test_lengths_do_not_carry_over_to_the_table() -> None:
    found = profiles(normalised(table(np.full(35, 70.0)), image_levels()), lengths=False)
    (length,) = (one for one in found if one.name == "length")
    assert np.isnan(length.values).all()


@pytest.mark.parametrize(
    ("levels", "words"),
    [(np.array([3, 3, 4, 4]), "three"), (np.array([21, 20, 19]), "Level 21")],
)
def test_too_few_levels_or_unknown_ones_are_refused(levels: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        normalised(table(np.ones(levels.size)), levels)
