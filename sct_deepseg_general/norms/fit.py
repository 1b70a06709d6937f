"""Fitting a cell: penalised maximum likelihood of a Box-Cox distribution by age, sex, contrast.

Each dataset has an offset of log M, normal with mean 0. Its variance is estimated by
alternating between the fit with that variance and the variance of the offsets found
(expectation and maximisation, with the offsets' own uncertainty added, and one degree of
freedom taken for the mean).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.norms.model import (
    KNOTS,
    SEXES,
    Ages,
    Cell,
    Family,
    design,
    scaled_age,
)
from sct_deepseg_general.norms.table import Observations

__all__ = ["FEWEST_DATASETS", "FEWEST_PEOPLE", "Fitted", "age_ranges", "fitted"]

Floats = NDArray[np.float64]

FEWEST_PEOPLE = 40
"""A family of contrasts is left out of a cell with fewer people."""
FEWEST_DATASETS = 5
"""With fewer datasets the variance between them is not estimated but given."""
NEIGHBOURS, AROUND = 10, 5.0
"""A norm holds at an age with at least so many people of the sex within so many years."""
CURVATURE = 1.0
"""Penalty on the spline's curved terms: one over their prior variance, in units of log M."""
CHANGE = 10.0
"""Penalty on the change of log S with age and contrast, likewise."""
SHORTEST = 5.0
"""Years of the shortest range of ages with a norm."""
_ROUNDS = 12


@dataclass(frozen=True, eq=False)
class _Terms:
    """The model's matrices, a row for each session."""

    logs: Floats
    weight: Floats
    median: Floats
    """Columns of log M: `design`, then an indicator for each family but the first."""
    spread: Floats
    """Columns of log S: 1, scaled age, its square, then the families but the first."""
    dataset: NDArray[np.int64]
    datasets: int


@dataclass(frozen=True, eq=False)
class _Parameters:
    median: Floats
    offsets: Floats
    spread: Floats
    skewness: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """A cell, and the offset of log M found for each dataset."""

    cell: Cell
    offsets: dict[str, float]


def fitted(
    observations: Observations, measure: str, level: str, between: float | None = None
) -> Fitted | None:
    """A cell fitted to observations.

    Parameters
    ----------
    observations
        The sessions of healthy people, of any number of datasets.
    measure, level
        What the cell is called.
    between
        Standard deviation of log M between datasets; None to estimate it, which takes
        `FEWEST_DATASETS` datasets.

    Returns
    -------
    Fitted or None
        None where no family has enough people, or the datasets are too few to estimate
        `between`.
    """
    families = _families(observations)
    observations = observations.where(np.isin(observations.family, families))
    names = sorted(set(observations.dataset.tolist()))
    if not families or (between is None and len(names) < FEWEST_DATASETS):
        return None
    terms = _terms(observations, families, names)
    found, deviation = _alternated(terms, between)
    cell = _cell(observations, families, found, deviation)
    offsets = dict(zip(names, found.offsets.tolist(), strict=True))
    return Fitted(replace(cell, measure=measure, level=level), offsets)


def age_ranges(ages: Floats) -> Ages:
    """The ranges of whole years with at least `NEIGHBOURS` people within `AROUND` years, cut at the
    youngest and the oldest of them; ranges shorter than `SHORTEST` are left out. `ages` are years,
    shape (people,).
    """
    years = np.arange(0, 121)
    near = (np.abs(ages[None, :] - years[:, None]) <= AROUND).sum(axis=1) >= NEIGHBOURS
    edges = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]]).astype(int)))
    ranges = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        low = max(float(years[start]), float(np.floor(ages.min())))
        high = min(float(years[stop - 1]), float(np.ceil(ages.max())))
        if high - low >= SHORTEST:
            ranges.append((low, high))
    return tuple(ranges)


def _families(seen: Observations) -> list[str]:
    names = sorted(set(seen.family.tolist()))
    return [n for n in names if np.unique(seen.person[seen.family == n]).size >= FEWEST_PEOPLE]


def _terms(seen: Observations, families: Sequence[str], names: Sequence[str]) -> _Terms:
    shifts = np.column_stack(
        [np.zeros((seen.value.size, 0)), *(seen.family == name for name in families[1:])]
    )
    a = scaled_age(seen.age)
    return _Terms(
        logs=np.log(seen.value),
        weight=seen.weight,
        median=np.column_stack([design(seen.age, seen.sex), shifts]),
        spread=np.column_stack([np.ones(a.size), a, a * a, shifts]),
        dataset=np.searchsorted(names, seen.dataset),
        datasets=len(names),
    )


def _alternated(terms: _Terms, between: float | None) -> tuple[_Parameters, float]:
    """The fit, and the standard deviation between datasets that goes with it."""
    deviation = between if between is not None else 0.05
    found = _maximised(terms, _start(terms), deviation)
    if between is not None:
        return found, deviation
    for _ in range(_ROUNDS):
        before, deviation = deviation, _between(terms, found, deviation)
        found = _maximised(terms, found, deviation)
        if abs(deviation - before) < 1e-4:
            break
    return found, deviation


