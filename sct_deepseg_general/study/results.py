"""Results of a comparison: tables of models by test sets, paired tests, and the verdict.

They are computed from the stored measurements alone, so that the page, the notebook and the
tables on disk agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.evaluation.statistics import (
    ModelComparison,
    Summary,
    compare_models,
    summary,
)

__all__ = [
    "CLOSE",
    "COMPARED",
    "GENERAL",
    "LEAST_DICE",
    "METRICS",
    "Metric",
    "StudyResults",
    "Verdict",
    "chosen_cases",
    "study_results",
]

GENERAL = "general"
CLOSE = 0.02
"""How far below the specific model's Dice the general one may be in-domain."""
LEAST_DICE = 0.5
"""Mean Dice below which a model has failed on a test set, so that no verdict rests on it."""


@dataclass(frozen=True)
class Metric:
    """A column of `Measurement`, with its heading."""

    name: str
    title: str
    digits: int
    largest_is_best: bool


METRICS = (
    Metric("dice", "Dice", 3, True),
    Metric("jaccard", "Jaccard", 3, True),
    Metric("sensitivity", "Sensitivity", 3, True),
    Metric("specificity", "Specificity", 5, True),
    Metric("ppv", "PPV", 3, True),
    Metric("npv", "NPV", 5, True),
    Metric("volume_error_abs", "Absolute volume error (%)", 1, False),
    Metric("volume_error", "Relative volume error, signed (%)", 1, False),
    Metric("hausdorff", "Hausdorff distance (mm)", 2, False),
    Metric("hausdorff95", "95th percentile of the Hausdorff distance (mm)", 2, False),
    Metric("contour_mean", "Contour mean distance (mm)", 2, False),
    Metric("average_symmetric", "Average symmetric surface distance (mm)", 2, False),
    Metric("csa_error_abs", "Absolute CSA error (mm²)", 2, False),
    Metric("csa_error", "CSA error, signed (mm²)", 2, False),
)
COMPARED = {
    one.name: one.largest_is_best
    for one in METRICS
    if one.name in {"dice", "hausdorff95", "average_symmetric", "volume_error_abs", "csa_error_abs"}
}
"""The metrics that are tested; signed errors are not, since theirs cancel."""


