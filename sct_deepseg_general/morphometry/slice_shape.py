"""The shape of the cord in one axial slice: area, diameters, ellipse, solidity.

Rows run from right to left, columns from back to front; everything is measured on the fine
pixels of `fine_slice`, by SCT's definitions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.morphometry.ellipse import Ellipse, ellipse_of, moments_of
from sct_deepseg_general.morphometry.fine_slice import PITCH, FineSlice, turned

__all__ = ["SliceShape", "shape_of"]

DIAMETER_BAND = 15
"""Half the width, in fine pixels, of the 3 mm band that the AP diameter is averaged over."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SliceShape:
    """The cord in one slice; lengths in mm, areas in mm², angles in degrees.

    `angle_ap` and `angle_rl` are the centreline's angles about the AP and the RL axis.
    `diameter_ap` is the mean over a 3 mm wide band through the centre, along the cord's own AP
    axis, the sum of `length_anterior` and `length_posterior`; `diameter_ap_ellipse` and
    `diameter_rl` are axes of the ellipse of equal second moments, `orientation` its direction.
    `solidity` is the area over that of the convex hull; `length` the slice's thickness along
    the centreline. Shape is NaN where no fine pixel is more than half filled.
    """

    area: float
    angle_ap: float
    angle_rl: float
    diameter_ap: float
    diameter_ap_ellipse: float
    diameter_rl: float
    length_anterior: float
    length_posterior: float
    eccentricity: float
    orientation: float
    solidity: float
    length: float


@dataclass(frozen=True)
class _Form:
    """What is measured on the pixels that are more than half filled."""

    across: float
    front: float
    anterior: float
    posterior: float
    eccentricity: float
    orientation: float
    solidity: float


_NO_FORM = _Form(*[math.nan] * 7)


def shape_of(fine: FineSlice, angles: tuple[float, float], thickness: float) -> SliceShape:
    """All measures of one slice; `angles` about AP and RL in radians, `thickness` in mm."""
    about_ap, about_rl = angles
    inside = fine.values > 0.5
    form = _form(fine, inside) if inside.any() else _NO_FORM
    return SliceShape(
        area=fine.area,
        angle_ap=math.degrees(about_ap),
        angle_rl=math.degrees(about_rl),
        diameter_ap=form.posterior + form.anterior,
        diameter_ap_ellipse=form.front,
        diameter_rl=form.across,
        length_anterior=form.anterior,
        length_posterior=form.posterior,
        eccentricity=form.eccentricity,
        orientation=form.orientation,
        solidity=form.solidity,
        length=thickness / (math.cos(about_ap) * math.cos(about_rl)),
    )


def _form(fine: FineSlice, inside: NDArray[np.bool_]) -> _Form:
    ellipse = ellipse_of(moments_of(inside, fine.start))
    major, minor = ellipse.major * PITCH, ellipse.minor * PITCH
    along_rows = abs(ellipse.orientation) < math.pi / 4
    anterior, posterior = _anterior_posterior(fine, ellipse)
    return _Form(
        across=major if along_rows else minor,
        front=minor if along_rows else major,
        anterior=anterior,
        posterior=posterior,
        eccentricity=ellipse.eccentricity,
        orientation=math.degrees(ellipse.orientation),
        solidity=_solidity(inside),
    )


def _anterior_posterior(fine: FineSlice, ellipse: Ellipse) -> tuple[float, float]:
    """Lengths in mm from the centre to the front and to the back, along the cord's AP axis."""
    straight = turned(fine, ellipse.centre, -ellipse.orientation)
    moments = moments_of(straight.values > 0.5, straight.start)
    if not moments.count:
        return math.nan, math.nan
    middle, split = (round(value) for value in moments.centre)
    first = max(0, middle - DIAMETER_BAND)
    last = min(straight.extent[0], middle + DIAMETER_BAND)
    top, left = straight.start
    band = straight.values[max(0, first - top) : max(0, last - top)]
    profile = band.sum(axis=0) / (last - first) * PITCH
    return float(profile[split - left :].sum()), float(profile[: split - left].sum())


def _solidity(inside: NDArray[np.bool_]) -> float:
    """Pixels over the pixels whose centre lies in the convex hull of the pixels' edge midpoints."""
    rows = np.flatnonzero(inside.any(axis=1))
    filled = inside[rows[0] : rows[-1] + 1]
    width = inside.shape[1]
    held = filled.any(axis=1)
    first = np.where(held, filled.argmax(axis=1), np.inf)
    last = np.where(held, filled[:, ::-1].argmax(axis=1) + 1 - width, np.inf)
    hull = np.floor(1e-9 - _convex_below(last)) - np.ceil(_convex_below(first) - 1e-9) + 1
    return float(filled.sum() / hull.sum())


def _convex_below(edges: Floats) -> Floats:
    """The greatest convex curve below the edge midpoints of pixels, one a row; inf where none."""
    between = np.minimum(np.append(edges, np.inf), np.append(np.inf, edges))
    heights = np.empty(2 * edges.size + 1)
    heights[::2], heights[1::2] = between, edges - 0.5
    corners, here = [0], 0
    steps = np.arange(1, heights.size, dtype=np.float64)
    while here < heights.size - 1:
        slopes = (heights[here + 1 :] - heights[here]) / steps[: heights.size - 1 - here]
        here += slopes.size - int(slopes[::-1].argmin())
        corners.append(here)
    at = np.arange(1, heights.size, 2)
    return np.asarray(np.interp(at, corners, heights[corners]))
