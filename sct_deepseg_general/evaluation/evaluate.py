"""Measurement of models on test sets: every metric of every image.

A segmenter is any function from an image to its segmentation on the same grid. If a model
raises an error on an image, the case is marked "failed" and counts as an empty prediction. A case
that a model was trained on is refused.

CSA is compared slice by slice, perpendicular to the cord, over the slices in which the
reference has cord: `csa_error` is the mean of predicted minus reference area (mm²) and
`csa_error_abs` the mean of its absolute value; a slice without prediction has area 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from sct_deepseg_general.bids.cases import Case, DatasetIndex
from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.conversion import THRESHOLD, label_reason
from sct_deepseg_general.datasets.manifest import FILE, ManifestRow, read_manifest
from sct_deepseg_general.errors import DatasetError, DeepsegError, ImageError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.image.metrics import agreement
from sct_deepseg_general.image.nifti import load, load_map
from sct_deepseg_general.image.volume import Grid, Segmentation, Volume
from sct_deepseg_general.morphometry.morphometrics import measure

__all__ = [
    "METRICS",
    "AreaProfile",
    "Candidate",
    "Measurement",
    "Segmenter",
    "TestCase",
    "TrainingData",
    "evaluate_models",
    "reference_of",
    "test_cases",
    "test_cases_of",
    "training_data_of",
]

Segmenter = Callable[[Volume], Segmentation]
_UPRIGHT = ("L", "A", "S")  # the axes in which `measure` counts slices
_FAILURES = (DeepsegError, RuntimeError, ValueError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class TestCase:
    """An image with its reference; `test_set` is what tables group it by."""

    __test__ = False  # pytest collects classes of this name

    test_set: str
    name: str
    person: str
    session: str
    run: str
    contrast: str
    image: Path
    label: Path


@dataclass(frozen=True)
class TrainingData:
    """What a model was trained on; empty if that is not known."""

    images: frozenset[str] = frozenset()
    """SHA-256 of the image files."""
    people: frozenset[str] = frozenset()
    """`dataset/participant`, under all their names."""

    @property
    def known(self) -> bool:
        """Whether the model says what it was trained on."""
        return bool(self.images or self.people)

    def has(self, case: TestCase) -> bool:
        """Whether this image, or another one of this person, was trained on."""
        return case.person in self.people or (
            bool(self.images) and sha256(case.image) in self.images
        )


@dataclass(frozen=True)
class Candidate:
    """A model to evaluate, or a set of masks, and what it was trained on."""

    name: str
    segment: Segmenter | None = None
    trained_on: TrainingData = TrainingData()
    masks: Mapping[str, Path] = field(default_factory=dict, hash=False)
    """The mask of each case, by the case's name, where there is no `segment`."""

    def predicted(self, case: TestCase, image: Volume) -> Segmentation:
        """The segmentation of a case's image on its grid.

        Raises
        ------
        DeepsegError
            The model cannot segment the image, or the mask is not on its grid.
        """
        if self.segment is not None:
            return self.segment(image)
        return reference_of(image, load_map(self.masks[case.name]), str(self.masks[case.name]))


@dataclass(frozen=True)
class AreaProfile:
    """CSA along the cord: `height` (mm, world superior) and areas (mm²) of each slice.

    Slices are those in which the reference has cord; `predicted` is 0 where there is none.
    """

    height: tuple[float, ...] = ()
    predicted: tuple[float, ...] = ()
    reference: tuple[float, ...] = ()


@dataclass(frozen=True)
class Measurement:
    """One model on one image: a row of the table, and the CSA profile behind it.

    Shares are in [0, 1], volumes in mm³, distances in mm, areas in mm², errors as named.
    """

    model: str
    test_set: str
    name: str
    person: str
    session: str
    run: str
    contrast: str
    image_sha256: str
    label_sha256: str
    status: str
    """"ok", "empty" or "failed"."""
    reason: str
    dice: float
    jaccard: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    volume_error: float
    """Percent of the reference, signed."""
    volume_error_abs: float
    hausdorff: float
    hausdorff95: float
    contour_mean: float
    average_symmetric: float
    volume: float
    reference_volume: float
    csa: float
    """Mean predicted area over the reference's slices."""
    reference_csa: float
    csa_error: float
    csa_error_abs: float
    seconds: float = 0.0
    profile: AreaProfile = AreaProfile()


METRICS = tuple(one.name for one in fields(Measurement) if one.type == "float")[:-1]
"""The numeric columns, less the time."""


def test_cases(indexes: Iterable[DatasetIndex]) -> tuple[TestCase, ...]:
    """The labelled cases of BIDS datasets."""
    cases = (case for one in indexes for case in one.labelled)
    return tuple(_test_case(case) for case in cases)


test_cases.__test__ = False  # type: ignore[attr-defined]  # pytest collects names like this


