"""Leave one dataset out: the general model of all others, and every other specific one, on it.

Each of N datasets is left out in turn. The general model of the other N - 1 and their N - 1
specific models are tested on its images, so that every image of the study is one of a dataset that
no model has seen. A specific model is trained once and used in all rounds.

`leave_one_out` writes into its folder, beside what `compare` writes of models and evaluations:

    datasets/NAME/        the nnU-Net datasets of the round that leaves NAME out
    evaluation.csv, effects.csv, recipe.json, report.html
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path

from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.build import build
from sct_deepseg_general.datasets.manifest import write_rows
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.clustered import PairedEffect
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.evaluation.tables import read_csv, write_csv
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.job.outputs import check_folder
from sct_deepseg_general.recipes.checks import check_training
from sct_deepseg_general.recipes.estimate import Estimate
from sct_deepseg_general.study.leave_one_out_page import page
from sct_deepseg_general.study.leave_one_out_results import Effect, LeaveOneOutResults, results_of
from sct_deepseg_general.study.stages import (
    ModelLoader,
    Progress,
    Study,
    Trainer,
    evaluated,
    trained,
)

__all__ = [
    "check",
    "leave_one_out",
    "leave_one_out_report",
    "round_of",
]


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


def check(study: Study) -> Estimate:
    """Check that every round can begin, without reading an image.

    The recipe's own split is not used, so that a dataset may have a single labelled person.

    Returns
    -------
    Estimate
        Images, disk, memory and time that the trainings of all rounds need together: one general
        model a round, and one specific model of each dataset.

    Raises
    ------
    DatasetError
        A dataset is missing, or nobody in it is labelled.
    OutputError
        The folder cannot be written to, or its disk is too full.
    """
    check_folder(study.folder)
    names = [one.name for one in study.recipe.seen]
    rounds = [
        check_training(
            round_of(study.recipe, name), study.data, study.folder / "datasets" / name, None
        )
        for name in names
    ]
    seconds = [one.seconds for one in rounds if one.seconds is not None]
    return Estimate(
        images=max(one.images for one in rounds),
        disk=sum(one.disk for one in rounds),
        memory=max(one.memory for one in rounds),
        seconds=2 * sum(seconds) / len(names) if len(seconds) == len(rounds) else None,
    )


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
    found = results_of(recipes.read(folder / "recipe.json"), read_csv(folder / "evaluation.csv"))
    columns = ["metric", "other", *(one.name for one in fields(PairedEffect)), "p_holm"]
    write_rows(folder / "effects.csv", columns, map(_line, found.effects))
    with write_whole(folder / "report.html") as temporary:
        temporary.write_text(page(found), encoding="utf-8")
    return found


def _line(one: Effect) -> dict[str, object]:
    numbers = {**asdict(one.effect), "p_holm": one.p_holm}
    shown = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in numbers.items()}
    return {"metric": one.metric, "other": one.other, **shown}
