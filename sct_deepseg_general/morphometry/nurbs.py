"""A B-spline curve in space through a centreline, with as many control points as help.

The construction is the one behind SCT's `-centerline-algo nurbs` (De Leener et al., Medical
Image Analysis 2016): least squares on chord-length parameters for 4 to 49 control points,
keeping the number with the smallest error, then 3000 points even in arc length, averaged
slice by slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometry.bspline import basis, slope_basis

__all__ = ["NurbsCurve", "fitted"]

ORDER = 4
MOST_CONTROL_POINTS = 50
TOLERANCE = 0.01
MOST_SHIFTS = 10000
COARSE_POINTS = 1000
FINE_POINTS = 3000

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NurbsCurve:
    """Position (voxels) and slope (voxels per slice) of the curve at every slice."""

    x: Floats
    y: Floats
    dx: Floats
    dy: Floats


@dataclass(frozen=True, eq=False)
class _Sampled:
    """Points and derivatives, arrays (n, 3)."""

    points: Floats
    slopes: Floats


class _UnstableError(Exception):
    """The number of control points gives no usable curve."""


def fitted(x: Floats, y: Floats, z: Floats) -> NurbsCurve:
    """The curve near the points (x, y, z), one for each slice z, z ascending by one.

    Raises
    ------
    ImageError
        Fewer than six slices, or no stable fit.
    """
    points = np.stack([x, y, z], axis=1)
    if len(points) < ORDER + 2:
        raise ImageError(
            f"The nurbs centreline needs {ORDER + 2} slices of cord and the mask has "
            f"{len(points)}: choose bspline, polyfit or linear."
        )
    controls = _best_controls(points)
    curve = _per_slice(_even_in_length(controls))
    kept = np.isin(np.round(curve.points[:, 2]), z)
    points, slopes = curve.points[kept], curve.slopes[kept]
    if len(points) != len(z):
        raise ImageError("The nurbs centreline does not reach every slice: choose bspline.")
    return NurbsCurve(
        points[:, 0], points[:, 1], slopes[:, 0] / slopes[:, 2], slopes[:, 1] / slopes[:, 2]
    )


def _best_controls(points: Floats) -> Floats:
    """Control points (n, 3): one more until the error settles; the number that erred least."""
    weights = _weights(points)
    best, least = None, np.inf
    errors = [0.0, 0.0, 1000.0]
    for number in range(ORDER + 1, min(len(points) - 1, MOST_CONTROL_POINTS) + 1):
        if _settled(errors):
            break
        try:
            controls = _least_squares(points, weights, number)
            error = _error(_per_slice(_evenly_sampled(controls, COARSE_POINTS)), points)
        except (_UnstableError, np.linalg.LinAlgError):
            errors.append(errors[-1] + 10000.0)
            continue
        errors.append(error)
        if error < least:
            best, least = controls, error
    if best is None:
        raise ImageError("The nurbs centreline does not fit this mask: choose bspline.")
    return best


def _settled(errors: list[float]) -> bool:
    before, last, now = errors[-3:]
    return (
        abs(now - last) <= TOLERANCE
        and abs(now - before) <= TOLERANCE
        and now <= last
        and now <= before
    )


def _weights(points: Floats) -> Floats:
    """Mean distance to the neighbours; the ends have their neighbours' weight."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    inner = (steps[:-1] + steps[1:]) / 2
    return np.concatenate([inner[:1], inner, inner[-1:]])


def _least_squares(points: Floats, weights: Floats, number: int) -> Floats:
    """`number` - 1 control points (n, 3) whose curve is near `points`."""
    parameters = _chord_parameters(points)
    rows = basis(parameters, _knots(parameters, number), ORDER)[:-1]
    weights = weights[:-1]
    remaining = points[:-1] - rows[:, -1:] * points[-1] - rows[:, :1] * points[0]
    total = rows.sum(axis=1, keepdims=True)
    design = rows[:, :-1] / total
    normal = design.T @ (weights[:, None] * design)
    moments = design.T @ (weights[:, None] * remaining)
    controls = np.linalg.pinv(normal) @ moments
    controls[0], controls[-1] = points[0], points[-1]
    spread, allowed = controls.std(axis=0), 10 * points.std(axis=0)
    if (points.std(axis=0) >= 0.1).all() and (spread > allowed).any():
        raise _UnstableError
    return np.asarray(controls)


