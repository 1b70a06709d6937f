"""A cord that runs across the axial slices of its image: no levels are found in it."""

from __future__ import annotations

import numpy as np
import pytest
from necks import cord, known_discs, labelled, neck

from sct_deepseg_general.image.volume import Grid, Segmentation, Volume
from sct_deepseg_general.levels.answer import Given, answered
from sct_deepseg_general.levels.detect import Anchor, find_levels
from sct_deepseg_general.levels.direction import angle_to_slices_axis, direction_reasons
from sct_deepseg_general.levels.responses import embedded_network


def rod(angle: float, length: float = 70.0) -> Segmentation:
    """A straight cord, 12 mm wide, at an angle (degrees) to the slices' axis; 1 x 2 x 1.5 mm."""
    grid = Grid((80, 40, 60), np.array(np.diag([-1.0, 2.0, 1.5, 1.0])))
    places = np.moveaxis(np.indices(grid.shape), 0, -1) * grid.spacing - np.array([40, 40, 45])
    tilt = np.radians(angle)
    axis = np.array([np.sin(tilt) * 0.6, np.sin(tilt) * 0.8, np.cos(tilt)])
    along = places @ axis
    aside = np.linalg.norm(places - along[..., None] * axis, axis=-1)
    return Segmentation(((aside < 6) & (np.abs(along) < length / 2)).astype(np.uint8), grid)


def exchanged(volume: Volume) -> Grid:
    """The grid of a LAS volume whose header takes the front for the head, and the feet for it."""
    affine = volume.grid.affine.copy()
    affine[:3, :3] = np.diag([-1.0, 0, 0]) + np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0]])
    return Grid(volume.grid.shape, affine)


@pytest.mark.parametrize("angle", [0, 20, 40, 50, 70, 90])
def test_the_angle_is_that_of_the_cord(angle: float) -> None:
    assert angle_to_slices_axis(rod(angle)) == pytest.approx(angle, abs=2)
    reasons = direction_reasons(rod(angle))
    assert bool(reasons) is (angle > 45)
    assert all(f"runs at {angle_to_slices_axis(rod(angle)):.0f} degrees" in one for one in reasons)


@pytest.mark.parametrize("codes", [("R", "P", "I"), ("S", "A", "R"), ("P", "I", "L")])
def test_the_order_of_axes_in_the_file_changes_nothing(codes: tuple[str, str, str]) -> None:
    assert angle_to_slices_axis(rod(30).reoriented(codes)) == pytest.approx(30, abs=2)


def test_a_tilted_stack_of_slices_counts_along_its_own_axis() -> None:
    turn = np.radians(40)
    affine = np.eye(4)
    affine[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    mask = rod(0)
    tilted = Segmentation(mask.data, Grid(mask.grid.shape, affine @ mask.grid.affine))
    assert angle_to_slices_axis(tilted) == pytest.approx(0, abs=2)


def test_a_mask_too_short_to_have_a_direction_is_not_doubted() -> None:
    assert angle_to_slices_axis(rod(90, length=20)) == 0
    empty = Segmentation(np.zeros_like(cord().data), cord().grid)
    assert angle_to_slices_axis(empty) == 0


def test_a_header_that_exchanges_axes_gives_no_levels() -> None:
    image = Volume(neck().data, exchanged(neck()))
    mask = Segmentation(cord().data, image.grid)
    for anchor in (None, Anchor(10, 3)):
        found = find_levels(image, mask, embedded_network(), anchor)
        assert (found.status, found.discs) == ("withheld", ())
        assert "to the image's inferior-superior axis" in found.reasons[0]


def test_a_file_of_discs_is_used_all_the_same() -> None:
    image = Volume(neck().data, exchanged(neck()))
    mask = Segmentation(cord().data, image.grid)
    discs = Volume(labelled(known_discs()).data, image.grid)
    answer = answered(image, mask, embedded_network(), Given(discs=discs))
    assert answer.discs is discs
    assert answer.withheld == ()
    assert answer.from_file
