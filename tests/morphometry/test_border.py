"""The place where the intensity is half-way from cord to fluid."""

from __future__ import annotations

import numpy as np
import pytest
from soft_cords import blurred_canal, disc, grid

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.morphometry.border import half_way
from sct_deepseg_general.morphometry.contours import contour_of


@pytest.mark.parametrize("bright", [3.0, 0.2])
@pytest.mark.parametrize("outside", [-0.3, 0.0, 0.4])
def test_the_half_way_point_is_found_with_bright_and_dark_fluid(
    bright: float, outside: float
) -> None:
    contour = contour_of(disc(5.0))
    found = half_way(contour, blurred_canal(5.0 + outside, bright))
    assert found == pytest.approx(outside, abs=0.12)


def test_an_image_on_another_grid_is_refused() -> None:
    contour = contour_of(disc(5.0))
    with pytest.raises(ImageError, match="one grid"):
        half_way(contour, Volume(np.ones(grid(0.5).shape, np.float32), grid(0.5)))
