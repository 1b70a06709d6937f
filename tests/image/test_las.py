"""Volumes in LAS: one part of the body, however the file stores it."""

from __future__ import annotations

import numpy as np
import pytest
from phantoms import affine_of
from samples import all_codes

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES, InLas, decimal_spacing, support, upright
from sct_deepseg_general.image.volume import Grid, Probability, Segmentation, Volume

SHAPE, SPACING = (7, 8, 9), (0.5, 0.8, 3.0)
GRID = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))


def block() -> Volume:
    data = np.zeros(SHAPE, np.float32)
    data[2:4, 3:6, 1:7] = np.arange(1, 37, dtype=np.float32).reshape(2, 3, 6)
    return Volume(data, GRID)


@pytest.mark.parametrize("codes", list(all_codes()))
def test_the_part_is_the_same_from_every_axis_order(codes: tuple[str, str, str]) -> None:
    part = upright(block().reoriented(codes))
    assert part is not None
    np.testing.assert_array_equal(part.data, block().data[2:4, 3:6, 1:7])
    assert part.start == (2, 3, 1)
    assert part.grid.matches(GRID)
    assert part.spacing == SPACING
    assert part.mask.all()


def test_nothing_has_no_part_and_nan_is_refused() -> None:
    empty = Volume(np.zeros(SHAPE, np.float32), GRID)
    assert upright(empty) is None
    assert support(empty) is None
    with pytest.raises(ImageError, match="not finite"):
        upright(Volume(np.full(SHAPE, np.nan), GRID))


def test_what_resampling_leaves_of_zero_is_background() -> None:
    data = block().data + 1e-7
    assert support(Volume(data, GRID)) == support(block())


def test_a_result_in_las_is_itself() -> None:
    mask = Segmentation((block().data > 0).astype(np.uint8), GRID)
    sure = Probability(block().data / 36, GRID)
    turned = InLas.of(*(one.reoriented(("P", "I", "R")) for one in (block(), mask, sure)))
    assert turned.image.grid.axcodes == AXES
    np.testing.assert_array_equal(turned.segmentation.data, mask.data)
    np.testing.assert_array_equal(turned.probability.data, sure.data)
    again = InLas.of(turned.image, turned.segmentation, turned.probability)
    assert again.image is turned.image


def test_spacing_has_no_digits_of_single_precision() -> None:
    spacing = tuple(float(np.float32(mm)) for mm in (0.3, 0.8, 2.2))
    assert spacing != (0.3, 0.8, 2.2)
    assert decimal_spacing((spacing[0], spacing[1], spacing[2])) == (0.3, 0.8, 2.2)
