"""The scale and the factors of the interval of an area, fitted on people with reference areas.

The scale (`quality.border_scale.BorderScale`) is fitted to the size of the errors of means over
`REGION` mm by least squares with shares of at least 0, and the factors are quantiles of the errors
in scales, of slices and of such means. Each person has the same weight, and each image of a
person, however many slices it has.

The quantile is taken at 0.9 (n + 1) / n with n people. Then at least 90 % of the reference areas of
one more person are held, on average over people drawn in the same way, whatever the distribution of
the errors is (hierarchical conformal prediction: Lee, Barber, Willett, 2023, arXiv 2306.06342), if
the scale was not fitted on the same people. It was; the coverage of people left out of both is
measured by `benchmarks/quality/interval_coverage.py`. With fewer than nine people the largest error
is taken, which holds n / (n + 1) of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from sct_deepseg_general.quality.border_scale import BorderScale
from sct_deepseg_general.quality.uncertainty import LEVEL

__all__ = ["REGION", "Compared", "Fit", "fitted", "quantile"]

Floats = NDArray[np.float64]
REGION = 30.0
"""Length in mm of the regions whose means are looked at, each half a length from the last."""
LEAST = 0.02
"""mm by which the edge may always lie off, so that no interval is empty."""


@dataclass(frozen=True, eq=False)
class Compared:
    """The areas of one image in the slices where our mask and the reference have cord."""

    person: str
    dataset: str
    part: str
    """train or dev."""
    image: str
    area: Floats
    """mm², of our mask."""
    reference: Floats
    """mm²."""
    border: Floats
    """Where the image's border lies, mm outside our edge."""
    length: Floats
    """Of each slice along the cord, mm."""
    missed: int = 0
    """Slices with cord in the reference and none in our mask."""

    @property
    def errors(self) -> Floats:
        """Reference minus area of each slice, mm²."""
        return self.reference - self.area

    def regions(self, values: Floats) -> Floats:
        """The means of values of the slices over regions; over all slices of a shorter image."""
        if not values.shape[0]:
            return values
        count = min(len(values), max(1, round(REGION / float(np.median(self.length)))))
        starts = range(0, len(values) - count + 1, max(1, count // 2))
        return np.array([values[at : at + count].mean(axis=0) for at in starts])


@dataclass(frozen=True)
class Fit:
    """The scale and the factors of slices and of regions, from so many people."""

    scale: BorderScale
    slices: float
    regions: float
    people: int

    def record(self) -> dict[str, Any]:
        """For "intervals" of a model's record."""
        slices, regions = ([round(value, 2)] * 2 for value in (self.slices, self.regions))
        scale = {k: round(v, 3) for k, v in vars(self.scale).items()}
        return {
            "level": LEVEL,
            "edge": slices,
            "views": slices,
            "scale": scale,
            "regions": {"length": REGION, "edge": regions, "views": regions},
        }

    def half_widths(self, one: Compared) -> Floats:
        """Half the interval of each slice, mm²."""
        return self.slices * self.scale.of(one.area, one.border)

    def half_widths_of_regions(self, one: Compared) -> Floats:
        """Half the interval of each region's mean, mm²."""
        return self.regions * one.regions(self.scale.of(one.area, one.border))


def fitted(found: Sequence[Compared]) -> Fit:
    """The scale and the factors that the images of `found` give."""
    some = [one for one in found if one.area.size]
    usual = _usual(some)
    parts = [BorderScale.parts(one.area, one.border, usual) for one in some]
    means = [one.regions(part) for one, part in zip(some, parts, strict=True)]
    errors = [np.abs(one.regions(one.errors)) for one in some]
    shares = _shares(np.concatenate(means), np.concatenate(errors), weights(some, errors))
    scale = BorderScale(usual, *map(float, shares))
    people = len({one.person for one in some})
    of_slices = [np.abs(one.errors) for one in some]
    return Fit(
        scale,
        _factor(some, of_slices, [part @ shares for part in parts], people),
        _factor(some, errors, [mean @ shares for mean in means], people),
        people,
    )


def weights(found: Sequence[Compared], values: Sequence[Floats]) -> Floats:
    """The weight of each value of each image: people have the same sum, and images of a person."""
    images = Counter(one.person for one in found)
    return np.concatenate(
        [
            np.full(len(own), 1 / images[one.person] / len(own))
            for one, own in zip(found, values, strict=True)
        ]
    )


def quantile(values: Floats, weight: Floats, at: float) -> float:
    """The smallest of the values, shape (n,), up to which the share `at` (0 to 1) of the weight
    lies; the largest where no value reaches it.
    """
    order = np.argsort(values)
    share = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][min(int(np.searchsorted(share, at - 1e-9)), values.size - 1)])


def _usual(found: Sequence[Compared]) -> float:
    """The median place of the border."""
    places, weight = (
        np.concatenate([one.border for one in found]),
        weights(found, [one.border for one in found]),
    )
    known = np.isfinite(places)
    return quantile(places[known], weight[known], 0.5)


def _shares(parts: Floats, errors: Floats, weight: Floats) -> Floats:
    """Shares of at least 0 with the least squares of the errors in mm of the edge."""
    unit = np.sqrt(weight) / parts[:, 0]  # the first part is the perimeter
    shares = optimize.nnls(parts * unit[:, None], errors * unit)[0]
    return np.asarray(np.maximum(shares, (LEAST, 0, 0)))


def _factor(
    found: Sequence[Compared], errors: Sequence[Floats], scales: Sequence[Floats], people: int
) -> float:
    ratios = np.concatenate([e / s for e, s in zip(errors, scales, strict=True)])
    return quantile(ratios, weights(found, errors), min(1.0, LEVEL * (people + 1) / people))
