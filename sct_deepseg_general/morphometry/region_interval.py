"""The interval of a mean area over a region, from the intervals of its slices.

Errors of the slices of one image have a common part, which stays in the mean, and a part that
changes along the cord, which does not. So the interval of the mean is narrower than those of the
slices: how much is measured on labelled images (`benchmarks/quality/interval_coverage.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SLICES", "RegionInterval"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RegionInterval:
    """How far the interval of the mean over a region reaches, as a share of that of its slices.

    `below` and `above` hold from `length` mm of cord on; for shorter regions the shares go
    linearly to 1, that of a single slice.
    """

    below: float = 1.0
    above: float = 1.0
    length: float = 1.0

    def ends(self, area: Floats, lower: Floats, upper: Floats, mm: float) -> tuple[float, float]:
        """The interval (mm²) of the mean `area` of slices that hold `mm` of cord. The arrays have a
        value for each of these slices.

        `lower` and `upper` (mm²) are the ends of the intervals of the same slices.
        """
        mean = float(area.mean())
        part = min(1.0, mm / self.length) if area.size > 1 else 0.0
        below, above = (1 + (share - 1) * part for share in (self.below, self.above))
        low, high = mean - float(lower.mean()), float(upper.mean()) - mean
        return mean - below * low, mean + above * high


SLICES = RegionInterval()
"""The interval of a mean is as wide as those of its slices."""
