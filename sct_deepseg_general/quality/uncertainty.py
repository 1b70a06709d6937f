"""Intervals for areas: from the image's border, the probability's edge, altered copies and rescans.

Two kinds. The absolute one is for the area itself: it holds the reference area, which labels and
published areas define. The one of repetition is for change over time: it holds the area of a
second scan of the same person, to which errors common to both scans do not belong.

The scale of the absolute one is, where the model's record says how (`border_scale.BorderScale`),
the perimeter of the cord times the mm by which its edge may lie off, which depend on where the
image has its border between cord and fluid. For other models it is the edge: the area between the
probabilities half-way from the threshold to 0 and to 1, to which the altered copies
(`test_time.views`) add how much the area varies between them.
No scale is an error by itself: factors in the model's record, fitted on labelled images, turn it
into an interval that holds the reference area as often as stated
(`benchmarks/quality/interval_coverage.py`). Without factors in the record they are 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.image.volume import Probability
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.region_interval import RegionInterval
from sct_deepseg_general.morphometry.soft_area import Surroundings
from sct_deepseg_general.quality.border_scale import BorderScale

__all__ = ["LEVEL", "Doubt", "IntervalFactors", "RegionFactors", "doubt", "with_interval"]

LEVEL = 0.9
"""How often an interval is meant to hold the reference area."""
FLOOR = 0.02
"""Share of the area that is always uncertain: where the edge falls between the voxels."""

EDGE_SHARE = 0.3
"""Weight of the edge where altered copies were segmented; from the labelled images."""

Floats = NDArray[np.float64]
Factors = tuple[float, float]


@dataclass(frozen=True)
class IntervalFactors:
    """Factors (below, above) by which an interval is wider than its scale in mm².

    `edge` is for images without altered copies, `views` for images with them; both are for single
    slices, and `regions` holds those of the mean over a region.
    """

    level: float = LEVEL
    edge: Factors = (1.0, 1.0)
    views: Factors = (1.0, 1.0)
    fitted: bool = False
    """Whether the factors come from labelled images."""
    repeat: float | None = None
    """How far, as a share of the mean area, that of a second scan lies off at most `level` of the
    time; from pairs of scans (`benchmarks/accuracy/repeatability.py`)."""
    repeat_edge: float | None = None
    """The edge's doubt, as a share of the area, in those pairs: where that of an image is larger,
    so is the interval."""
    regions: RegionFactors | None = None
    scale: BorderScale | None = None
    """What the factors multiply; None: the edge, and the views where there are some."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> IntervalFactors:
        """From the `intervals` of a model's record: "level", "edge", "views", perhaps "repeat",
        "regions" and "scale".

        Raises
        ------
        ModelError
            The record lacks one of the three, or its numbers are impossible.
        """
        if record is None:
            return cls()
        try:
            level = float(record["level"])
            (a, b), (c, d) = record["edge"], record["views"]
            edge, views = (float(a), float(b)), (float(c), float(d))
            repeat, known = _number(record.get("repeat")), _number(record.get("repeat_edge"))
            regions = RegionFactors.from_record(record.get("regions"))
            scale = BorderScale.from_record(record.get("scale"))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The model's record of intervals cannot be read: {error}.") from error
        if not 0 < level < 1 or min(*edge, *views, repeat or 0.0, known or 0.0) < 0 or known == 0:
            raise ModelError("The model's record of intervals holds impossible numbers.")
        return cls(level, edge, views, True, repeat, known, regions, scale)

    def repeat_share(self, edge: Floats, area: Floats) -> float | None:
        """How far, as a share, the mean area of a second scan of the same person would lie off.

        `edge` is the doubt and `area` the area (mm²) of every slice of the image, NaN without
        cord. None where the model's record does not say, or there is no cord.
        """
        if self.repeat is None or not np.isfinite(area).any():
            return None
        wider = 1.0
        if self.repeat_edge is not None:
            wider = max(1.0, float(np.nansum(edge) / np.nansum(area)) / self.repeat_edge)
        return self.repeat * wider

    def of_regions(self, views: bool) -> RegionInterval:
        """The interval of a region's mean, as a share of that of its slices."""
        if self.regions is None:
            return RegionInterval()
        slices, mean = (self.views, self.regions.views) if views else (self.edge, self.regions.edge)
        below, above = (m / s if s else 1.0 for m, s in zip(mean, slices, strict=True))
        return RegionInterval(below, above, self.regions.length)


