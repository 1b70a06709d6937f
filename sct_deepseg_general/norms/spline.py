"""Restricted cubic splines: cubic between the knots, linear beyond the outer ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["columns"]

Floats = NDArray[np.float64]


def columns(x: ArrayLike, knots: Sequence[float]) -> Floats:
    """The basis of a restricted cubic spline without its constant, at positions such as ages in
    years.

    Parameters
    ----------
    x
        Positions, shape (n,), in any unit.
    knots
        At least three positions in ascending order, in the unit of `x`.

    Returns
    -------
    numpy.ndarray
        Shape (n, len(knots) - 1): `x` itself relative to the first knot, then the
        truncated cubic terms, all divided by the distance of the outer knots.

    Notes
    -----
    The truncated power basis of Stone and Koo, as in Harrell, Regression Modeling
    Strategies, 2nd edition, section 2.4.5.
    """
    at = np.asarray(x, np.float64)
    k = np.asarray(knots, np.float64)
    span, last = k[-1] - k[0], k[-1] - k[-2]
    cubes = np.maximum(at[:, None] - k, 0) ** 3
    terms = (
        cubes[:, :-2]
        - cubes[:, -2:-1] * (k[-1] - k[:-2]) / last
        + cubes[:, -1:] * (k[-2] - k[:-2]) / last
    )
    return np.column_stack([(at - k[0]) / span, terms / span**3])
