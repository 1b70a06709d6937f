"""B-splines: the basis adds up, slopes are slopes, and the smoothing is FITPACK's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.interpolate import splev, splrep

from sct_deepseg_general.morphometry.bspline import basis, slope_basis, smoothing_spline

KNOTS = np.array([0, 0, 0, 0, 1.5, 2.0, 4.5, 6, 6, 6, 6], dtype=float)


def noisy_curve(seed: int, points: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = np.sort(rng.choice(np.arange(points + 6), points, replace=False)).astype(float)
    return z, 30 + 4 * np.sin(z / 12) + np.cumsum(rng.normal(0, noise, points))


def test_the_basis_adds_up_to_one() -> None:
    at = np.linspace(0, 6, 61)
    assert basis(at, KNOTS, 4).sum(axis=1) == pytest.approx(1, abs=1e-14)
    assert slope_basis(at, KNOTS, 4).sum(axis=1) == pytest.approx(0, abs=1e-13)


def test_the_slope_is_the_difference() -> None:
    at, step = np.linspace(0.1, 5.9, 40), 1e-6
    rise = basis(at + step, KNOTS, 4) - basis(at - step, KNOTS, 4)
    np.testing.assert_allclose(slope_basis(at, KNOTS, 4), rise / (2 * step), atol=1e-6)


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("points", [2, 3, 4, 5, 12, 55, 150])
@pytest.mark.parametrize("smoothing", [0.5, 10.0, 60.0])
def test_the_smoothing_spline_is_fitpacks(points: int, noise: float, smoothing: float) -> None:
    z, v = noisy_curve(points, points, noise)
    degree = 3 if points > 3 else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # FITPACK gives up on some with the best it has
        expected = splrep(z, v, s=smoothing, k=degree)
    found = smoothing_spline(z, v, smoothing, degree)
    at = np.linspace(z[0], z[-1], 200)
    np.testing.assert_allclose(found(at), splev(at, expected), atol=1e-9)
    np.testing.assert_allclose(found.slope(at), splev(at, expected, der=1), atol=1e-9)


def test_without_smoothing_it_goes_through_the_points() -> None:
    z, v = noisy_curve(1, 20, 0.3)
    assert smoothing_spline(z, v, 0.0)(z) == pytest.approx(v, abs=1e-10)


def test_the_squared_residuals_are_those_asked_for() -> None:
    z, v = noisy_curve(2, 60, 0.4)
    for smoothing in (1.0, 5.0, 20.0):
        residuals = ((smoothing_spline(z, v, smoothing)(z) - v) ** 2).sum()
        assert residuals == pytest.approx(smoothing, rel=0.0011)


@pytest.mark.parametrize("smoothing", [0.01, 1.0, 100.0])
def test_a_cord_that_steps_aside_is_smoothed_as_by_fitpack(smoothing: float) -> None:
    x = np.arange(12.0)
    y = np.where(x < 6, 0.0, 50.0)
    at = np.linspace(0, 11, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = splev(at, splrep(x, y, s=smoothing))
    np.testing.assert_allclose(smoothing_spline(x, y, smoothing)(at), expected, atol=1e-3)