@dataclass(frozen=True)
class RegionFactors:
    """The factors of `IntervalFactors` for the mean over a region of `length` mm or more."""

    length: float
    edge: Factors
    views: Factors

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> RegionFactors | None:
        """From "regions" of a model's record of intervals, if there is one.

        Raises
        ------
        ValueError
            The numbers are impossible; KeyError or TypeError where they are missing.
        """
        if record is None:
            return None
        (a, b), (c, d) = record["edge"], record["views"]
        found = cls(float(record["length"]), (float(a), float(b)), (float(c), float(d)))
        if found.length <= 0 or min(*found.edge, *found.views) < 0:
            raise ValueError("impossible numbers of regions")
        return found


@dataclass(frozen=True, eq=False)
class Doubt:
    """The uncertainty of the area (mm²) of every slice of the image, NaN without cord."""

    edge: Floats
    """Half the area between the probabilities half-way to 0 and half-way to 1."""
    views: Floats | None
    """Standard deviation of the area over the image and its altered copies."""
    agreement: tuple[float, ...] = ()
    """Dice of the mask and the mask of each altered copy, in and around it."""
    border: Floats | None = None
    """Where the image's border lies, mm outside the mask's edge (`border_scale.border_places`)."""

    @property
    def source(self) -> str:
        """What the interval is made from: "border", "edge" or "edge and views"."""
        if self.border is not None:
            return "border"
        return "edge" if self.views is None else "edge and views"

    def scale(self, area: Floats) -> Floats:
        """The scale in mm² of each slice's interval, for its `area` in mm²."""
        if self.views is not None:
            return np.asarray(EDGE_SHARE * self.edge + self.views + FLOOR * area)
        return np.asarray(self.edge + FLOOR * area)


def doubt(
    probability: Probability,
    around: Surroundings | None,
    table: Morphometrics,
    threshold: float,
    other: Iterable[Probability] = (),
) -> Doubt:
    """The uncertainty of the areas (mm²) of `table`, slice by slice.

    `probability` (x, y, z; 0 to 1) and its `threshold` gave the mask, `around` are the
    `soft_area.surroundings` of that mask (None: no cord), and `other` the probabilities of altered
    copies of the image.

    Raises
    ------
    ImageError
        The volumes do not belong together.
    """
    if around is None:
        nothing = np.full(len(table.shapes), np.nan)
        return Doubt(nothing, None)
    values = around.values(probability)
    wide, narrow = (around.area(values >= at) for at in (threshold / 2, (1 + threshold) / 2))
    masks = [around.values(one) >= threshold for one in other]
    if not masks:
        return Doubt((wide - narrow) / 2, None)
    areas = np.stack([around.area(one) for one in (values >= threshold, *masks)])
    agreement = tuple(_dice(around, one) for one in masks)
    return Doubt((wide - narrow) / 2, areas.std(axis=0), agreement)


def with_interval(table: Morphometrics, doubted: Doubt, factors: IntervalFactors) -> Morphometrics:
    """Add an interval to the area of every slice.

    Parameters
    ----------
    table : Morphometrics
        The shape of every slice of the image; areas in mm².
    doubted : Doubt
        The uncertainty of each area, from `doubt`.
    factors : IntervalFactors
        How much wider the interval is, from the model's record.

    Returns
    -------
    Morphometrics
        The table with `area_lower` and `area_upper` in mm², never below 0, and how the intervals
        of regions follow.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.image import nifti
    >>> from sct_deepseg_general.morphometry.morphometrics import measure
    >>> table = measure(nifti.load_segmentation(Path("t2_seg.nii.gz")))
    >>> edge = Doubt(edge=np.full(len(table.shapes), 2.0), views=None)
    >>> table = with_interval(table, edge, IntervalFactors())
    >>> z = table.slices[0]
    >>> bool(table.area_lower[z] < table.area[z] < table.area_upper[z])
    True
    """
    area, scale = table.area, _scale(table.area, doubted, factors)
    below, above = factors.edge if doubted.views is None else factors.views
    held = table.with_interval(np.maximum(area - below * scale, 0), area + above * scale)
    return replace(
        held,
        regions=factors.of_regions(doubted.views is not None),
        repeat=factors.repeat_share(doubted.edge, area),
    )


def _scale(area: Floats, doubted: Doubt, factors: IntervalFactors) -> Floats:
    if factors.scale is None:
        return doubted.scale(area)
    border = np.full(area.shape, np.nan) if doubted.border is None else doubted.border
    return factors.scale.of(area, border)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _dice(around: Surroundings, mask: NDArray[np.bool_]) -> float:
    held = mask & around.near
    return float(2 * (held & around.mask).sum() / (held.sum() + around.mask.sum()))
