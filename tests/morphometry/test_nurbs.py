"""The nurbs centreline through centres that lie as no cord does."""

from __future__ import annotations

import numpy as np
import pytest

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometry.nurbs import fitted


@pytest.mark.parametrize("jump", [5.0, 40.0])
def test_a_cord_in_two_pieces_beside_each_other_gets_a_curve(jump: float) -> None:
    z = np.arange(30.0)
    curve = fitted(np.where(z < 15, 0.0, jump), np.zeros(30), z)
    assert curve.x.shape == z.shape
    assert np.isfinite(curve.dx).all()
    assert curve.x[0] == pytest.approx(0, abs=0.1 * jump)
    assert curve.x[-1] == pytest.approx(jump, abs=0.1 * jump)
    assert np.abs(curve.y).max() < 1e-6


@pytest.mark.parametrize("slices", [6, 7, 10, 24, 50])
@pytest.mark.parametrize("scatter", [30.0, 1000.0])
def test_scattered_centres_get_a_whole_curve(slices: int, scatter: float) -> None:
    x, y = np.random.default_rng(slices).normal(size=(2, slices)) * scatter
    curve = fitted(x, y, np.arange(float(slices)))
    assert curve.x.shape == (slices,)
    assert np.isfinite([curve.x, curve.y, curve.dx, curve.dy]).all()


def test_a_curve_that_misses_slices_is_refused() -> None:
    x = np.random.default_rng(7).normal(size=10) * 1000
    with pytest.raises(ImageError, match="does not reach every slice: choose bspline"):
        fitted(x, np.zeros(10), np.arange(10.0))
