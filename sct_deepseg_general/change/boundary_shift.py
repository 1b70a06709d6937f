"""The boundary shift integral of the cord: change of area from the intensities at its edge.

In each image a voxel's intensity between that of the cord inside and that of what surrounds it
says what share of the voxel is cord. The shares are added in a band around the edge; the
difference of the two sums is the change of area. The band is the same in both images, and comes
from both segmentations, so neither is preferred. After Freeborough and Fox (IEEE Transactions on
Medical Imaging 1997, 10.1109/42.640753) and its generalisation to the cord's soft edge by Prados
and others (Scientific Reports 2020, 10.1038/s41598-020-74248-x); own implementation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Probability, Volume

__all__ = ["Shift", "boundary_shift"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BAND = (-1.5, 1.0)
"""The band around the mean edge, from inside to outside (mm): the cord's edge, but not the outer
border of the fluid, which stays where it is.
"""
RING = 3.0
"""How far beyond the edge (mm) what surrounds the cord is looked at."""
CORE = 1.0
"""How far inside the edge (mm) the cord's own intensity is taken from."""
SMOOTH = 2.0
"""Standard deviation (mm) within which intensities are averaged, in the slice and along."""
LEAST_CONTRAST = 0.15
"""Contrast of cord and surroundings, over the cord's intensity spread, below which a slice's
edge is not to be trusted."""


@dataclass(frozen=True, eq=False)
class Shift:
    """Change of area in mm² (second minus first) of every slice, NaN where it is not known."""

    change: Floats


def boundary_shift(
    first: Volume, second: Volume, probabilities: tuple[Probability, Probability]
) -> Shift:
    """The change of area from the first to the second image, on one grid, slice by slice.

    Parameters
    ----------
    first, second
        The images; the third axis is along the cord.
    probabilities
        The probability of cord in each, on the same grid.
    """
    mean = (probabilities[0].data.astype(np.float64) + probabilities[1].data) / 2
    pitch = first.grid.spacing
    distance = _signed_distance(mean >= 0.5, pitch)
    band = (distance >= BAND[0]) & (distance <= BAND[1])
    shares = [_share(np.asarray(i.data, np.float64), distance, pitch) for i in (first, second)]
    known = np.isfinite(shares[0]) & np.isfinite(shares[1]) & band
    areas = [np.where(known, share, 0).sum(axis=(0, 1)) * pitch[0] * pitch[1] for share in shares]
    complete = known.sum(axis=(0, 1)) > 0.8 * np.maximum(band.sum(axis=(0, 1)), 1)
    change = np.where(complete, areas[1] - areas[0], np.nan)
    return Shift(np.asarray(change))


def _share(image: Floats, distance: Floats, pitch: tuple[float, float, float]) -> Floats:
    """The share of cord in each voxel by its intensity, 0 to 1; NaN where it cannot be told."""
    core = distance <= -CORE
    ring = (distance >= CORE) & (distance <= RING)
    inside, outside = (_local_mean(image, region, pitch) for region in (core, ring))
    contrast = inside - outside
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((image - outside) / contrast, 0, 1)
    spread = image[core].std() if core.any() else np.inf
    return np.where(np.abs(contrast) > LEAST_CONTRAST * spread, share, np.nan)


def _local_mean(image: Floats, region: Mask, pitch: tuple[float, float, float]) -> Floats:
    """The mean of a region's values near each voxel, weighted by a Gaussian."""
    from scipy import ndimage

    widths = [SMOOTH / p for p in pitch]
    weight = ndimage.gaussian_filter(region.astype(np.float64), widths, truncate=6)
    total = ndimage.gaussian_filter(np.where(region, image, 0), widths, truncate=6)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight > 1e-9, total / weight, np.nan)


def _signed_distance(mask: Mask, pitch: tuple[float, float, float]) -> Floats:
    """Distance (mm) to the edge in each slice, negative inside."""
    from scipy import ndimage

    result = np.full(mask.shape, np.inf)
    for z in np.flatnonzero(mask.any(axis=(0, 1))):
        plane = mask[:, :, z]
        outside = ndimage.distance_transform_edt(~plane, sampling=pitch[:2])
        inside = ndimage.distance_transform_edt(plane, sampling=pitch[:2])
        half = pitch[0] / 2
        result[:, :, z] = np.where(plane, half - inside, outside - half)
    return result
