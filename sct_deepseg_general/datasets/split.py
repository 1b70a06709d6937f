"""The split into people to train on and people to test on.

A person's part depends on a hash of their name and the seed alone, so that adding people, sessions
or images changes nobody else's part. Parts stored in the recipe, or imported, take precedence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sct_deepseg_general.bids.cases import Case, DatasetIndex
from sct_deepseg_general.datasets.recipe import Part, Recipe, SplitRule
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.schema import raising, read_json
from sct_deepseg_general.text_files import read_rows, read_text

__all__ = ["Split", "fold_of", "imported", "part_of", "split_people", "training_folds"]

_PARTS: Mapping[str, Part] = {
    "train": "train", "training": "train", "val": "train", "valid": "train",
    "validation": "train", "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Where each person is; people are named as `Recipe.person` names them."""

    parts: Mapping[str, Part]
    folds: Mapping[str, int]
    """The fold in which a person of "train" validates."""


def split_people(recipe: Recipe, datasets: Iterable[DatasetIndex]) -> Split:
    """Decide who of the seen datasets' labelled people is trained on and who is tested on.

    A person's place comes from a hash of their name, unless the recipe assigns one.

    Parameters
    ----------
    recipe : Recipe
        The share to test on, the seed, the number of folds, and the people who are assigned.
    datasets : iterable of DatasetIndex
        What each dataset of the recipe holds.

    Returns
    -------
    Split
        The part of each person, and the fold in which each person of "train" validates.

    Raises
    ------
    DatasetError
        A person is both in a seen and an unseen dataset, one person's names are assigned to
        different parts, or a seen dataset has nobody to train on.

    Examples
    --------
    >>> from pathlib import Path
    >>> from shutil import copyfile
    >>> anat = Path("data/ours/sub-01/anat")
    >>> labels = Path("data/ours/derivatives/labels/sub-01/anat")
    >>> for folder in (anat, labels):
    ...     folder.mkdir(parents=True)
    >>> _ = copyfile("t2.nii.gz", anat / "sub-01_T2w.nii.gz")
    >>> _ = copyfile("t2_seg.nii.gz", labels / "sub-01_T2w_seg-manual.nii.gz")
    >>> from sct_deepseg_general.bids.dataset import index
    >>> from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule
    >>> from sct_deepseg_general.datasets.split import split_people
    >>> recipe = Recipe("study", (Dataset("ours"),), split=SplitRule(test=0.0, folds=1))
    >>> split_people(recipe, [index(Path("data/ours"))]).parts
    {'ours/sub-01': 'train'}
    """
    datasets = tuple(datasets)
    seen_names = {one.name for one in recipe.seen}
    people = {one.dataset: _people(recipe, one.labelled) for one in datasets}
    seen = _union(people, seen_names)
    _check_unseen(seen & _union(people, {one.name for one in recipe.unseen}))
    assigned = _assigned(recipe)
    parts = {one: assigned.get(one) or part_of(one, recipe.split) for one in sorted(seen)}
    for one in datasets:
        if one.dataset in seen_names:
            _check_train(one, [parts[person] for person in people[one.dataset]])
    train = (one for one, part in parts.items() if part == "train")
    return Split(parts, {one: fold_of(one, recipe.split) for one in train})


def part_of(person: str, rule: SplitRule) -> Part:
    """A person's part by the hash of their name."""
    return "test" if _draw(person, rule.seed, "part") < rule.test else "train"


def fold_of(person: str, rule: SplitRule) -> int:
    """The fold in which a person validates, by the hash of their name."""
    return int(_draw(person, rule.seed, "fold") * rule.folds)


def training_folds(
    folds: Mapping[str, int], people: Mapping[str, str], count: int
) -> list[dict[str, list[str]]]:
    """nnU-Net's `splits_final.json` for the cases whose person is given in `people`.

    A fold without people to validate on uses those of the next fold. Where all people are in one
    fold, the same people are trained on and validated on, and the curves say nothing of others.
    """
    taken = sorted({folds[person] for person in people.values()})
    splits = []
    for fold in range(count):
        used = next((one for one in taken if one >= fold), taken[0])
        val = sorted(case for case, person in people.items() if folds[person] == used)
        train = sorted(set(people) - set(val)) or val
        splits.append({"train": train, "val": val})
    return splits


