"""Intervals for areas: from the probability's edge, from other views, from pairs of scans.

The edge alone costs nothing: how much area lies between the probabilities half-way from the
threshold to 0 and to 1. The views (see `views`) add how far the area moves when the image is
seen otherwise. Neither is an error by itself: a model's record holds the factors, fitted on
labelled images, that make of them an interval which holds the reference area as often as it
says (`benchmarks/quality/interval_coverage.py`). Without factors in the record they are 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.image.volume import Probability
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.soft_area import Surroundings

__all__ = ["LEVEL", "Doubt", "IntervalFactors", "doubt", "with_interval"]

LEVEL = 0.9
"""How often an interval is meant to hold the reference area."""
FLOOR = 0.02
"""Share of the area that is always in doubt: where the edge falls between the voxels."""

EDGE_SHARE = 0.3
"""What is left of the edge's doubt where the views say theirs; from the labelled images."""

Floats = NDArray[np.float64]
Factors = tuple[float, float]


@dataclass(frozen=True)
class IntervalFactors:
    """How many times its scale an interval reaches below and above the area.

    `edge` is for the scale from the edge alone, `views` for that from edge and views.
    """

    level: float = LEVEL
    edge: Factors = (1.0, 1.0)
    views: Factors = (1.0, 1.0)
    fitted: bool = False
    """Whether the factors come from labelled images."""
    repeat: float | None = None
    """How far, as a share of the mean area, that of a second scan lies off at most `level` of the
    time; from pairs of scans (`benchmarks/accuracy/repeatability.py`)."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> IntervalFactors:
        """The `intervals` of a model's record, {"level", "edge", "views"} and maybe "repeat".

        Raises:
            ModelError: the record is not like that.
        """
        if record is None:
            return cls()
        try:
            level = float(record["level"])
            (a, b), (c, d) = record["edge"], record["views"]
            edge, views = (float(a), float(b)), (float(c), float(d))
            repeat = None if record.get("repeat") is None else float(record["repeat"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The model's record of intervals cannot be read: {error}.") from error
        if not 0 < level < 1 or min(*edge, *views, repeat or 0.0) < 0:
            raise ModelError("The model's record of intervals holds impossible numbers.")
        return cls(level, edge, views, fitted=True, repeat=repeat)

    def repeated(self, area: float) -> tuple[float, float] | None:
        """Where the mean area (mm²) of a second scan of the same person would lie; None where the
        model's record does not say.
        """
        if self.repeat is None:
            return None
        return area * (1 - self.repeat), area * (1 + self.repeat)


@dataclass(frozen=True, eq=False)
class Doubt:
    """What may be wrong with the area of every slice of the image, in mm², NaN without cord."""

    edge: Floats
    """Half the area between the probabilities half-way to 0 and half-way to 1."""
    views: Floats | None
    """Standard deviation of the area over the views, the image itself being one of them."""
    agreement: tuple[float, ...] = ()
    """Dice of the mask and what each other view gives in and around it."""

    def scale(self, area: Floats) -> Floats:
        """What an interval's reach is a multiple of, in mm²."""
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
    """How far the areas of `table` are in doubt.

    `around` are the `soft_area.surroundings` of the mask that was measured (None: no cord), and
    `other` the probabilities in other views of the image.

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
    seen = [around.values(one) >= threshold for one in other]
    if not seen:
        return Doubt((wide - narrow) / 2, None)
    areas = np.stack([around.area(one) for one in (values >= threshold, *seen)])
    agreement = tuple(_dice(around, one) for one in seen)
    return Doubt((wide - narrow) / 2, areas.std(axis=0), agreement)


def with_interval(table: Morphometrics, doubted: Doubt, factors: IntervalFactors) -> Morphometrics:
    """The table with an interval for the area of every slice, never below 0."""
    area, scale = table.area, doubted.scale(table.area)
    below, above = factors.edge if doubted.views is None else factors.views
    return table.with_interval(np.maximum(area - below * scale, 0), area + above * scale)


def _dice(around: Surroundings, seen: NDArray[np.bool_]) -> float:
    held = seen & around.near
    return float(2 * (held & around.mask).sum() / (held.sum() + around.mask.sum()))
