"""The results of a study that leaves one dataset out: effects, means and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.evaluation.clustered import PairedEffect, paired_effect
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.evaluation.statistics import holm
from sct_deepseg_general.study.results import GENERAL, LEAST_DICE

__all__ = ["METRICS", "Effect", "LeaveOneOutResults", "results_of"]

SIGNIFICANT = 0.05
METRICS = {"dice": 1, "csa_error_abs": -1}
"""What is compared, and its sign: 1 where more is better."""


@dataclass(frozen=True)
class Effect:
    """The general models against one specific model, over the images that both were tested on.

    `effect` is of general minus specific, turned so that above 0 the general model is better;
    `p_holm` is corrected for all specific models of a metric.
    """

    metric: str
    other: str
    effect: PairedEffect
    p_holm: float


@dataclass(frozen=True)
class LeaveOneOutResults:
    """All that the report tells; rows of the general model are each of the round's own."""

    recipe: Recipe
    rows: tuple[Measurement, ...]
    effects: tuple[Effect, ...]

    @property
    def sentence(self) -> str:
        """The verdict: against how many specific models the general one is better, and by what."""
        dice = [one for one in self.effects if one.metric == "dice"]
        failed = self._failed()
        if failed:
            return (
                f"There is no verdict, because the general models failed (mean Dice below "
                f"{LEAST_DICE}) on {', '.join(failed)}. Train longer, or check the labels."
            )
        sure = [one for one in dice if one.effect.low > 0 and one.p_holm < SIGNIFICANT]
        worse = [one for one in dice if one.effect.high < 0 and one.p_holm < SIGNIFICANT]
        closest = min(dice, key=lambda one: one.effect.difference)
        words = (
            f"On datasets that no model saw, the general model has a higher Dice than "
            f"{len(sure)} of {len(dice)} specific models (interval above 0 and p, corrected, below "
            f"{SIGNIFICANT}) and a lower one than {len(worse)}; the closest is {closest.other}, "
            f"by {closest.effect.difference:+.3f} ({closest.effect.low:+.3f} to "
            f"{closest.effect.high:+.3f})."
        )
        wins = sum(self._best(name) == GENERAL for name in self.sets)
        return f"{words} It is the best of all on {wins} of {len(self.sets)} datasets."

    @property
    def sets(self) -> tuple[str, ...]:
        """The datasets in the order of the recipe."""
        return tuple(one.name for one in self.recipe.seen)

    def dice(self, model: str, test_set: str) -> float:
        """The mean Dice (0 to 1) over the images of a dataset; NaN where it was not tested."""
        here = [row.dice for row in self.rows if (row.model, row.test_set) == (model, test_set)]
        return sum(here) / len(here) if here else float("nan")

    def _best(self, test_set: str) -> str:
        models = [one for one in (GENERAL, *self.sets) if one != test_set]
        return max(models, key=lambda one: self.dice(one, test_set))

    def _failed(self) -> list[str]:
        return [name for name in self.sets if self.dice(GENERAL, name) < LEAST_DICE]


def results_of(recipe: Recipe, rows: Iterable[Measurement]) -> LeaveOneOutResults:
    """The effects of all pairs of general and specific models, and the verdict."""
    rows = tuple(rows)
    names = [one.name for one in recipe.seen]
    effects = [one for metric in METRICS for one in _effects(rows, metric, names)]
    return LeaveOneOutResults(recipe, rows, tuple(effects))


def _effects(rows: Sequence[Measurement], metric: str, names: Sequence[str]) -> Iterator[Effect]:
    found = [(name, _effect(rows, metric, name)) for name in names]
    found = [(name, effect) for name, effect in found if effect.images]
    for (name, effect), p in zip(found, holm([one.p for _, one in found]), strict=True):
        yield Effect(metric, name, effect, p)


def _effect(rows: Sequence[Measurement], metric: str, other: str) -> PairedEffect:
    ours, theirs = (
        {(row.test_set, row.name): row for row in rows if row.model == model}
        for model in (GENERAL, other)
    )
    both = sorted(ours.keys() & theirs.keys())
    sign = METRICS[metric]
    first, second = ([sign * getattr(of[key], metric) for key in both] for of in (ours, theirs))
    return paired_effect(first, second, [ours[key].person for key in both])