def _between(terms: _Terms, found: _Parameters, deviation: float) -> float:
    within = np.exp(2 * terms.spread @ found.spread)
    information = np.bincount(terms.dataset, terms.weight / within, terms.datasets)
    variance = 1 / (information + 1 / deviation**2)
    total = np.sum(found.offsets**2 + variance) / (terms.datasets - 1)
    return float(np.sqrt(max(total, 1e-6)))


def _start(terms: _Terms) -> _Parameters:
    root = np.sqrt(terms.weight)
    ridge = 1e-3 * np.eye(terms.median.shape[1])
    rows = np.vstack([terms.median * root[:, None], ridge])
    logs = np.concatenate([terms.logs * root, np.zeros(len(ridge))])
    median = np.linalg.lstsq(rows, logs, rcond=None)[0]
    residual = terms.logs - terms.median @ median
    spread = np.zeros(terms.spread.shape[1])
    spread[0] = 0.5 * np.log(np.average(residual**2, weights=terms.weight))
    return _Parameters(median, np.zeros(terms.datasets), spread, 0.5)


def _maximised(terms: _Terms, start: _Parameters, deviation: float) -> _Parameters:
    from scipy import optimize  # only fitting needs it

    def cost(packed: Floats) -> tuple[float, Floats]:
        return _cost(terms, _unpacked(terms, packed), deviation)

    found = optimize.minimize(
        cost, _packed(start), jac=True, method="L-BFGS-B", options={"maxiter": 2000, "ftol": 1e-11}
    )
    return _unpacked(terms, found.x)


def _cost(terms: _Terms, at: _Parameters, deviation: float) -> tuple[float, Floats]:
    """Penalised negative log-likelihood (constants left out) and its gradient."""
    ratio = terms.logs - terms.median @ at.median - at.offsets[terms.dataset]
    log_s = terms.spread @ at.spread
    power = np.exp(at.skewness * ratio)
    spread = np.exp(log_s)
    z, by_skewness = _scores(ratio, power, spread, at.skewness)
    likelihood = at.skewness * ratio - log_s - z * z / 2
    curved, change = _curved(at.median), np.concatenate([[0], at.spread[1:]])
    penalty = np.sum(at.offsets**2) / (2 * deviation**2)
    penalty += (CURVATURE * np.sum(curved**2) + CHANGE * np.sum(change**2)) / 2
    of_median = terms.weight * (power * z / spread - at.skewness)
    of_spread = terms.weight * (z * z - 1)
    gradient = np.concatenate(
        [
            -terms.median.T @ of_median + CURVATURE * curved,
            -np.bincount(terms.dataset, of_median, terms.datasets) + at.offsets / deviation**2,
            -terms.spread.T @ of_spread + CHANGE * change,
            [-np.sum(terms.weight * (ratio - z * by_skewness))],
        ]
    )
    return float(penalty - np.sum(terms.weight * likelihood)), gradient


def _scores(ratio: Floats, power: Floats, spread: Floats, skewness: float) -> tuple[Floats, Floats]:
    """Standard scores, and their derivative by the skewness."""
    if abs(skewness) < 1e-4:
        z = ratio * (1 + skewness * ratio / 2) / spread
        return z, ratio * ratio * (0.5 + skewness * ratio / 3) / spread
    whole = np.expm1(skewness * ratio) / skewness
    return whole / spread, (ratio * power - whole) / (skewness * spread)


def _curved(median: Floats) -> Floats:
    """The coefficients of the curved terms of the spline, the others as 0."""
    curved = np.zeros_like(median)
    curved[2 : len(KNOTS)] = median[2 : len(KNOTS)]
    return curved


def _packed(at: _Parameters) -> Floats:
    return np.concatenate([at.median, at.offsets, at.spread, [at.skewness]])


def _unpacked(terms: _Terms, packed: Floats) -> _Parameters:
    first = terms.median.shape[1]
    second = first + terms.datasets
    return _Parameters(packed[:first], packed[first:second], packed[second:-1], float(packed[-1]))


def _cell(
    seen: Observations, families: Sequence[str], found: _Parameters, deviation: float
) -> Cell:
    shared = design([50.0], ["F"]).shape[1]
    shifts = [0.0, *found.median[shared:].tolist()]
    spreads = [0.0, *found.spread[3:].tolist()]
    a, b, c = found.spread[:3].tolist()
    return Cell(
        measure="",
        level="",
        median=tuple(found.median[:shared].tolist()),
        spread=(a, b, c),
        skewness=found.skewness,
        between=deviation,
        families={
            name: _family(seen.where(seen.family == name), shift, spread)
            for name, shift, spread in zip(families, shifts, spreads, strict=True)
        },
    )


def _family(seen: Observations, shift: float, spread: float) -> Family:
    _, first = np.unique(seen.person, return_index=True)
    sexes = seen.sex[first]
    return Family(
        median=shift,
        spread=spread,
        datasets=int(np.unique(seen.dataset).size),
        people={sex: int((sexes == sex).sum()) for sex in SEXES},
        ages={sex: _ages(seen.where(seen.sex == sex)) for sex in SEXES},
    )


def _ages(seen: Observations) -> Ages:
    """Where a sex has people enough; each person counts once, at the mean of its ages."""
    if not seen.value.size:
        return ()
    _, index = np.unique(seen.person, return_inverse=True)
    return age_ranges(np.bincount(index, seen.age) / np.bincount(index))
