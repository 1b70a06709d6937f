"""Centrelines: centres of slices, four fits, angles."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometry.centreline import (
    ALGORITHMS,
    Algorithm,
    CentrelineFit,
    Centres,
    centres,
    fitted,
)


def line(slope: float, slices: int = 40, missing: tuple[int, ...] = ()) -> Centres:
    z = np.array([n for n in range(slices) if n not in missing])
    return Centres(z, 20 + slope * z, 30 - 0.5 * slope * z)


def test_centres_are_those_of_the_filled_voxels() -> None:
    mask = np.zeros((9, 8, 4), dtype=bool)
    mask[2:5, 3:5, 1] = True
    mask[6, 7, 3] = True
    found = centres(mask)
    assert found.z.tolist() == [1, 3]
    assert found.x.tolist() == [3.0, 6.0]
    assert found.y.tolist() == [3.5, 7.0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_straight_line_is_found_again(algorithm: Algorithm) -> None:
    curve = fitted(line(0.2), 1.0, CentrelineFit(algorithm))
    inner = slice(3, -3)
    assert curve.dx[inner] == pytest.approx(0.2, abs=2e-3)
    assert curve.dy[inner] == pytest.approx(-0.1, abs=2e-3)
    assert curve.x[inner] == pytest.approx(20 + 0.2 * curve.z[inner], abs=0.01)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_missing_slices_are_bridged(algorithm: Algorithm) -> None:
    curve = fitted(line(0.2, missing=(10, 11, 12)), 1.0, CentrelineFit(algorithm))
    assert curve.z.tolist() == list(range(40))
    assert curve.x[10:13] == pytest.approx([22.0, 22.2, 22.4], abs=0.02)


def test_angles_know_the_voxels_sizes() -> None:
    curve = fitted(line(0.5), 1.0)
    about_ap, about_rl = curve.angles((0.5, 2.0, 5.0))
    assert about_ap == pytest.approx(math.atan(0.5 * 0.5 / 5), abs=1e-3)
    assert about_rl == pytest.approx(-math.atan(0.25 * 2 / 5), abs=1e-3)


def test_one_slice_has_no_angle() -> None:
    curve = fitted(Centres(np.array([7]), np.array([3.0]), np.array([4.0])), 1.0)
    assert (curve.z.tolist(), curve.dx.tolist(), curve.dy.tolist()) == ([7], [0.0], [0.0])


def test_nothing_is_refused() -> None:
    with pytest.raises(ImageError, match="empty"):
        fitted(centres(np.zeros((3, 3, 3), dtype=bool)), 1.0)


def test_a_moved_curve_keeps_its_slope() -> None:
    curve = fitted(line(0.3), 1.0)
    moved = curve.moved((5, 6, 7))
    assert (moved.x - curve.x).tolist() == pytest.approx([5] * 40)
    assert moved.z[0] == 7
    assert (moved.dx == curve.dx).all()


def test_more_smoothing_bends_less() -> None:
    z = np.arange(60)
    wavy = Centres(z, 20 + np.sin(z / 2.0), 20 + 0.0 * z)
    for algorithm in ("bspline", "linear"):
        loose = fitted(wavy, 1.0, CentrelineFit(algorithm, smooth=3)).dx.std()
        tight = fitted(wavy, 1.0, CentrelineFit(algorithm, smooth=50)).dx.std()
        assert tight < 0.5 * loose
