"""Levels found in a real neck: right, the same however the image lies, and withheld in doubt."""

from __future__ import annotations

import numpy as np
import pytest
from necks import below, cord, known_discs, neck

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.levels.detect import Anchor, FoundLevels, find_levels
from sct_deepseg_general.levels.doubt import NO_C2C3
from sct_deepseg_general.levels.responses import embedded_network


def found_in(image: Volume, mask: Volume, anchor: Anchor | None = None) -> FoundLevels:
    return find_levels(image, mask, embedded_network(), anchor)


def check_right(found: FoundLevels, most: float = 3.0) -> None:
    """All known discs have their numbers, within `most` mm along the cord."""
    points = {
        disc.number: np.array(disc.point) for disc in found.discs if disc.origin != "estimated"
    }
    for number in set(points) & set(known_discs()):
        assert abs(points[number][2] - known_discs()[number][2]) < most, number
    assert len(set(points) & set(known_discs())) >= 3


def test_every_disc_has_its_number_and_place() -> None:
    found = found_in(neck(), cord())
    assert (found.status, found.reasons) == ("ok", ())
    assert [disc.number for disc in found.discs] == [1, 2, 3, 4, 5, 6, 7]
    assert [disc.origin for disc in found.discs] == ["estimated"] * 2 + ["found"] * 5
    check_right(found)


def test_the_upper_border_of_c2_lies_a_vertebra_above_c2c3() -> None:
    heights = {disc.number: disc.point[2] for disc in found_in(neck(), cord()).discs}
    assert 12 < heights[2] - heights[3] < 19
    assert 17 < heights[1] - heights[2] < 28


@pytest.mark.parametrize("codes", [("R", "P", "I"), ("S", "A", "R"), ("P", "I", "L")])
def test_the_orientation_of_the_file_changes_nothing(codes: tuple[str, str, str]) -> None:
    expected = found_in(neck(), cord())
    turned = found_in(neck().reoriented(codes), cord().reoriented(codes))
    assert turned.status == "ok"
    for one, other in zip(expected.discs, turned.discs, strict=True):
        assert one.number == other.number
        np.testing.assert_allclose(one.point, other.point, atol=0.3)


def test_the_scanner_units_change_nothing() -> None:
    scaled = Volume(neck().data.astype(np.float64) * 3.7, neck().grid)
    rows = [disc.row for disc in found_in(scaled, cord()).discs]
    np.testing.assert_allclose(
        rows, [disc.row for disc in found_in(neck(), cord()).discs], atol=0.1
    )


def test_without_c2c3_numbers_are_withheld_until_a_disc_is_known() -> None:
    image, mask = below(known_discs()[3][2] - 6)
    withheld = found_in(image, mask)
    assert (withheld.status, withheld.reasons) == ("withheld", (NO_C2C3,))
    z = round((known_discs()[5][2] - image.grid.affine[2, 3]) / image.grid.affine[2, 2])
    known = found_in(image, mask, Anchor(z, 5))
    assert known.status == "ok"
    assert {disc.number: disc.origin for disc in known.discs}[5] == "given"
    check_right(known)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda data: data.max() - data, "contrast not proven"),
        (lambda data: np.full_like(data, 100), "contrast not proven"),
        (lambda data: np.random.default_rng(0).normal(100, 30, data.shape), ""),
        (lambda data: data[:, ::-1, ::-1], ""),
    ],
    ids=["inverted", "flat", "noise", "turned round"],
)
def test_what_is_no_t2w_neck_has_no_numbers(spoil: object, said: str) -> None:
    assert callable(spoil)
    image = Volume(np.ascontiguousarray(spoil(neck().data.astype(np.float64))), neck().grid)
    found = found_in(image, cord())
    assert found.status == "withheld"
    assert said in " ".join(found.reasons)


def test_a_known_disc_outside_the_cord_is_refused() -> None:
    with pytest.raises(ImageError, match="no cord in slice 500"):
        found_in(neck(), cord(), Anchor(500, 3))
    with pytest.raises(ImageError, match="discs 3"):
        found_in(neck(), cord(), Anchor(50, 2))
