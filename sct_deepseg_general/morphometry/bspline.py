"""B-splines: the basis, its slope, and the smoothing spline through measured points.

The smoothing spline is that of Dierckx, Curve and Surface Fitting with Splines (1993), chapter
5: knots are added where the residuals are until their squares sum to less than `smoothing`,
then the jumps of the highest derivative are penalised just enough to reach that sum. Knots,
tolerances and the search are FITPACK's, so that the curve is the one that scipy's `splrep`
gives; it is written out because importing scipy.interpolate takes longer than measuring a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spline", "basis", "slope_basis", "smoothing_spline"]

TOLERANCE = 0.001
"""Share of `smoothing` that the sum of squares may be off by."""

MOST_TRIALS = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spline:
    """A curve y(x): `knots` with the ends repeated `order` times, and its coefficients."""

    knots: Floats
    coefficients: Floats
    order: int

    def __call__(self, at: Floats) -> Floats:
        """The values y at the positions `at`, both of shape (n,)."""
        return np.asarray(basis(at, self.knots, self.order) @ self.coefficients)

    def slope(self, at: Floats) -> Floats:
        """The slope dy/dx at the positions `at`, both of shape (n,); `at` is in the unit of x."""
        return np.asarray(slope_basis(at, self.knots, self.order) @ self.coefficients)


@dataclass(frozen=True, eq=False)
class _Trial:
    """A spline with its squared residuals at the data, and the triangle it was solved with."""

    spline: Spline
    residuals: Floats
    triangle: Floats
    projected: Floats

    @property
    def error(self) -> float:
        return float(self.residuals.sum())


def basis(at: Floats, knots: Floats, order: int) -> Floats:
    """Values of every B-spline at `at`, (points, knots - order): Cox and de Boor's recursion."""
    spans = knots.size - 1
    inside = (knots[:-1] <= at[:, None]) & (at[:, None] < knots[1:])
    inside[at >= knots[-1], np.flatnonzero(np.diff(knots) > 0)[-1]] = True
    values = inside.astype(np.float64)
    for k in range(1, order):
        spans -= 1
        low, high = knots[:spans], knots[1 : 1 + spans]
        rise = _ratio(at[:, None] - low, knots[k : k + spans] - low)
        fall = _ratio(
            knots[k + 1 : k + 1 + spans] - at[:, None], knots[k + 1 : k + 1 + spans] - high
        )
        values = rise * values[:, :spans] + fall * values[:, 1 : spans + 1]
    return values


def slope_basis(at: Floats, knots: Floats, order: int) -> Floats:
    """Slopes of every B-spline at `at`, shape (points, knots - order)."""
    lower = basis(at, knots, order - 1)
    width = knots[order - 1 :] - knots[: knots.size - order + 1]
    scaled = (order - 1) * _ratio(lower, width)
    return np.asarray(scaled[:, :-1] - scaled[:, 1:])


def smoothing_spline(x: Floats, y: Floats, smoothing: float, degree: int = 3) -> Spline:
    """The smoothest spline through points `x`, `y` of shape (n,), `x` ascending, whose squared
    residuals sum to `smoothing` (in the unit of y, squared).

    `degree` is 1 or 3, and there are more points than that.
    """
    order = degree + 1
    first = _least_squares(x, y, np.zeros(0), order)
    inner, last = _placed_knots(x, y, smoothing, first)
    if inner.size == 0 or last.error - smoothing >= -TOLERANCE * smoothing:
        return last.spline
    return _smoothed(x, y, smoothing, first.error, last)


def _ratio(value: Floats, by: Floats) -> Floats:
    return np.where(by == 0, 0.0, value / np.where(by == 0, 1.0, by))


def _clamped(x: Floats, inner: Floats, order: int) -> Floats:
    return np.concatenate([np.full(order, x[0]), inner, np.full(order, x[-1])])


def _least_squares(x: Floats, y: Floats, inner: Floats, order: int) -> _Trial:
    knots = _clamped(x, inner, order)
    return _solved(x, y, knots, order, basis(x, knots, order), y)


def _solved(x: Floats, y: Floats, knots: Floats, order: int, rows: Floats, right: Floats) -> _Trial:
    orthogonal, triangle = np.linalg.qr(rows)
    projected = orthogonal.T @ right
    coefficients = np.linalg.solve(triangle, projected)
    spline = Spline(knots, coefficients, order)
    residuals = (rows[: x.size] @ coefficients - y) ** 2
    return _Trial(spline, residuals, triangle, projected)


