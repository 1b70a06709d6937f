"""Measurement of models on test sets: every metric of every image.

A segmenter is any function from an image to its segmentation on the same grid. If a model
raises an error on an image, the case is marked "failed" and counts as an empty prediction. A case
that a model was trained on is refused.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from sct_deepseg_general.datasets.conversion import THRESHOLD, label_reason
from sct_deepseg_general.errors import DatasetError, DeepsegError, ImageError
from sct_deepseg_general.evaluation.cases import EvaluationCase, TrainingData
from sct_deepseg_general.evaluation.measurement import Measurement, measurement_of
from sct_deepseg_general.files import sha256
from sct_deepseg_general.image.nifti import load, load_map
from sct_deepseg_general.image.volume import Grid, Segmentation, Volume

__all__ = ["Candidate", "Segmenter", "evaluate_models", "reference_of"]

Segmenter = Callable[[Volume], Segmentation]
_FAILURES = (DeepsegError, RuntimeError, ValueError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class Candidate:
    """A model to evaluate, or a set of masks, and what it was trained on."""

    name: str
    segment: Segmenter | None = None
    trained_on: TrainingData = field(default_factory=TrainingData)
    masks: Mapping[str, Path] = field(default_factory=dict, hash=False)
    """The mask of each case, by the case's name, where there is no `segment`."""

    def predicted(self, case: EvaluationCase, image: Volume) -> Segmentation:
        """The segmentation of a case's image on its grid.

        Raises
        ------
        DeepsegError
            The model cannot segment the image, or the mask is not on its grid.
        """
        if self.segment is not None:
            return self.segment(image)
        return reference_of(image, load_map(self.masks[case.name]), str(self.masks[case.name]))


def evaluate_models(
    candidates: Sequence[Candidate],
    cases: Sequence[EvaluationCase],
    known: Iterable[Measurement] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    keep: Callable[[str, EvaluationCase, Segmentation], None] = lambda model, case, found: None,
) -> Iterator[Measurement]:
    """Measure every candidate on every case, case by case; each image is read once.

    Parameters
    ----------
    candidates : sequence of Candidate
        Models, or sets of existing masks.
    cases : sequence of EvaluationCase
        Images with their references.
    known : iterable of Measurement
        Earlier measurements; those of the same model, image and label are not made again.
    progress : callable
        Called after each case with the number of cases done and their total.
    keep : callable
        Called with model, case and each new segmentation, before its measurement is given.

    Yields
    ------
    Measurement
        Overlap in [0, 1], volumes in mm³, distances in mm, areas in mm².

    Returns
    -------
    iterator of Measurement
        One for each case and candidate, in this order.

    Raises
    ------
    DatasetError
        Before anything is measured: two candidates have one name, a model was trained on a case,
        or a reference does not fit its image.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.evaluation.cases import EvaluationCase
    >>> from sct_deepseg_general.evaluation.evaluate import Candidate, evaluate_models
    >>> files = {"image": Path("t2.nii.gz"), "label": Path("t2_seg.nii.gz")}
    >>> case = EvaluationCase("ours", "one", "ours/sub-01", "", "", "T2w", **files)
    >>> masks = Candidate("reference", masks={"one": files["label"]})
    >>> [(row.dice, row.csa_error) for row in evaluate_models([masks], [case])]
    [(1.0, 0.0)]
    """
    _refuse_one_name(candidates)
    _refuse_training_cases(candidates, cases)
    _check_references(cases)
    done = {(one.model, one.name, one.image_sha256, one.label_sha256): one for one in known}
    for number, case in enumerate(cases):
        hashes = sha256(case.image), sha256(case.label)
        keys = {one.name: (one.name, case.name, *hashes) for one in candidates}
        images = None
        for candidate in candidates:
            measurement = done.get(keys[candidate.name])
            if measurement is None:
                images = images or _read(case)
                measurement, found = _measured(candidate, case, hashes, *images)
                keep(candidate.name, case, found)
            yield measurement
        progress(number + 1, len(cases))


def reference_of(image: Volume, label: Volume, where: str) -> Segmentation:
    """The label as 0/1 on the image's own axes and grid.

    Raises
    ------
    DatasetError
        It does not lie on the image, or its values make no sense.
    """
    _check_reference(image.grid, label, where)
    data = label.reoriented(image.grid.axcodes).data > THRESHOLD
    return Segmentation(data.astype(np.uint8), image.grid)


def _refuse_one_name(candidates: Iterable[Candidate]) -> None:
    """Refuse candidates whose rows a table, and its means, could not tell apart."""
    for name, count in Counter(one.name for one in candidates).items():
        if count > 1:
            raise DatasetError(
                f"{name} is given {count} times, and its rows would be counted together: give "
                "each model and each folder of masks once."
            )


def _refuse_training_cases(
    candidates: Iterable[Candidate], cases: Iterable[EvaluationCase]
) -> None:
    trained = [
        (one.name, case.name) for one in candidates for case in cases if one.trained_on.has(case)
    ]
    if trained:
        model, name = trained[0]
        raise DatasetError(
            f"{model} was trained on {name} or on this person ({len(trained)} such pairs): leave "
            f"the training people out of the test."
        )


def _check_references(cases: Iterable[EvaluationCase]) -> None:
    """Check all references before anything is measured; of the images only headers are read."""
    for case in cases:
        try:
            reference = load(case.label)
            image = nib.load(case.image)
            grid = Grid(image.shape[:3], image.affine)
        except (DeepsegError, OSError, ValueError, ImageFileError) as error:
            raise DatasetError(f"{case.name} has no usable reference: {error}") from error
        _check_reference(grid, reference, str(case.label))


def _check_reference(grid: Grid, label: Volume, where: str) -> None:
    if label.frames > 1:
        raise DatasetError(f"{where} is 4D ({label.frames} volumes): give a 3D mask.")
    reason = label_reason(grid, label)
    if reason and reason != "label is empty":
        raise DatasetError(f"{where} cannot be used with its image: {reason}.")


def _read(case: EvaluationCase) -> tuple[Volume, Segmentation]:
    image = load(case.image)
    try:
        label = load(case.label, nan_background=False)
    except ImageError as error:
        raise DatasetError(f"{case.name} has no usable reference: {error}") from error
    return image, reference_of(image, label, str(case.label))


def _measured(
    candidate: Candidate,
    case: EvaluationCase,
    hashes: tuple[str, str],
    image: Volume,
    reference: Segmentation,
) -> tuple[Measurement, Segmentation]:
    start = time.perf_counter()
    status, reason = "ok", ""
    prediction = Segmentation(np.zeros_like(reference.data), reference.grid)
    try:
        prediction = candidate.predicted(case, image)
    except _FAILURES as error:
        status, reason = "failed", " ".join(str(error).split()) or type(error).__name__
    seconds = time.perf_counter() - start
    if status == "ok" and not prediction.data.any():
        status = "empty"
    row = measurement_of(candidate.name, case, hashes, (status, reason), prediction, reference)
    return replace(row, seconds=round(seconds, 2)), prediction