@dataclass(frozen=True)
class Verdict:
    """Whether the general model is better on unseen data and close to its rivals in-domain.

    `unseen` and `seen` have, for each test set, the general model's mean Dice (0 to 1), the Dice
    of the best specific model (in-domain: of the test set's own specific model) and that model's
    name. Models that failed are not judged; `failures` says where.
    """

    unseen: tuple[tuple[str, float, float, str], ...]
    seen: tuple[tuple[str, float, float, str], ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """Test sets on which no judgement is possible, each with its reason.

        On an unseen set, neither the general nor the best specific model reaches a mean Dice of
        `LEAST_DICE`; in-domain, the set's own specific model does not reach it.
        """
        unseen = (
            f"on {name} (unseen) the general model has a mean Dice of {ours:.2f} and the best "
            f"specific model, {other}, one of {theirs:.2f}"
            for name, ours, theirs, other in self.unseen
            if max(ours, theirs) < LEAST_DICE
        )
        seen = (
            f"on {name} (in-domain) its own specific model has a mean Dice of {theirs:.2f}"
            for name, _, theirs, _ in self.seen
            if theirs < LEAST_DICE
        )
        return (*unseen, *seen)

    @property
    def better_on_unseen(self) -> bool:
        """The general model has the highest Dice on every unseen set, and none of them failed."""
        wins = all(ours > other for _, ours, other, _ in self.unseen)
        return bool(self.unseen) and wins and not self.failures

    @property
    def close_in_domain(self) -> bool:
        """The general model is at most `CLOSE` below each specific model on its own dataset."""
        near = all(ours >= other - CLOSE for _, ours, other, _ in self.seen)
        return bool(self.seen) and near and not self.failures

    @property
    def sentence(self) -> str:
        """The verdict as a sentence, or why there is none."""
        if self.failures:
            return (
                f"There is no verdict, because models failed (mean Dice below {LEAST_DICE}): "
                f"{'; '.join(self.failures)}. Train longer, or check the labels."
            )
        wins = sum(ours > other for _, ours, other, _ in self.unseen)
        near = sum(ours >= other - CLOSE for _, ours, other, _ in self.seen)
        if not self.unseen or not self.seen:
            return _one_sided(self, wins, near)
        holds = self.better_on_unseen and self.close_in_domain
        return (
            f"The hypothesis {'holds' if holds else 'does not hold in full'} here: the general "
            f"model has a higher Dice than the best specific model on {wins} of "
            f"{len(self.unseen)} unseen test sets, and is at most {CLOSE} below the specific model "
            f"on {near} of {len(self.seen)} in-domain test sets."
        )


def _one_sided(verdict: Verdict, wins: int, near: int) -> str:
    """The sentence of a study without unseen, or without in-domain, test sets."""
    if verdict.unseen:
        done = (
            f"has a higher Dice than the best specific model on {wins} of {len(verdict.unseen)} "
            "unseen test sets; there is no in-domain test set"
        )
    else:
        done = (
            f"is at most {CLOSE} below the specific model on {near} of {len(verdict.seen)} "
            "in-domain test sets; there is no unseen test set"
        )
    return f"Only half of the hypothesis is tested here: the general model {done}."


@dataclass(frozen=True)
class StudyResults:
    """All that the report tells, in the order of the recipe."""

    recipe: Recipe
    rows: tuple[Measurement, ...]
    seen_sets: tuple[str, ...]
    unseen_sets: tuple[str, ...]
    tests: tuple[ModelComparison, ...]
    verdict: Verdict

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models, the general one first."""
        return self.recipe.models

    @property
    def test_sets(self) -> tuple[str, ...]:
        """The names of all test sets: of the datasets trained on, then of the others."""
        return (*self.seen_sets, *self.unseen_sets)

    def of(self, model: str, test_set: str) -> list[Measurement]:
        """The rows of one model on one test set."""
        return [one for one in self.rows if (one.model, one.test_set) == (model, test_set)]

    def cell(self, model: str, test_set: str, metric: Metric) -> Summary:
        """The spread of a metric over the people of a test set."""
        return summary(self.of(model, test_set), metric.name, metric.largest_is_best)


def study_results(recipe: Recipe, rows: Iterable[Measurement]) -> StudyResults:
    """Tables, tests and verdict of a recipe's measurements."""
    rows = tuple(rows)
    tested = {one.test_set for one in rows}
    seen = tuple(one.name for one in recipe.seen if one.name in tested)
    unseen = tuple(one.name for one in recipe.unseen if one.name in tested)

    def rival(test_set: str, metric: str) -> str:
        return test_set if test_set in seen else _best_specific(recipe, rows, test_set, metric)

    tests = compare_models(rows, GENERAL, COMPARED, rival)
    verdict = Verdict(
        tuple(_against(rows, one, rival(one, "dice")) for one in unseen),
        tuple(_against(rows, one, one) for one in seen),
    )
    return StudyResults(recipe, rows, seen, unseen, tests, verdict)


def chosen_cases(results: StudyResults, test_set: str) -> tuple[Measurement, Measurement]:
    """The general model's median and worst case of a test set, by Dice."""
    rows = sorted(results.of(GENERAL, test_set), key=lambda one: (one.dice, one.name))
    return rows[len(rows) // 2], rows[0]


def _best_specific(recipe: Recipe, rows: Sequence[Measurement], test_set: str, metric: str) -> str:
    sign = 1 if COMPARED[metric] else -1

    def worth(model: str) -> float:
        return sign * _mean(rows, model, test_set, metric)

    return max((one.name for one in recipe.seen), key=worth)


def _against(
    rows: Sequence[Measurement], test_set: str, other: str
) -> tuple[str, float, float, str]:
    ours, theirs = (_mean(rows, model, test_set, "dice") for model in (GENERAL, other))
    return test_set, ours, theirs, other


def _mean(rows: Sequence[Measurement], model: str, test_set: str, metric: str) -> float:
    here = [one for one in rows if (one.model, one.test_set) == (model, test_set)]
    return summary(here, metric).mean