def _placed_knots(x: Floats, y: Floats, smoothing: float, first: _Trial) -> tuple[Floats, _Trial]:
    """Inner knots at data points, as many as bring the error below `smoothing`."""
    order = first.spline.order
    every = x[order // 2 : x.size - order // 2]
    if smoothing <= 0:
        return every, _least_squares(x, y, every, order)
    trial, at, more, before = first, np.zeros(0, dtype=np.intp), 1, 0.0
    while trial.error - smoothing >= TOLERANCE * smoothing and at.size < every.size:
        if at.size:
            more = _how_many(more, trial.error - smoothing, before - trial.error, smoothing)
        before = trial.error
        at = _more_knots(at, trial.residuals, more, every.size)
        inner = x[at] if at.size < every.size else every
        trial = _least_squares(x, y, inner, order)
    return trial.spline.knots[order:-order], trial


def _how_many(last: int, excess: float, gained: float, smoothing: float) -> int:
    wanted = last * 2
    if gained > TOLERANCE * smoothing:
        wanted = int(last * excess / gained)
    return min(last * 2, max(wanted, last // 2, 1))


def _more_knots(at: NDArray[np.intp], residuals: Floats, more: int, most: int) -> NDArray[np.intp]:
    """`more` knots, each in the middle of the span whose residuals are largest."""
    borders = [0, *at.tolist(), residuals.size - 1]
    errors = _span_errors(borders, residuals)
    for _ in range(more):
        free = [high - low - 1 for low, high in pairwise(borders)]
        worst = _largest(errors, free)
        if worst is None or len(borders) - 2 >= most:
            break
        half = free[worst] // 2 + 1
        borders.insert(worst + 1, borders[worst] + half)
        error, points = errors[worst], free[worst]
        errors[worst] = error * (half - 1) / points
        errors.insert(worst + 1, error * (points - half) / points)
    return np.array(borders[1:-1], dtype=np.intp)


def _largest(errors: list[float], free: list[int]) -> int | None:
    """The span of largest error among those with a data point to put a knot at."""
    candidates = [i for i, points in enumerate(free) if points and errors[i] > 0]
    return max(candidates, key=lambda i: errors[i]) if candidates else None


def _span_errors(borders: list[int], residuals: Floats) -> list[float]:
    """Squared residuals of each span; those at a knot count half on both sides."""
    errors = []
    for i, (low, high) in enumerate(pairwise(borders)):
        last = i == len(borders) - 2
        inner = residuals[low + 1 : high].sum()
        left = residuals[low] if i == 0 else residuals[low] / 2
        errors.append(float(inner + left + (residuals[high] if last else residuals[high] / 2)))
    return errors


def _smoothed(x: Floats, y: Floats, smoothing: float, polynomial: float, last: _Trial) -> Spline:
    """Jumps penalised by 1/p², with p such that the error is `smoothing`."""
    tolerance = TOLERANCE * smoothing
    jumps = _jumps(last.spline.knots, last.spline.order)
    search = _Search(polynomial - smoothing, last.error - smoothing, tolerance)
    p = last.triangle.shape[0] / float(np.abs(np.diag(last.triangle)).sum())
    trial = last
    for _ in range(MOST_TRIALS):
        trial = _penalised(x, y, last, jumps, p)
        excess = trial.error - smoothing
        if abs(excess) < tolerance:
            break
        following = search.after(p, excess)
        if following is None:
            break
        p = following
    return trial.spline


def _penalised(x: Floats, y: Floats, last: _Trial, jumps: Floats, p: float) -> _Trial:
    order, knots = last.spline.order, last.spline.knots
    rows = np.concatenate([basis(x, knots, order), jumps / p])
    right = np.concatenate([y, np.zeros(len(jumps))])
    return _solved(x, y, knots, order, rows, right)


def _jumps(knots: Floats, order: int) -> Floats:
    """Jumps of each B-spline's highest derivative at the inner knots, (inner, splines)."""
    splines = knots.size - order
    inner = splines - order
    scale = (inner + 1) / (knots[splines] - knots[order - 1])
    jumps = np.zeros((inner, splines))
    for row in range(inner):
        for column in range(row, row + order + 1):
            around = knots[column : column + order + 1]
            away = knots[row + order] - around
            others = np.delete(away, row + order - column)
            product = np.prod(others) * scale ** (order - 1)
            jumps[row, column] = (around[-1] - around[0]) / product
    return jumps


class _Search:
    """The search for p: widen until the error is bracketed, then rational interpolation.

    `low` is a (p, excess) with too large an error, `high` one with too small.
    """

    def __init__(self, polynomial: float, least: float, tolerance: float) -> None:
        self.low = (0.0, polynomial)
        self.high = (-1.0, least)
        self.tolerance = tolerance
        self.low_known = False
        self.high_known = False

    def after(self, p: float, excess: float) -> float | None:
        """The p to try after `p` left `excess`; None if the search is stuck."""
        if not self.high_known:
            if excess - self.high[1] <= self.tolerance:
                return self._smaller(p, excess)
            self.high_known = excess < 0
        if not self.low_known:
            if self.low[1] - excess <= self.tolerance:
                return self._larger(p, excess)
            self.low_known = excess > 0
        if not self.high[1] < excess < self.low[1]:
            return None
        return self._between(p, excess)

    def _smaller(self, p: float, excess: float) -> float:
        self.high = (p, excess)
        smaller = p * 0.04
        return smaller if smaller > self.low[0] else 0.9 * self.low[0] + 0.1 * p

    def _larger(self, p: float, excess: float) -> float:
        self.low = (p, excess)
        larger = p / 0.04
        highest = self.high[0]
        return 0.1 * p + 0.9 * highest if 0 <= highest <= larger else larger

    def _between(self, p: float, excess: float) -> float:
        (p1, f1), (p3, f3) = self.low, self.high
        if p3 > 0:
            h1, h2, h3 = f1 * (excess - f3), excess * (f3 - f1), f3 * (f1 - excess)
            found = -(p1 * p * h3 + p * p3 * h1 + p3 * p1 * h2) / (p1 * h1 + p * h2 + p3 * h3)
        else:
            found = (p1 * (f1 - f3) * excess - p * (excess - f3) * f1) / ((f1 - excess) * f3)
        if excess < 0:
            self.high = (p, excess)
        else:
            self.low = (p, excess)
        return found
