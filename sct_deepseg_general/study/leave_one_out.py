"""Leave one dataset out: the general model of all others, and every other specific one, on it.

Each of N datasets is left out in turn. The general model of the other N - 1 and their N - 1
specific models are tested on its images, so that every image of the study is one of a dataset that
no model has seen. A specific model is trained once and used in all rounds.

`leave_one_out` writes into its folder, beside what `compare` writes of models and evaluations:

    datasets/NAME/        the nnU-Net datasets of the round that leaves NAME out
    evaluation.csv, effects.csv, recipe.json, report.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.build import build
from sct_deepseg_general.datasets.manifest import write_rows
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.clustered import PairedEffect, paired_effect
from sct_deepseg_general.evaluation.evaluate import Measurement
from sct_deepseg_general.evaluation.statistics import holm
from sct_deepseg_general.evaluation.tables import read_csv, write_csv
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.study.results import GENERAL, LEAST_DICE
from sct_deepseg_general.study.stages import (
    ModelLoader,
    Progress,
    Study,
    Trainer,
    evaluated,
    trained,
)

__all__ = [
    "Effect",
    "LeaveOneOutResults",
    "leave_one_out",
    "leave_one_out_report",
    "results_of",
    "round_of",
]

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


def round_of(recipe: Recipe, left_out: str) -> Recipe:
    """The recipe of the round that leaves one dataset out: all people of the others are trained on.

    Raises
    ------
    DatasetError
        The recipe has no such dataset, or no other one.
    """
    names = [one.name for one in recipe.seen]
    if left_out not in names or len(names) < 2:
        raise DatasetError(
            f"Leaving '{left_out}' out needs it and another dataset that is seen; the recipe has "
            f"{', '.join(names)}."
        )
    datasets = tuple(
        replace(one, role="unseen" if one.name == left_out else "seen") for one in recipe.seen
    )
    split = replace(recipe.split, test=0.0, folds=1, assigned={})
    return recipes.checked(replace(recipe, datasets=datasets, split=split), recipe.name)


def leave_one_out(
    study: Study,
    train: Trainer,
    load_model: ModelLoader,
    jobs: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> LeaveOneOutResults:
    """Make or continue a study that leaves each dataset of a recipe out in turn.

    Parameters
    ----------
    study : Study
        The recipe, whose unseen datasets are not used, the data, and the folder of the results.
    train : Trainer
        Trains a model; see `models.trainer`.
    load_model : ModelLoader
        Gives a trained model's segmenter; see `models.model_loader`.
    jobs : int
        Processes of the conversion.
    progress : callable
        Called with a stage ("dataset", "train", "evaluate"), steps done, and their total; the
        stages come again in each round.

    Returns
    -------
    LeaveOneOutResults
        The measurements, the effects and the verdict, as in the report.

    Raises
    ------
    DatasetError, OutputError
        As `compare.compare`.

    Examples
    --------
    >>> from sct_deepseg_general.datasets.recipe import Dataset, Recipe
    >>> from sct_deepseg_general.study.leave_one_out import round_of
    >>> recipe = Recipe("three", (Dataset("a"), Dataset("b"), Dataset("c")))
    >>> round_of(recipe, "b").models
    ('general', 'a', 'c')
    """
    rows: list[Measurement] = []
    for left_out in (one.name for one in study.recipe.seen):
        now = replace(study, recipe=round_of(study.recipe, left_out))
        place = study.folder / "datasets" / left_out
        built = build(now.recipe, study.data, place, jobs, lambda *n: progress("dataset", *n))
        models = trained(built, study.folder / "models", train, progress)
        rows += evaluated(now, built, models, load_model, progress)
    seen = replace(study.recipe, datasets=study.recipe.seen)
    recipes.write(seen, study.folder / "recipe.json")
    write_csv(rows, study.folder / "evaluation.csv", timed=False)
    return leave_one_out_report(study.folder)


def leave_one_out_report(folder: Path) -> LeaveOneOutResults:
    """Make the table of effects and the page again from the measurements in `folder`."""
    from sct_deepseg_general.study.leave_one_out_page import page

    found = results_of(recipes.read(folder / "recipe.json"), read_csv(folder / "evaluation.csv"))
    columns = ["metric", "other", *(one.name for one in fields(PairedEffect)), "p_holm"]
    write_rows(folder / "effects.csv", columns, map(_line, found.effects))
    with write_whole(folder / "report.html") as temporary:
        temporary.write_text(page(found), encoding="utf-8")
    return found


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


def _line(one: Effect) -> dict[str, object]:
    numbers = {**asdict(one.effect), "p_holm": one.p_holm}
    shown = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in numbers.items()}
    return {"metric": one.metric, "other": one.other, **shown}
