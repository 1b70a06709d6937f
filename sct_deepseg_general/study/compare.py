"""The whole study: datasets, one general and N specific models, evaluation, report.

Every stage stores its results, so that a study that was interrupted is continued where it stopped:
conversion by the records of its cases, training by a file that is written when a model is finished
(the trainer itself resumes an unfinished one), evaluation by one journal line for each model and
image. Tables and report are made from these at the end.

`compare` writes into its folder:

    dataset/              see `datasets.build`
    models/NAME/KEY/      each model, KEY standing for its cases and training options
    evaluation/           journals and segmentations of each model
    recipe.json, evaluation.csv, tests.csv, contrast_bias.csv, curves.csv, pictures/
    report.html, results_analysis.ipynb
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from statistics import fmean

from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.build import Built, build
from sct_deepseg_general.datasets.manifest import write_rows
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.evaluation.cases import EvaluationCase
from sct_deepseg_general.evaluation.evaluate import reference_of
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.evaluation.statistics import ModelComparison, contrast_bias
from sct_deepseg_general.evaluation.tables import (
    read_bias,
    read_csv,
    read_curves,
    write_bias,
    write_csv,
    write_curves,
)
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.image.nifti import load, load_segmentation
from sct_deepseg_general.job.outputs import check_folder
from sct_deepseg_general.recipes.checks import check_training
from sct_deepseg_general.recipes.estimate import Estimate
from sct_deepseg_general.study import notebook
from sct_deepseg_general.study.pictures import comparison_row
from sct_deepseg_general.study.report import ComparisonPicture, page
from sct_deepseg_general.study.results import StudyResults, chosen_cases, study_results
from sct_deepseg_general.study.stages import (
    TRAINER_CURVES,
    ModelLoader,
    Progress,
    Study,
    Trainer,
    cases_to_test,
    evaluated,
    model_key,
    trained,
)

__all__ = ["check", "compare", "report"]

CURVES = TRAINER_CURVES.name


def compare(
    study: Study,
    train: Trainer,
    load_model: ModelLoader,
    jobs: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> StudyResults:
    """Make or continue a study: datasets, models, evaluation, tables and report.

    Parameters
    ----------
    study : Study
        What to compare, and where the result goes.
    train : Trainer
        Trains a model; see `models.trainer`.
    load_model : ModelLoader
        Gives a trained model's segmenter; see `models.model_loader`.
    jobs : int
        Processes of the conversion.
    progress : callable
        Called with a stage ("dataset", "train", "evaluate", "report"), steps done, and their total.

    Returns
    -------
    StudyResults
        Tables, tests and verdict, as in the report.

    Raises
    ------
    DatasetError, OutputError
        As `check`, before work begins; or as `build` and `evaluate_models`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.datasets.recipe import read
    >>> from sct_deepseg_general.study.compare import compare
    >>> from sct_deepseg_general.study.models import model_loader, trainer
    >>> from sct_deepseg_general.study.stages import Study
    >>> study = Study(read(Path("recipe.yaml")), (Path("data"),), Path("study"))  # doctest: +SKIP
    >>> compare(study, trainer("cpu"), model_loader()).verdict.sentence  # doctest: +SKIP
    """
    check(study)
    study.folder.mkdir(parents=True, exist_ok=True)
    dataset = study.folder / "dataset"
    built = build(study.recipe, study.data, dataset, jobs, lambda *n: progress("dataset", *n))
    cases_to_test(study, built)  # raises if nobody is left to test on
    models = trained(built, study.folder / "models", train, progress)
    rows = evaluated(study, built, models, load_model, progress)
    places = {name: study.folder / "models" / name / model_key(built, name) for name in models}
    _write_tables(study.folder, built.recipe, places, rows)
    progress("report", 1, 3)
    _write_pictures(study, built, rows)
    progress("report", 2, 3)
    found = report(study.folder, with_notebook=study.notebook)
    progress("report", 3, 3)
    return found


def check(study: Study) -> Estimate:
    """Check that a study can begin, without reading an image: datasets, people, folder, disk.

    Returns
    -------
    Estimate
        Images, disk, memory and time that all trainings of the study need.

    Raises
    ------
    DatasetError
        A dataset is missing, or there is nobody to train or test on.
    OutputError
        The folder cannot be written to, or its disk is too full.
    """
    check_folder(study.folder)
    return check_training(study.recipe, study.data, study.folder / "dataset", None)


def report(folder: Path, *, with_notebook: bool = True) -> StudyResults:
    """The page and the notebook, made again from the tables in `folder`."""
    rows = read_csv(folder / "evaluation.csv")
    found = study_results(recipes.read(folder / "recipe.json"), rows)
    write_rows(
        folder / "tests.csv",
        [field.name for field in fields(ModelComparison)],
        ({k: _short(v) for k, v in asdict(one).items()} for one in found.tests),
    )
    pictures = [
        ComparisonPicture(p.stem, p.read_bytes())
        for p in sorted((folder / "pictures").glob("*.png"))
    ]
    records = read_curves(folder / CURVES)
    text = page(found, read_bias(folder / "contrast_bias.csv"), pictures, records)
    with write_whole(folder / "report.html") as temporary:
        temporary.write_text(text, encoding="utf-8")
    if with_notebook:
        notebook.write_notebook(folder)
    return found


def _write_tables(
    folder: Path, recipe: Recipe, places: Mapping[str, Path], rows: Sequence[Measurement]
) -> None:
    recipes.write(recipe, folder / "recipe.json")
    write_csv(rows, folder / "evaluation.csv", timed=False)
    write_bias(contrast_bias(rows), folder / "contrast_bias.csv")
    curves = {name: path / TRAINER_CURVES for name, path in places.items()}
    records = {name: _record(path) for name, path in curves.items() if path.is_file()}
    write_curves(records, folder / CURVES)


def _write_pictures(study: Study, built: Built, rows: Iterable[Measurement]) -> None:
    found = study_results(built.recipe, rows)
    cases = {one.name: one for one in cases_to_test(study, built)}
    folder = study.folder / "pictures"
    folder.mkdir(exist_ok=True)
    pictures = {}
    for test_set in found.test_sets:
        median, worst = chosen_cases(found, test_set)
        pictures[f"{test_set} median {median.name}"] = median
        pictures[f"{test_set} worst {worst.name}"] = worst
    for title, row in pictures.items():
        with write_whole(folder / f"{title}.png") as temporary:
            temporary.write_bytes(_picture(study.folder, built, cases[row.name], row.dice))
    for path in folder.iterdir():
        if path.stem not in pictures:
            path.unlink()


def _picture(folder: Path, built: Built, case: EvaluationCase, dice: float) -> bytes:
    image = load(case.image)
    reference = reference_of(image, load(case.label, nan_background=False), str(case.label))
    predictions = {
        model: load_segmentation(
            folder / "evaluation" / model / model_key(built, model) / f"{case.name}.nii.gz"
        )
        for model in built.recipe.models
    }
    return comparison_row(image, reference, predictions, dice)


def _record(path: Path) -> dict[str, list[float]]:
    """Loss and Dice (mean over the datasets that an epoch saw) of a trainer's curves."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    dice = [[float(v) for name, v in row.items() if name.startswith("dice") and v] for row in rows]
    return {
        "epoch": [float(row["epoch"]) for row in rows],
        "loss": [float(row["loss"]) for row in rows],
        "dice": [fmean(values) if values else 0.0 for values in dice],
    }


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
