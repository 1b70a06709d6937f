"""Where the datasets of a recipe lie, and which images and labels they hold."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sct_deepseg_general.bids.cases import Case, DatasetIndex, Skipped
from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.datasets.recipe import Dataset, Recipe
from sct_deepseg_general.errors import DatasetError

__all__ = ["index_datasets"]


def index_datasets(recipe: Recipe, data: Sequence[Path]) -> tuple[DatasetIndex, ...]:
    """What each dataset of the recipe holds, looked for in the folders `data` in order.

    Raises
    ------
    DatasetError
        A dataset is in none of the folders.
    """
    return tuple(_index(one, data) for one in recipe.datasets)


def _index(dataset: Dataset, data: Sequence[Path]) -> DatasetIndex:
    places = [_place(dataset.name, folder, data) for folder in dataset.folders]
    parts = [index(place, dataset.selection, dataset.name) for place in places]
    if len(parts) == 1:
        return parts[0]
    cases = [case for part in parts for case in part.cases]
    twice = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if twice:
        raise DatasetError(f"{twice[0]} is in two folders of '{dataset.name}': exclude one.")
    skipped = tuple(one for part in parts for one in part.skipped)
    root = Path(os.path.commonpath([place.resolve() for place in places]))
    return DatasetIndex(
        dataset.name,
        root,
        tuple(map(_resolved, cases)),
        tuple(map(_resolved_file, skipped)),
        tuple(_resolved(case) for part in parts for case in part.missing),
        tuple(_resolved_file(one) for part in parts for one in part.absent),
    )


def _resolved(case: Case) -> Case:
    """The case with paths that are below the common folder of its dataset."""
    label = case.label and _absolute(case.label)
    return replace(case, image=_absolute(case.image), label=label)


def _resolved_file(skipped: Skipped) -> Skipped:
    return replace(skipped, path=_absolute(skipped.path))


def _absolute(path: Path) -> Path:
    return path.parent.resolve() / path.name  # a link to a file stays a link


def _place(name: str, folder: str, data: Sequence[Path]) -> Path:
    places = [place / folder for place in data]
    for place in places:
        if place.is_dir():
            return place
    raise DatasetError(
        f"The dataset '{name}' is not there: looked for {' and '.join(map(str, places))}. "
        f"Say with -data where the datasets lie."
    )
