"""Statistics of measurements: spread, intervals, paired tests, and the bias of contrasts.

The unit is the person: a person's images are averaged first, so that somebody with eight
images does not count eight times and intervals are not too narrow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.evaluation.measurement import Measurement

__all__ = [
    "ContrastBias",
    "ModelComparison",
    "Summary",
    "bootstrap_interval",
    "by_person",
    "compare_models",
    "contrast_bias",
    "holm",
    "mean_over_people",
    "pooled_sd",
    "summary",
    "wilcoxon",
]

RESAMPLES = 10_000
_SEED = 20240501


@dataclass(frozen=True)
class Summary:
    """Mean and SD (n - 1) over people, with a 95 % bootstrap interval of the mean.

    With one person the SD and the interval are NaN.
    """

    people: int
    images: int
    mean: float
    sd: float
    low: float
    high: float
    median: float
    worst: float


@dataclass(frozen=True)
class ModelComparison:
    """The general model against another one on the same people of one test set.

    `difference` is the mean of general minus other; `p` is Wilcoxon's two-sided signed-rank
    p-value and `p_holm` the same corrected for all comparisons of the table. Both are NaN
    where fewer than two people can be paired.
    """

    test_set: str
    metric: str
    general: str
    other: str
    people: int
    difference: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class ContrastBias:
    """How one contrast's CSA differs from the mean over the same person's contrasts, in mm².

    Means over the heights that all of the person's contrasts of a session cover; `reference` is
    the same for the references, which were drawn on each contrast and differ themselves.
    """

    model: str
    person: str
    session: str
    contrast: str
    slices: int
    csa: float
    bias: float
    reference: float


def by_person(rows: Iterable[Measurement], metric: str) -> dict[str, float]:
    """Each person's mean of a metric over their images, in the metric's unit (mm, mm², % or a
    share).
    """
    values: Mapping[str, list[float]] = defaultdict(list)
    for row in rows:
        values[row.person].append(float(getattr(row, metric)))
    return {person: float(np.mean(values[person])) for person in sorted(values)}


def summary(rows: Sequence[Measurement], metric: str, largest_is_best: bool = True) -> Summary:
    """Summarise a metric over people, each person's images averaged first.

    Parameters
    ----------
    rows : sequence of Measurement
        At least one.
    metric : str
        A numeric field of `Measurement`, such as "dice" (0 to 1) or "csa_error" (mm²).
    largest_is_best : bool
        Whether the smallest value is the worst.

    Returns
    -------
    MetricSummary
        Mean, SD and 95 % interval over people in the metric's unit; median and worst value.

    Notes
    -----
    The interval is a percentile bootstrap over people with a fixed seed (Efron, 1979).

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from sct_deepseg_general.evaluation.statistics import summary
    >>> rows = [SimpleNamespace(person=p, dice=d) for p, d in (("a", 0.9), ("a", 0.8), ("b", 0.95))]
    >>> found = summary(rows, "dice")
    >>> found.people, found.images, round(found.mean, 3), found.worst
    (2, 3, 0.9, 0.8)
    """
    values = np.array(list(by_person(rows, metric).values()))
    images = [float(getattr(row, metric)) for row in rows]
    low, high = bootstrap_interval(values)
    return Summary(
        people=len(values),
        images=len(rows),
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if len(values) > 1 else float("nan"),
        low=low,
        high=high,
        median=float(np.median(values)),
        worst=min(images) if largest_is_best else max(images),
    )


def wilcoxon(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p-value, 0 to 1, of Wilcoxon's signed-rank test of paired values in any unit.

    Exact where no difference is zero or tied, otherwise by the normal approximation. All
    differences zero gives 1; fewer than two pairs give NaN.
    """
    difference = np.round(np.subtract(first, second), 12)
    if difference.size < 2:
        return float("nan")
    if not difference.any():
        return 1.0
    from scipy import stats

    sizes = np.abs(difference)
    exact = sizes.all() and len(set(sizes.tolist())) == sizes.size and sizes.size <= 50
    return float(stats.wilcoxon(difference, method="exact" if exact else "approx").pvalue)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values, 0 to 1, corrected by Holm's step-down procedure; NaN stays NaN and is not
    counted.

    Holm, Scandinavian Journal of Statistics 1979, 6:65.
    """
    values = np.asarray(p_values, float)
    known = np.flatnonzero(~np.isnan(values))
    ordered = known[np.argsort(values[known], kind="stable")]
    corrected = values.copy()
    factors = np.arange(len(ordered), 0, -1)
    corrected[ordered] = np.minimum(1, np.maximum.accumulate(values[ordered] * factors))
    return tuple(corrected.tolist())


def compare_models(
    rows: Sequence[Measurement],
    general: str,
    metrics: Mapping[str, bool],
    rival: Callable[[str, str], str],
) -> tuple[ModelComparison, ...]:
    """The general model against its rival on every test set, one comparison a metric.

    `metrics` says of each metric whether larger is better; `rival` names the other model of a
    test set and metric ("" for none). Holm's correction is over all that come out.
    """
    sets = sorted({row.test_set for row in rows})
    pairs = [(one, metric, rival(one, metric)) for one in sets for metric in metrics]
    found = [_comparison(rows, general, *pair) for pair in pairs if pair[2]]
    corrected = holm([one.p for one in found])
    return tuple(
        ModelComparison(**{**vars(one), "p_holm": p})
        for one, p in zip(found, corrected, strict=True)
    )


def contrast_bias(rows: Iterable[Measurement]) -> tuple[ContrastBias, ...]:
    """CSA bias of each contrast, for people with several contrasts in one session.

    Heights are compared in scanner coordinates; images that share none are left out. Runs of
    one contrast are averaged.
    """
    groups: Mapping[tuple[str, str, str], list[Measurement]] = defaultdict(list)
    for row in rows:
        groups[row.model, row.person, row.session].append(row)
    return tuple(bias for key in sorted(groups) for bias in _biases(groups[key]))


def mean_over_people(
    biases: Iterable[ContrastBias], value: Callable[[ContrastBias], float]
) -> float:
    """Mean of a value (`bias` or `reference`, in mm²), each person's sessions averaged first; NaN
    without people.
    """
    people: Mapping[str, list[float]] = defaultdict(list)
    for one in biases:
        people[one.person].append(value(one))
    return _mean_of_means(people)


def pooled_sd(biases: Iterable[ContrastBias]) -> float:
    """SD of CSA over contrasts within a person, in mm²: root mean square over people, each person's
    sessions averaged first.
    """
    sessions: Mapping[tuple[str, str], list[float]] = defaultdict(list)
    for one in biases:
        sessions[one.person, one.session].append(one.bias)
    variances: Mapping[str, list[float]] = defaultdict(list)
    for (person, _), values in sessions.items():
        if len(values) > 1:
            variances[person].append(float(np.var(values, ddof=1)))
    return float(np.sqrt(_mean_of_means(variances)))


def _mean_of_means(people: Mapping[str, Sequence[float]]) -> float:
    means = [float(np.mean(values)) for values in people.values()]
    return float(np.mean(means)) if means else float("nan")


def bootstrap_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % percentile interval of the mean of `values`, shape (people,), in their unit; NaN
    with fewer than two. The seed is fixed so that a table can be made again.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(_SEED)
    drawn = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _comparison(
    rows: Iterable[Measurement], general: str, test_set: str, metric: str, other: str
) -> ModelComparison:
    here = [row for row in rows if row.test_set == test_set]
    ours = by_person((row for row in here if row.model == general), metric)
    theirs = by_person((row for row in here if row.model == other), metric)
    people = sorted(set(ours) & set(theirs))
    first, second = [ours[one] for one in people], [theirs[one] for one in people]
    difference = float(np.mean(np.subtract(first, second))) if people else float("nan")
    p = wilcoxon(first, second)
    return ModelComparison(test_set, metric, general, other, len(people), difference, p, p)


def _biases(rows: Sequence[Measurement]) -> list[ContrastBias]:
    low = max((min(row.profile.height, default=np.inf) for row in rows), default=np.inf)
    high = min((max(row.profile.height, default=-np.inf) for row in rows), default=-np.inf)
    contrasts = sorted({row.contrast for row in rows})
    if len(contrasts) < 2 or low > high:
        return []
    areas = {
        one: np.mean([_areas(row, low, high) for row in rows if row.contrast == one], axis=0)
        for one in contrasts
    }
    if not np.isfinite(list(areas.values())).all():
        return []
    mean = np.mean(list(areas.values()), axis=0)
    row = rows[0]
    return [
        ContrastBias(
            row.model, row.person, row.session, one, int(found[2]),
            float(found[0]), float(found[0] - mean[0]), float(found[1] - mean[1]),
        )
        for one, found in areas.items()
    ]  # fmt: skip


def _areas(row: Measurement, low: float, high: float) -> tuple[float, float, float]:
    """Mean predicted and reference area, and number of slices, between two heights."""
    inside = [low - 1e-3 <= height <= high + 1e-3 for height in row.profile.height]
    predicted = np.array(row.profile.predicted)[inside]
    if predicted.size == 0:
        return (float("nan"),) * 3
    return (
        float(predicted.mean()),
        float(np.array(row.profile.reference)[inside].mean()),
        predicted.size,
    )