def imported(path: Path, datasets: Iterable[str]) -> dict[str, Part]:
    """An existing split as `dataset/participant` to part, from JSON, YAML or TSV.

    JSON and YAML: {"train": [...], "test": [...]}, or the same inside an object for each
    dataset. TSV: columns participant_id, split and, with several datasets, dataset. "val" is
    counted to "train" (folds are made of it). A bare participant needs a single dataset.

    Raises
    ------
    DatasetError
        The file is none of these, or puts one person in two parts.
    """
    names = tuple(datasets)
    pairs = _table(path) if path.suffix.lower() in {".tsv", ".csv"} else _tree(_content(path), "")
    found: dict[str, Part] = {}
    for person, word in pairs:
        name, part = _full_name(person, names, path), _part(word, path)
        if found.setdefault(name, part) != part:
            raise DatasetError(f"{path}: {name} is in two parts; keep one.")
    if not found:
        raise DatasetError(f"{path} assigns nobody: give lists of participants by part.")
    return found


def _draw(person: str, seed: int, purpose: str) -> float:
    digest = hashlib.sha256(f"{seed}:{purpose}:{person}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _people(recipe: Recipe, cases: Iterable[Case]) -> set[str]:
    return {recipe.person(case.dataset, case.participant) for case in cases}


def _union(people: Mapping[str, set[str]], names: set[str]) -> set[str]:
    return set().union(*(people[name] for name in names if name in people))


def _check_unseen(both: set[str]) -> None:
    if both:
        raise DatasetError(
            f"{min(both)} is both in a seen and in an unseen dataset: exclude this person from one."
        )


def _check_train(dataset: DatasetIndex, parts: list[Part]) -> None:
    if "train" in parts:
        return
    left = "; ".join(f"{count} x {reason}" for reason, count in dataset.reasons.items())
    advice = (
        "assign somebody to 'train' in split.assigned, or make the dataset unseen"
        if parts
        else "check the folder of the labels (derivatives) and their endings (suffix)"
    )
    raise DatasetError(
        f"The dataset '{dataset.dataset}' has nobody to train on ({len(parts)} labelled people"
        f"{f'; left out: {left}' if left else ''}): {advice}."
    )


def _assigned(recipe: Recipe) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for name, part in recipe.split.assigned.items():
        person = recipe.person(*name.split("/", 1))
        if parts.setdefault(person, part) != part:
            raise DatasetError(
                f"{name} and {person} are one person, but assigned to both parts; choose one."
            )
    return parts


def _content(path: Path) -> Any:
    if path.suffix.lower() not in {".yml", ".yaml"}:
        with raising(DatasetError):
            return read_json(path)
    import yaml

    try:
        return yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise DatasetError(f"{path} cannot be read as YAML: {error}.") from error


def _tree(content: Any, dataset: str) -> Iterable[tuple[str, str]]:
    if not isinstance(content, Mapping):
        raise DatasetError("A split must be an object of lists: {'train': [...], 'test': [...]}.")
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _tree(value, str(key))
        elif isinstance(value, list):
            prefix = f"{dataset}/" if dataset else ""
            yield from ((f"{prefix}{person}", str(key)) for person in value)


def _table(path: Path) -> list[tuple[str, str]]:
    rows = read_rows(path, ("participant_id", "split"))
    prefixes = (f"{row['dataset']}/" if row.get("dataset") else "" for row in rows)
    return [
        (p + row["participant_id"], row["split"]) for p, row in zip(prefixes, rows, strict=True)
    ]


def _full_name(person: str, names: tuple[str, ...], path: Path) -> str:
    dataset, slash, participant = person.rpartition("/")
    if not slash and len(names) == 1:
        dataset = names[0]
    if dataset not in names:
        raise DatasetError(
            f"{path}: '{person}' does not say which dataset it is of; write dataset/sub-label "
            f"with one of {', '.join(names)}."
        )
    return f"{dataset}/{participant if participant.startswith('sub-') else 'sub-' + participant}"


def _part(word: str, path: Path) -> Part:
    if word.lower() not in _PARTS:
        raise DatasetError(f"{path}: '{word}' is no part; use train, val or test.")
    return _PARTS[word.lower()]
