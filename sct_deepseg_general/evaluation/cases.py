"""Test cases: labelled images, and what a model has seen of them in training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sct_deepseg_general.bids.cases import Case, DatasetIndex
from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.manifest import FILE, ManifestRow, read_manifest
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import sha256

__all__ = [
    "EvaluationCase",
    "TrainingData",
    "cases_of_indexes",
    "cases_of_manifest",
    "training_data_of",
]


@dataclass(frozen=True)
class EvaluationCase:
    """An image with its reference; `test_set` is what tables group it by."""

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

    def has(self, case: EvaluationCase) -> bool:
        """Whether this image, or another one of this person, was trained on."""
        return case.person in self.people or (
            bool(self.images) and sha256(case.image) in self.images
        )


def cases_of_indexes(indexes: Iterable[DatasetIndex]) -> tuple[EvaluationCase, ...]:
    """The labelled cases of BIDS datasets.

    Raises
    ------
    DatasetError
        Two datasets have one name, so that their people would count as the same.
    """
    indexes = tuple(indexes)
    places: dict[str, Path] = {}
    for one in indexes:
        if one.dataset in places:
            raise DatasetError(
                f"Two datasets are named {one.dataset} ({places[one.dataset]} and {one.root}), "
                "and their people would count as the same: rename a folder, or evaluate them one "
                "after the other."
            )
        places[one.dataset] = one.root
    cases = (case for one in indexes for case in one.labelled)
    return tuple(_test_case(case) for case in cases)


def cases_of_manifest(
    entries: Iterable[ManifestRow], roots: Mapping[str, Path]
) -> tuple[EvaluationCase, ...]:
    """The cases of a manifest that are tested on; `roots` says where each dataset lies."""
    return tuple(
        EvaluationCase(
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


def _test_case(case: Case) -> EvaluationCase:
    assert case.label is not None  # noqa: S101  only labelled cases come here
    return EvaluationCase(
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
