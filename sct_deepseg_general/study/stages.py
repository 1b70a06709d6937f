"""The stages of a study that take long: models are trained, and tested on all test cases.

Each stores its results, so that an interrupted study is continued where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sct_deepseg_general.datasets.build import Built
from sct_deepseg_general.datasets.manifest import trained_on
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.datasets.sources import index_datasets
from sct_deepseg_general.errors import BackendError, DatasetError
from sct_deepseg_general.evaluation.cases import EvaluationCase, TrainingData, cases_of_manifest
from sct_deepseg_general.evaluation.evaluate import Candidate, Segmenter, evaluate_models
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.evaluation.tables import append, read_lines
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.image.nifti import save
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.schema import as_json

__all__ = [
    "DONE",
    "TRAINER_CURVES",
    "ModelLoader",
    "Progress",
    "Study",
    "Trainer",
    "cases_to_test",
    "evaluated",
    "model_key",
    "trained",
]

DONE = "done.json"
TRAINER_CURVES = Path("network", "curves.csv")
"""A trainer may leave this in the folder it was given: columns epoch, loss and dice_NAME."""

Trainer = Callable[[Recipe, Path, Path], Path]
"""(recipe, nnU-Net raw dataset, folder to train in) to the folder of the finished model; called
again on the same folder after an interruption, it resumes."""
ModelLoader = Callable[[Path], Segmenter]
"""A finished model's folder to its segmenter."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Study:
    """What to compare, and where the result goes."""

    recipe: Recipe
    data: tuple[Path, ...]
    folder: Path
    notebook: bool = True
    """Whether the report is also written as an executed notebook."""


def trained(built: Built, folder: Path, train: Trainer, progress: Progress) -> dict[str, Path]:
    """Each model's folder: from its note if it is done, else from the trainer."""
    models = {}
    for number, model in enumerate(built.recipe.models):
        place = folder / model / model_key(built, model)
        place.mkdir(parents=True, exist_ok=True)
        models[model] = _finished(place) or _train(built, model, place, train)
        progress("train", number + 1, len(built.recipe.models))
    return models


def _train(built: Built, model: str, place: Path, train: Trainer) -> Path:
    made = train(built.recipe, built.raw(model), place)
    if not made.is_dir() or not made.resolve().is_relative_to(place.resolve()):
        raise BackendError(
            f"The trainer left no model of '{model}' in {place}, but returned {made}."
        )
    with write_whole(place / DONE) as temporary:
        name = made.resolve().relative_to(place.resolve()).as_posix()
        temporary.write_text(json.dumps({"model": name}), encoding="utf-8")
    return made


def _finished(place: Path) -> Path | None:
    if not (place / DONE).is_file():
        return None
    made = place / json.loads((place / DONE).read_text(encoding="utf-8"))["model"]
    return made if made.is_dir() else None


def model_key(built: Built, model: str) -> str:
    """Changes with anything that the model would be trained on or with, and with nothing else."""
    cases = [
        (one.name, one.image_sha256, one.label_sha256, one.fold, one.trust, one.label_kind)
        for one in trained_on(built.entries, model)
    ]
    recipe = built.recipe
    shapes = recipe.shapes if model == "general" else ()
    how = [as_json(one) for one in (recipe.training, recipe.locator, shapes)]
    content = json.dumps([how, cases], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def evaluated(
    study: Study,
    built: Built,
    models: Mapping[str, Path],
    load_model: ModelLoader,
    progress: Progress,
) -> list[Measurement]:
    """All models on all test cases; a model is opened once, and only if something is missing."""
    cases = cases_to_test(study, built)
    rows = []
    for number, (model, path) in enumerate(models.items()):
        place = study.folder / "evaluation" / model / model_key(built, model)
        place.mkdir(parents=True, exist_ok=True)
        known = read_lines(place / "journal.jsonl")
        segment = _loaded_once(load_model, path)
        candidate = Candidate(model, segment, _radiological(built, model))
        done = set(known)

        def keep(_: str, case: EvaluationCase, found: Segmentation, place: Path = place) -> None:
            save(found, place / f"{case.name}.nii.gz")

        def tell(now: int, total: int, number: int = number) -> None:
            progress("evaluate", number * total + now, len(models) * total)

        for row in evaluate_models([candidate], cases, known, tell, keep):
            if row not in done:
                append(row, place / "journal.jsonl")
            rows.append(row)
    return rows


def _loaded_once(load_model: ModelLoader, path: Path) -> Segmenter:
    opened: list[Segmenter] = []

    def segment(image: Volume) -> Segmentation:
        if not opened:
            opened.append(load_model(path))
        return opened[0](image)

    return segment


def cases_to_test(study: Study, built: Built) -> tuple[EvaluationCase, ...]:
    """The labelled images of people that no model is trained on.

    Raises
    ------
    DatasetError
        There are none.
    """
    found = index_datasets(built.recipe, study.data)
    cases = cases_of_manifest(built.entries, {one.dataset: one.root for one in found})
    if not cases:
        raise DatasetError("Nobody is left to test on: raise split.test, or add an unseen dataset.")
    return cases


def _radiological(built: Built, model: str) -> TrainingData:
    entries = trained_on(built.entries, model)
    return TrainingData(
        frozenset(one.image_sha256 for one in entries), frozenset(one.person for one in entries)
    )
