"""One definition of the cord's edge for labels that were drawn by different people.

The edge is that of the field's reference areas: `EDGE` mm inside the place where the intensity is
half-way from cord to fluid, in the median over the slices of an image. Where a person's areas
are known the label's edge is moved so that its areas agree with them, smoothly along the cord;
elsewhere it is moved as a whole to the place that the definition asks for. The label is moved in
the plane and along its own normal, so that its shape stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.morphometry.border import half_way
from sct_deepseg_general.morphometry.contours import Contour

__all__ = ["EDGE", "LONGEST", "offset_by_rule", "offsets_by_areas", "smoothed"]

EDGE = 0.33
"""Millimetres inside the half-way point: the mean over the people with published areas (C2 to T2 of
three T2w images of 1 mm: 0.34, 0.23 and 0.42), `benchmarks/training/harmonise_labels.py`."""
LONGEST = 1.0
"""An edge that would have to move further (mm) is of another object, or that is no border."""
SMOOTHING = 5.0
"""Standard deviation in mm along the cord over which offsets by areas are averaged."""

Floats = NDArray[np.float64]


def offset_by_rule(contour: Contour, image: Volume, edge: float = EDGE) -> float:
    """How far outward (mm) a whole label must be moved to lie `edge` mm inside the half-way point.

    Raises
    ------
    DatasetError
        The image has no such border, or it is further than `LONGEST` away.
    """
    places = half_way(contour, image)
    offset = float(np.nanmedian(places)) - edge if np.isfinite(places).any() else float("nan")
    if not abs(offset) <= LONGEST:
        raise DatasetError(
            f"The label's edge would have to move by {offset:.1f} mm, more than {LONGEST:g} mm, to "
            "lie on the border between cord and fluid: use another contrast of the same person, or "
            "leave the label as it is."
        )
    return offset


def offsets_by_areas(contour: Contour, areas: Floats, smoothing: float = SMOOTHING) -> Floats:
    """How far outward (mm) each slice's edge must be moved for the label to have `areas`.

    `areas`, shape (slices,), are mm² in the image's slices (not perpendicular to the cord), NaN
    where unknown. The offsets, of the same shape, are averaged along the cord with a Gaussian of
    `smoothing` mm, which also fills in the slices between and beyond the known ones.

    `areas` are mm² in the image's slices (not perpendicular to the cord), NaN where unknown; the
    offsets are averaged along the cord with a Gaussian of `smoothing` mm, which also fills in
    the slices between and beyond the known ones.

    Raises
    ------
    DatasetError
        No slice of the label has a known area within reach.
    """
    offsets = contour.offsets(areas)
    if not np.isfinite(offsets).any():
        raise DatasetError("No slice of the label has an area that its edge could be moved to.")
    return smoothed(offsets, smoothing / contour.grid.spacing[2])


def smoothed(values: Floats, sigma: float) -> Floats:
    """Gaussian average, of the same shape (n,), of the finite values along their axis; `sigma` in
    slices.

    Far from any known value it is that of the nearest one.
    """
    known = np.isfinite(values)
    weight = ndimage.gaussian_filter1d(known.astype(float), sigma, mode="nearest")
    total = ndimage.gaussian_filter1d(np.where(known, values, 0.0), sigma, mode="nearest")
    reached = weight > 1e-3
    at = np.arange(values.size)
    return np.asarray(np.interp(at, at[reached], total[reached] / weight[reached]))
