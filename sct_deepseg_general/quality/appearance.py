"""Intensities and probabilities in and around a mask, as a few numbers.

A mask in the wrong place, or an image unlike those of the training, differs here even if the
mask itself has the shape of a cord.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Array, Box, Grid, Probability, Segmentation, Volume

__all__ = ["Appearance", "CoarseOverlap", "appearance", "coarse_overlap", "longest_above"]

REACH = 4.0
"""mm around the mask that are its surroundings; also what a coarse mask may be off by."""

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Appearance:
    """Numbers that do not depend on contrast and scanner, medians over the slices with cord."""

    confidence: float
    """Mean probability inside the mask, 0 to 1."""
    entropy: float
    """Mean entropy (bits) of the probability within 2 mm of the outline."""
    evenness: float
    """Standard deviation inside over that of the surroundings."""
    flatness: float
    """Extent from front to back over that from side to side (of the second moments)."""
    in_plane: float
    """Voxel size in the slice, mm; the larger one."""

    coarse: float = np.nan
    """Mean coarse probability inside the first detection of the cord, 0 to 1."""
    along: Mapping[int, float] = field(default_factory=dict)
    """The evenness of each slice with cord, from the lowest up."""

    def numbers(self) -> dict[str, float]:
        """The numbers of the whole result by the names of the fields, each in its field's unit (0
        to 1, a ratio, bits or mm).
        """
        names = (one.name for one in fields(self) if one.name != "along")
        return {name: float(getattr(self, name)) for name in names}

    def unusual(self, typical: Mapping[str, tuple[float, float]]) -> dict[str, float]:
        """The numbers outside of the ranges (low, high) in `typical`, by name; both have the units
        of `numbers` (0 to 1, ratios, bits, mm).
        """
        own = self.numbers()
        return {
            name: own[name]
            for name, (low, high) in typical.items()
            if np.isfinite(own.get(name, np.nan)) and not low <= own[name] <= high
        }


def appearance(image: Volume, probability: Probability, segmentation: Segmentation) -> Appearance:
    """The numbers for a result with cord: image, probability (0 to 1) and mask (x, y, z) on one
    grid.
    """
    mask = segmentation.reoriented(AXES).data > 0
    spacing = segmentation.grid.reoriented(AXES).spacing
    intensity, sure = image.reoriented(AXES).data, probability.reoriented(AXES).data
    slices, numbers = [], np.flatnonzero(mask.any(axis=(0, 1)))
    for z in numbers:
        x, y, _ = _box(mask[:, :, z : z + 1], spacing).slices
        slices.append(_slice(mask[x, y, z], intensity[x, y, z], sure[x, y, z], spacing))
    entropy, evenness, flatness = (
        float(np.median(column[np.isfinite(column)])) if np.isfinite(column).any() else np.nan
        for column in np.array(slices).T
    )
    along = {int(z): one[1] for z, one in zip(numbers, slices, strict=True)}
    confidence, in_plane = float(sure[mask].mean()), max(spacing[:2])
    return Appearance(confidence, entropy, evenness, flatness, in_plane, along=along)


def longest_above(along: Mapping[int, float], limit: float, width: int) -> tuple[int, ...]:
    """The longest stretch of slices whose running median over `width` slices exceeds `limit`.

    `along` holds a value for each slice number, from the lowest up.
    """
    from scipy.ndimage import median_filter

    values = np.nan_to_num(np.array(list(along.values()), np.float64))
    above = median_filter(values, max(1, width), mode="nearest") > limit
    runs = groupby(zip(along, above, strict=True), key=itemgetter(1))
    stretches = (tuple(number for number, _ in run) for high, run in runs if high)
    return max(stretches, key=len, default=())


@dataclass(frozen=True)
class CoarseOverlap:
    """A mask compared with the first detection of the cord."""

    detected: float
    """Share of the mask that lies within `REACH` mm of the coarse mask."""
    covered: float
    """Share of the coarse mask that lies within `REACH` mm of the mask."""
    volume: float
    """Volume of the mask divided by that of the coarse mask."""


def coarse_overlap(segmentation: Segmentation, coarse: Volume) -> CoarseOverlap:
    """Compare a mask (x, y, z) that holds cord with the mask of the first detection, which has
    a grid of its own.
    """
    from scipy.ndimage import distance_transform_edt

    upright = segmentation.reoriented(AXES)
    grid, mask = upright.grid, upright.data > 0
    detected = Volume((coarse.data > 0).astype(np.uint8), coarse.grid).reoriented(AXES)
    other = detected.resampled_to(grid, order=0).data > 0
    part = _box(mask | other, grid.spacing).slices
    mask, other = mask[part], other[part]

    def near(of: Mask) -> Mask:
        far = distance_transform_edt(~of, sampling=grid.spacing)
        return np.asarray(far <= max(REACH, *coarse.grid.spacing))

    volume = mask.sum() * _voxel(grid)
    coarse_volume = detected.data.sum() * _voxel(coarse.grid)
    if not mask.any() or not other.any():
        return CoarseOverlap(0.0, 0.0, float(volume / coarse_volume) if coarse_volume else np.inf)
    return CoarseOverlap(
        detected=float((mask & near(other)).sum() / mask.sum()),
        covered=float((other & near(mask)).sum() / other.sum()),
        volume=float(volume / coarse_volume),
    )


def _voxel(grid: Grid) -> float:
    """A voxel's volume in mm³."""
    return float(np.prod(grid.spacing))


def _box(mask: Mask, spacing: Spacing) -> Box:
    """The part of an array (x, y, z) that holds a mask and its surroundings; `spacing` in mm."""
    whole = Grid(mask.shape, np.eye(4)).box
    box = Box.around(mask) or whole
    return box.grown([int(np.ceil((REACH + 1) / mm)) for mm in spacing], whole.stop)


def _slice(mask: Mask, intensity: Array, sure: Array, spacing: Spacing) -> tuple[float, ...]:
    """Entropy, evenness and flatness of one slice."""
    from scipy.ndimage import distance_transform_edt

    far = distance_transform_edt(~mask, sampling=spacing[:2])
    deep = distance_transform_edt(mask, sampling=spacing[:2])
    shell = sure[(far <= 2) & (deep <= 2)].astype(np.float64)
    inside = intensity[deep > min(1.0, 0.6 * deep.max())].astype(np.float64)
    around = intensity[(far > 0.5) & (far <= REACH)].astype(np.float64)
    evenness = inside.std() / around.std() if around.size and around.std() else np.nan
    return _entropy(shell), float(evenness), _flatness(mask, spacing)


def _entropy(sure: NDArray[np.float64]) -> float:
    p = np.clip(sure, 1e-6, 1 - 1e-6)
    return float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean())


def _flatness(mask: Mask, spacing: Spacing) -> float:
    x, y = (places * size for places, size in zip(np.nonzero(mask), spacing, strict=False))
    width, depth = (np.sqrt(v.var() + s**2 / 12) for v, s in ((x, spacing[0]), (y, spacing[1])))
    return float(depth / width)