def test_cases_of(
    entries: Iterable[ManifestRow], roots: Mapping[str, Path]
) -> tuple[TestCase, ...]:
    """The cases of a manifest that are tested on; `roots` says where each dataset lies."""
    return tuple(
        TestCase(
            test_set=one.dataset,
            name=one.name,
            person=one.person,
            session=one.session,
            run=one.run,
            contrast=one.contrast,
            image=roots[one.dataset] / one.image,
            label=roots[one.dataset] / one.label,
        )
        for one in entries
        if one.part != "train"
    )


test_cases_of.__test__ = False  # type: ignore[attr-defined]


def training_data_of(model_folder: Path) -> TrainingData:
    """What a model was trained on, from `cases.tsv` and `recipe.json` in its folder."""
    images: set[str] = set()
    people: set[str] = set()
    if (model_folder / FILE).is_file():
        entries = read_manifest(model_folder / FILE)
        train = [one for one in entries if one.part == "train"]
        images = {one.image_sha256 for one in train}
        people = {name for one in train for name in (one.person, _own_name(one))}
    if (model_folder / "recipe.json").is_file():
        recipe = recipes.read(model_folder / "recipe.json")
        people |= {who for who, part in recipe.split.assigned.items() if part == "train"}
        people |= {name for group in recipe.same_person if people & {*group} for name in group}
    return TrainingData(frozenset(images), frozenset(people))


def evaluate_models(
    candidates: Sequence[Candidate],
    cases: Sequence[TestCase],
    known: Iterable[Measurement] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
    keep: Callable[[str, TestCase, Segmentation], None] = lambda model, case, found: None,
) -> Iterator[Measurement]:
    """Measure every candidate on every case, case by case; each image is read once.

    Parameters
    ----------
    candidates : sequence of Candidate
        Models, or sets of existing masks.
    cases : sequence of TestCase
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
        Before anything is measured: a model was trained on a case, or a reference does not fit
        its image.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.evaluation.evaluate import Candidate, TestCase, evaluate_models
    >>> files = {"image": Path("t2.nii.gz"), "label": Path("t2_seg.nii.gz")}
    >>> case = TestCase("ours", "one", "ours/sub-01", "", "", "T2w", **files)
    >>> masks = Candidate("reference", masks={"one": files["label"]})
    >>> [(row.dice, row.csa_error) for row in evaluate_models([masks], [case])]
    [(1.0, 0.0)]
    """
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


def _test_case(case: Case) -> TestCase:
    assert case.label is not None  # noqa: S101  only labelled cases come here
    return TestCase(
        test_set=case.dataset,
        name=case.name,
        person=f"{case.dataset}/{case.participant}",
        session=case.session,
        run=case.run,
        contrast=case.contrast,
        image=case.image,
        label=case.label,
    )


def _own_name(entry: ManifestRow) -> str:
    return f"{entry.dataset}/{entry.participant}"


def _refuse_training_cases(candidates: Iterable[Candidate], cases: Iterable[TestCase]) -> None:
    trained = [
        (one.name, case.name) for one in candidates for case in cases if one.trained_on.has(case)
    ]
    if trained:
        model, name = trained[0]
        raise DatasetError(
            f"{model} was trained on {name} or on this person ({len(trained)} such pairs): leave "
            f"the training people out of the test."
        )


def _check_references(cases: Iterable[TestCase]) -> None:
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


def _read(case: TestCase) -> tuple[Volume, Segmentation]:
    image = load(case.image)
    try:
        label = load(case.label, nan_background=False)
    except ImageError as error:
        raise DatasetError(f"{case.name} has no usable reference: {error}") from error
    return image, reference_of(image, label, str(case.label))


def _measured(
    candidate: Candidate,
    case: TestCase,
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
    row = _row(candidate.name, case, hashes, (status, reason), prediction, reference)
    return replace(row, seconds=round(seconds, 2)), prediction


def _row(
    model: str,
    case: TestCase,
    hashes: tuple[str, str],
    outcome: tuple[str, str],
    prediction: Segmentation,
    reference: Segmentation,
) -> Measurement:
    result = agreement(prediction, reference)
    profile = _profile(prediction, reference)
    found, truth = np.array(profile.predicted), np.array(profile.reference)
    return Measurement(
        model=model,
        test_set=case.test_set,
        name=case.name,
        person=case.person,
        session=case.session,
        run=case.run,
        contrast=case.contrast,
        image_sha256=hashes[0],
        label_sha256=hashes[1],
        status=outcome[0],
        reason=outcome[1],
        **vars(result.overlap),
        **vars(result.distances),
        volume=result.volume,
        reference_volume=result.reference_volume,
        csa=_mean(found),
        reference_csa=_mean(truth),
        csa_error=_mean(found - truth),
        csa_error_abs=_mean(np.abs(found - truth)),
        profile=profile,
    )


def _profile(prediction: Segmentation, reference: Segmentation) -> AreaProfile:
    truth, found = measure(reference), measure(prediction)
    slices = truth.slices
    grid = reference.grid.reoriented(_UPRIGHT)
    height = grid.affine[2, 3] + slices * grid.affine[2, 2]
    areas = np.nan_to_num(found.area[slices]), truth.area[slices]
    return AreaProfile(*(tuple(np.round(v, 4).tolist()) for v in (height, *areas)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 0.0