def _chord_parameters(points: Floats) -> Floats:
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps / steps.sum())])


def _knots(parameters: Floats, number: int) -> Floats:
    """Even knots in [0, 1], shifted towards the data until every span holds a parameter."""
    inner = number - ORDER
    even = np.arange(1, inner + 1) / inner
    share = (parameters.size + 1) / (inner + 1)
    positions = np.arange(1, inner + 1) * share
    index = positions.astype(int)
    part = positions - index
    dense = (1 - part) * parameters[index - 1] + part * parameters[index]
    knots = even
    for _ in range(MOST_SHIFTS):
        if _every_span_filled(_clamped(knots, 1.0), parameters):
            return _clamped(knots, 1.0)
        knots = knots + 0.1 * (dense - even)
        if knots.min() < 0 or knots.max() > 1:  # nor would it come back
            break
    raise _UnstableError


def _every_span_filled(knots: Floats, parameters: Floats) -> bool:
    for low, high in pairwise(knots):
        if low != high and not ((low <= parameters) & (parameters <= high)).any():
            return False
    return True


def _clamped(inner: Floats, last: float) -> Floats:
    return np.concatenate([np.zeros(ORDER), inner, np.full(ORDER, last)])


def _curve_knots(controls: Floats) -> Floats:
    """Knots of the curve from the lengths of the control polygon."""
    steps = np.linalg.norm(np.diff(controls, axis=0), axis=1)
    inner = len(controls) - ORDER
    order = np.arange(1, inner + 1)
    chords = steps[1 : inner + 1]
    knots = (order * chords + (inner + 1) * np.cumsum(chords)) / steps.sum()
    return _clamped(knots, inner + 1.0)


def _evenly_sampled(controls: Floats, number: int) -> _Sampled:
    knots = _curve_knots(controls)
    return _sampled(controls, knots, np.linspace(knots[0], knots[-1], number))


def _even_in_length(controls: Floats) -> _Sampled:
    knots = _curve_knots(controls)
    steps = np.linalg.norm(np.diff(_evenly_sampled(controls, FINE_POINTS).points, axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(steps / steps.sum())])
    even = np.linspace(0.0, 1.0, FINE_POINTS)
    at = knots[0] + (knots[-1] - knots[0]) * np.interp(even, length, even)
    return _sampled(controls, knots, at)


def _sampled(controls: Floats, knots: Floats, at: Floats) -> _Sampled:
    """The curve at `at`, ordered by z."""
    values = basis(at, knots, ORDER)
    total = values.sum(axis=1, keepdims=True)
    if (total <= 0.05).any():
        raise _UnstableError
    points = values @ controls / total
    slopes = slope_basis(at, knots, ORDER) @ controls
    order = np.argsort(points[:, 2])
    return _Sampled(points[order], slopes[order])


def _per_slice(curve: _Sampled) -> _Sampled:
    """Means over the points nearest to each slice; a slice without any lies between two."""
    z = np.round(curve.points[:, 2]).astype(int)
    slices = np.arange(z[0], z[-1] + 1)
    count = np.bincount(z - z[0], minlength=slices.size)[:, None]
    both = np.concatenate([curve.points, curve.slopes], axis=1)
    sums = np.stack([np.bincount(z - z[0], v, slices.size) for v in both.T], axis=1)
    with np.errstate(invalid="ignore"):
        means = sums / count
    for empty in np.flatnonzero(count[:, 0] == 0):
        means[empty] = _between(both, z, slices[empty])
    return _Sampled(np.column_stack([means[:, :2], slices]), means[:, 3:])


def _between(values: Floats, z: NDArray[np.int64], missing: int) -> Floats:
    after = int(np.searchsorted(z, missing))
    return np.asarray((values[after - 1] + values[after]) / 2)


def _error(curve: _Sampled, points: Floats) -> float:
    """Mean squared distance from the points to the nearest point of the curve."""
    apart = points[:, None, :] - curve.points[None, :, :]
    return float((apart**2).sum(axis=2).min(axis=1).mean())
