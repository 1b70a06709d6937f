"""A mask that is no cord mask is named as what it is."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of, cord_image, cylinder

from sct_deepseg_general.image.volume import Grid, Segmentation, Volume
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.quality.assess import assess_mask
from sct_deepseg_general.quality.findings import Quality
from sct_deepseg_general.quality.mask_checks import second_object

SHAPE, SPACING = (48, 48, 30), (1.0, 1.0, 2.0)
GRID = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))
CORD = cylinder(SHAPE, SPACING, 5.0)


def assessed(mask: np.ndarray, image: np.ndarray | None = None, grid: Grid = GRID) -> Quality:
    volume = Volume(mask.astype(np.float32), grid)
    return assess_mask(volume, measure(volume), None if image is None else Volume(image, grid))


def leaving() -> np.ndarray:
    """A mask whose upper half wanders off to one side."""
    mask = CORD.copy()
    for z in range(15, 30):
        mask[:, :, z] = np.roll(CORD[:, :, z], (z - 14) * 2, axis=0)
    mask[30:44, 18:40, 22:] = True
    return mask


def two_objects() -> np.ndarray:
    mask = CORD.copy()
    mask[36:44, 30:38, 3:27] = True
    return mask


def lying() -> np.ndarray:
    """A cord along the second axis, as after a wrong turn of the header."""
    return np.moveaxis(cylinder((48, 30, 48), (1.0, 2.0, 1.0), 5.0), 2, 1)


def test_a_cord_is_ok_soft_or_binary_in_any_orientation() -> None:
    for mask in (CORD, 0.8 * CORD, 255 * CORD):
        found = assessed(mask)
        assert (found.status, found.reasons) == ("ok", ())
        assert np.isnan(found.confidence)
    turned = Segmentation(CORD.astype(np.uint8), GRID).reoriented(("P", "I", "R"))
    assert assess_mask(turned, measure(turned)).status == "ok"


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (~CORD, "inverted: it covers 9"),
        (lying(), "runs 90 degrees off"),
        (two_objects(), "second object"),
        (leaving(), "jumps"),
        (np.zeros(SHAPE, bool), "empty"),
        (cylinder(SHAPE, SPACING, 9.0), "median area"),
        (cylinder(SHAPE, SPACING, 5.0, (1.0, 24.0)), "field of view"),
    ],
    ids=["inverted", "across", "two", "leaves", "empty", "large", "cut"],
)
def test_what_is_no_cord_mask_is_named(mask: np.ndarray, says: str) -> None:
    found = assessed(mask)
    assert found.status != "ok"
    assert any(says in reason for reason in found.reasons), found.reasons


def test_slices_turned_by_the_header_are_named() -> None:
    angle = np.deg2rad(50)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ GRID.affine[:3, :3]
    found = assessed(CORD, grid=Grid(SHAPE, affine))
    assert found.status == "fail"
    assert "orientation in the header may be wrong" in found.reasons[0]


def test_a_mask_in_slices_without_signal_and_a_gap_because_of_them_are_named() -> None:
    image = cord_image(CORD, "T2w", 0)
    image[:, :, 10:15] = 0
    drawn = assessed(CORD, image)
    assert drawn.status == "warn"
    assert "no signal in slices 10 to 14 of the mask" in drawn.reasons[0]
    gap = CORD.copy()
    gap[:, :, 10:15] = False
    held = assessed(gap, image)
    assert held.status == "warn"
    assert held.flagged == (10, 11, 12, 13, 14)
    assert "no signal in slices 10 to 14: no area is measured" in held.reasons[0]


def test_the_second_object_is_a_share_of_the_largest() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[2:6, 2:6, 2:6] = True
    assert second_object(mask) == 0
    mask[10:12, 10:14, 10:14] = True
    assert second_object(mask) == 0.5
