"""Measures on the template's slices."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from phantoms import shared

from sct_deepseg_general.csa.aggregate import Profile
from sct_deepseg_general.csa.pam50 import SLICES, normalised, template_levels
from sct_deepseg_general.errors import ImageError


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


def test_a_constant_stays_constant() -> None:
    profile = Profile("area", np.full(35, 70.0))
    (found,) = normalised([profile], image_levels())
    held = np.isfinite(found.values)
    assert (found.values[held] == 70).all()
    assert set(template_levels()[held]) == {2, 3, 4, 5}


def test_inner_levels_are_filled_and_outer_ones_kept_at_their_inner_border() -> None:
    values = np.arange(35.0)
    (found,) = normalised([Profile("area", values)], image_levels())
    template = template_levels()
    third = np.flatnonzero(template == 3)
    assert found.values[third[0]] == 18
    assert found.values[third[-1]] == 27
    lowest, highest = np.flatnonzero(template == 5), np.flatnonzero(template == 2)
    assert np.isnan(found.values[lowest[0]])
    assert found.values[lowest[-1]] == 7
    assert found.values[highest[0]] == 28
    assert np.isnan(found.values[highest[-1]])


def test_lengths_do_not_carry_over() -> None:
    (found,) = normalised([Profile("length", np.ones(35), ("SUM",))], image_levels())
    assert np.isnan(found.values).all()


@pytest.mark.parametrize(
    ("levels", "words"),
    [(np.array([3, 3, 4, 4]), "three"), (np.array([21, 20, 19]), "Level 21")],
)
def test_too_few_levels_or_unknown_ones_are_refused(levels: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        normalised([Profile("area", np.ones(levels.size))], levels)
