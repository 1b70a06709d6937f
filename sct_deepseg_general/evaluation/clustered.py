"""Paired comparison of two models over images, with people as clusters.

Images of one person are alike, so that they are not independent pairs. The signed-rank statistic
is taken over all images, and its distribution from turning the signs of whole people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.evaluation.statistics import bootstrap_interval

__all__ = ["PairedEffect", "paired_effect"]

EXACT = 14
"""Up to so many people all sign changes are enumerated; beyond, they are drawn."""
DRAWS = 20_000
_SEED = 20261125

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedEffect:
    """The difference between two models on the same images.

    `difference` is the mean over people of the mean over their images, `low` and `high` its 95 %
    interval, `wins` the share of images (0 to 1; ties count half) on which the first has the larger
    value, and `p` the two-sided p-value. The interval and `p` are NaN with fewer than two people.
    """

    images: int
    people: int
    difference: float
    low: float
    high: float
    wins: float
    p: float


def paired_effect(
    first: Sequence[float], second: Sequence[float], people: Sequence[str]
) -> PairedEffect:
    """Compare paired values of two models, one pair for each image, in any one unit (mm², or Dice
    of 0 to 1).

    Parameters
    ----------
    first, second : sequence of float
        The values of the two models, image by image.
    people : sequence of str
        The person of each image.

    Returns
    -------
    PairedEffect
        First minus second, with its interval and p-value.

    Notes
    -----
    The p-value is of Wilcoxon's signed-rank sum over images, whose null distribution comes from
    turning the signs of all differences of a person together (Rosner, Glynn and Lee, Biometrics
    2006, 62:185, use the same statistic with a normal approximation). The interval is a
    percentile bootstrap over people.

    Examples
    --------
    >>> from sct_deepseg_general.evaluation.clustered import paired_effect
    >>> found = paired_effect([0.9, 0.8, 0.7], [0.8, 0.7, 0.75], ["a", "a", "b"])
    >>> found.people, round(found.difference, 3), round(found.wins, 2)
    (2, 0.025, 0.67)
    """
    difference = np.asarray(np.round(np.subtract(first, second), 12), np.float64)
    names, whose = np.unique(np.asarray(people), return_inverse=True)
    if not difference.size:
        return PairedEffect(0, 0, *[float("nan")] * 5)
    means = np.bincount(whose, difference) / np.bincount(whose)
    low, high = bootstrap_interval(means)
    wins = float(((difference > 0) + 0.5 * (difference == 0)).mean())
    p = _signed_rank(difference, whose, len(names))
    return PairedEffect(difference.size, len(names), float(means.mean()), low, high, wins, p)


def _signed_rank(difference: Floats, whose: NDArray[np.int64], people: int) -> float:
    """The two-sided p-value of the signed-rank sum, whole people's signs turned."""
    if people < 2:
        return float("nan")
    if not difference.any():
        return 1.0
    from scipy.stats import rankdata

    kept = difference != 0
    ranks = rankdata(np.abs(difference[kept])) * np.sign(difference[kept])
    sums = np.bincount(whose[kept], ranks, minlength=people)
    observed = abs(sums.sum())
    turned = np.abs(_signs(people) @ sums)
    return float((turned >= observed - 1e-9).mean())


def _signs(people: int) -> Floats:
    """All sign changes of people (rows), or many drawn ones with the observed among them."""
    if people <= EXACT:
        bits = np.arange(2**people)[:, None] >> np.arange(people) & 1
        return np.asarray(1.0 - 2.0 * bits)
    drawn = np.random.default_rng(_SEED).choice((-1.0, 1.0), (DRAWS, people))
    return np.vstack([np.ones(people), drawn])
