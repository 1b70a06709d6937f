"""Groups of people compared level by level, by their areas and by their z-scores."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.norms.group import GroupRow, write_table
from sct_deepseg_general.norms.model import LEVELS

__all__ = ["FEWEST", "MEASURES", "Difference", "GroupMean", "differences", "write_differences"]

Floats = NDArray[np.float64]
FEWEST = 3
"""People that a group needs at a level."""
MEASURES = ("area", "z_score")
"""What is compared: the area as measured (mm²), and its z-score for age and sex."""
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class GroupMean:
    """One group at one level: its people, and mean and standard deviation over them."""

    name: str
    people: int
    mean: float
    sd: float


@dataclass(frozen=True)
class Difference:
    """Two groups at one level, in one contrast and measure.

    `effect` is the difference of the means, the second minus the first, in pooled standard
    deviations (Hedges' g), from `lower` to `upper` with 95 % confidence.
    """

    contrast: str
    level: str
    measure: str
    """One of `MEASURES`."""
    first: GroupMean
    second: GroupMean
    effect: float
    lower: float
    upper: float


def differences(rows: Sequence[GroupRow]) -> list[Difference]:
    """Every two groups compared at each level, contrast by contrast.

    Parameters
    ----------
    rows
        What `group.group_rows` gives. A person with several images counts once, by the mean.

    Returns
    -------
    list of Difference
        By contrast, level and measure, where both groups have at least `FEWEST` people.

    Notes
    -----
    Hedges' g with the small-sample factor, and the usual normal approximation of its standard error
    (Hedges and Olkin, Statistical Methods for Meta-Analysis, 1985). Areas are not corrected for
    age and sex, z-scores are.
    """
    names = sorted({row.group for row in rows if row.group})
    contrasts = sorted({row.contrast for row in rows if row.contrast})
    cases = itertools.product(contrasts, LEVELS, MEASURES, itertools.combinations(names, 2))
    found = []
    for contrast, level, measure, pair in cases:
        here = [row for row in rows if (row.contrast, row.level) == (contrast, level)]
        a, b = (_values(here, group, measure) for group in pair)
        if min(a.size, b.size) >= FEWEST:
            found.append(_difference(contrast, level, measure, (pair[0], a), (pair[1], b)))
    return found


def write_differences(path: Path, found: Sequence[Difference]) -> None:
    """The differences of groups as a TSV file, written whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    header = ("contrast", "level", "measure", "first", "second", "n_first", "n_second",
              "mean_first", "mean_second", "sd_first", "sd_second", "hedges_g", "lower",
              "upper")  # fmt: skip
    lines = [
        [d.contrast, d.level, d.measure, d.first.name, d.second.name,
         str(d.first.people), str(d.second.people),
         *(f"{v:.3f}" for v in (d.first.mean, d.second.mean, d.first.sd, d.second.sd,
                                d.effect, d.lower, d.upper))]
        for d in found
    ]  # fmt: skip
    write_table(path, header, lines)


def _values(rows: Sequence[GroupRow], group: str, measure: str) -> Floats:
    """The mean of each person of a group."""
    own: dict[str, list[float]] = {}
    for row in rows:
        value = _value(row, measure)
        if row.group == group and value is not None:
            own.setdefault(row.participant, []).append(value)
    return np.array([np.mean(values) for values in own.values()])


def _value(row: GroupRow, measure: str) -> float | None:
    if measure == "area":
        return row.area
    return None if row.place is None else row.place.z_score


def _difference(
    contrast: str, level: str, measure: str, first: tuple[str, Floats], second: tuple[str, Floats]
) -> Difference:
    effect, error = _hedges(first[1], second[1])
    means = [
        GroupMean(n, v.size, float(v.mean()), float(v.std(ddof=1))) for n, v in (first, second)
    ]
    low, high = effect - _Z95 * error, effect + _Z95 * error
    return Difference(contrast, level, measure, means[0], means[1], effect, low, high)


def _hedges(a: Floats, b: Floats) -> tuple[float, float]:
    count = a.size + b.size
    pooled = math.sqrt(((a.size - 1) * a.var(ddof=1) + (b.size - 1) * b.var(ddof=1)) / (count - 2))
    effect = (1 - 3 / (4 * (count - 2) - 1)) * float(b.mean() - a.mean()) / max(pooled, 1e-9)
    return effect, math.sqrt(count / (a.size * b.size) + effect**2 / (2 * count))
