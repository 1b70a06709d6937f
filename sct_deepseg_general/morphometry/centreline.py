"""The cord's centreline: a smooth curve through the centres of a mask's axial slices.

Coordinates are voxels of the mask in nibabel LAS (SCT RPI): x to the left, y to the front, z up.
The four fits and their constants are those of SCT's `-centerline-algo`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometry.bspline import smoothing_spline

__all__ = ["ALGORITHMS", "Algorithm", "Centreline", "CentrelineFit", "Centres", "centres", "fitted"]

Algorithm = Literal["bspline", "polyfit", "linear", "nurbs"]
ALGORITHMS: tuple[Algorithm, ...] = ("bspline", "polyfit", "linear", "nurbs")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CentrelineFit:
    """How the curve is fitted.

    `smooth` is the degree of smoothing of `bspline` and the length in mm of the Hanning window
    of `linear`; `degree` belongs to `polyfit`.
    """

    algorithm: Algorithm = "bspline"
    smooth: float = 30.0
    degree: int = 5


@dataclass(frozen=True, eq=False)
class Centres:
    """The centre (x, y) of each slice z that holds something; z ascends and may have gaps."""

    z: NDArray[np.int64]
    x: Floats
    y: Floats


@dataclass(frozen=True, eq=False)
class Centreline:
    """The curve at every slice from the first to the last: position and slope.

    `x`, `y` in voxels; `dx`, `dy` in voxels per slice.
    """

    z: NDArray[np.int64]
    x: Floats
    y: Floats
    dx: Floats
    dy: Floats

    def angles(self, spacing: tuple[float, float, float]) -> tuple[Floats, Floats]:
        """Angles about the AP and the RL axis between the curve and the slices' normal (radians).

        `spacing` is the voxel size in mm along x, y, z.
        """
        across, along, up = spacing
        return np.arctan2(self.dx * across, up), np.arctan2(self.dy * along, up)

    def moved(self, by: tuple[int, int, int]) -> Centreline:
        """The same curve in a frame whose voxel `by` is this one's voxel 0."""
        x, y, z = by
        return replace(self, z=self.z + z, x=self.x + x, y=self.y + y)


def centres(mask: NDArray[np.bool_]) -> Centres:
    """Unweighted centre of mass of each slice of a LAS mask (x, y, z)."""
    by_x = mask.sum(axis=1, dtype=np.int64)
    by_y = mask.sum(axis=0, dtype=np.int64)
    count = by_x.sum(axis=0)
    z = np.flatnonzero(count)
    x = np.arange(mask.shape[0]) @ by_x[:, z] / count[z]
    y = np.arange(mask.shape[1]) @ by_y[:, z] / count[z]
    return Centres(z, x, y)


def fitted(points: Centres, spacing_z: float, fit: CentrelineFit | None = None) -> Centreline:
    """Fit the centreline through the centres of slices.

    Parameters
    ----------
    points : Centres
        The centre of mass of the cord in each slice, in voxels.
    spacing_z : float
        The distance between slices in mm.
    fit : CentrelineFit, optional
        The algorithm and its smoothing; by default SCT's smoothing spline.

    Returns
    -------
    Centreline
        Position and derivative, in voxels, at every slice from the first to the last. A single
        slice has no direction: its curve is perpendicular to it.

    Raises
    ------
    ImageError
        There is no slice, or there are fewer than the algorithm needs.

    Examples
    --------
    >>> import numpy as np
    >>> from sct_deepseg_general.morphometry.centreline import Centres, fitted
    >>> z = np.arange(10)
    >>> curve = fitted(Centres(z, 5.0 + 0.5 * z, np.full(10, 7.0)), 1.0)
    >>> bool(np.allclose(curve.dx, 0.5)), bool(np.allclose(curve.y, 7))
    (True, True)
    """
    fit = fit or CentrelineFit()
    if points.z.size == 0:
        raise ImageError("The mask is empty: there is no centreline to fit.")
    z = np.arange(points.z[0], points.z[-1] + 1)
    if z.size == 1:
        flat = np.zeros(1)
        return Centreline(z, points.x, points.y, flat, flat)
    if fit.algorithm == "nurbs":
        return _nurbs(points, z)
    x, dx = _curve(points.z, points.x, z, spacing_z, fit)
    y, dy = _curve(points.z, points.y, z, spacing_z, fit)
    return Centreline(z, x, y, dx, dy)


def _curve(
    z: NDArray[np.int64], v: Floats, at: NDArray[np.int64], spacing_z: float, fit: CentrelineFit
) -> tuple[Floats, Floats]:
    if fit.algorithm == "polyfit":
        return _polynomial(z, v, at, fit.degree)
    if fit.algorithm == "linear":
        return _linear(z, v, at, fit.smooth / spacing_z)
    return _spline(z, v, at, fit.smooth * spacing_z)


def _polynomial(
    z: NDArray[np.int64], v: Floats, at: NDArray[np.int64], degree: int
) -> tuple[Floats, Floats]:
    polynomial = np.polynomial.Polynomial.fit(z, v, min(degree, z.size - 1))
    return polynomial(at), polynomial.deriv()(at)


def _spline(
    z: NDArray[np.int64], v: Floats, at: NDArray[np.int64], smooth_mm: float
) -> tuple[Floats, Floats]:
    density = z.size / at.size
    spline = smoothing_spline(
        z.astype(np.float64), v, density**2 * smooth_mm / 3, degree=3 if z.size > 3 else 1
    )
    return spline(at.astype(np.float64)), spline.slope(at.astype(np.float64))


def _linear(
    z: NDArray[np.int64], v: Floats, at: NDArray[np.int64], window: float
) -> tuple[Floats, Floats]:
    curve = _hanning_smoothed(np.interp(at, z, v), window)
    return curve, np.gradient(curve)


def _hanning_smoothed(curve: Floats, window: float) -> Floats:
    """Convolved with a Hanning window of `window` samples (made odd); ends point-reflected."""
    length = min(int(np.ceil(window) // 2 * 2 + 1), curve.size)
    if length < 3:
        return curve
    before = 2 * curve[0] - curve[length - 1 : 0 : -1]
    after = 2 * curve[-1] - curve[-2 : -length - 1 : -1]
    weights = np.hanning(length)
    smooth = np.convolve(
        weights / weights.sum(), np.concatenate([before, curve, after]), mode="valid"
    )
    return smooth[int(np.ceil(length / 2 - 1)) : -(length // 2)]


def _nurbs(points: Centres, z: NDArray[np.int64]) -> Centreline:
    from sct_deepseg_general.morphometry.nurbs import fitted as nurbs_through

    x, y = (np.interp(z, points.z, v) for v in (points.x, points.y))
    curve = nurbs_through(x, y, z.astype(np.float64))
    return Centreline(z, curve.x, curve.y, curve.dx, curve.dy)
