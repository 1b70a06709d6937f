"""A recipe proposed for BIDS datasets: contrasts, labels, people and their split, as found."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from sct_deepseg_general.bids.cases import DatasetIndex
from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.datasets.recipe import Dataset, Part, Recipe, SplitRule, Training, checked
from sct_deepseg_general.datasets.sources import index_datasets
from sct_deepseg_general.datasets.split import part_of, split_people
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.recipes.doubts import doubts, identical_images
from sct_deepseg_general.words import counted

__all__ = ["Proposal", "RecipeSettings", "propose", "summary"]

_LEAST_FOR_FOLDS = 10  # people to train on, for a validation on people left out
_LEAST_FOR_TEST = 4  # labelled people of a dataset, for one of them to be tested on


@dataclass(frozen=True)
class RecipeSettings:
    """How the networks of a proposed recipe are trained."""

    training: Training
    locator: Training | None

    def limited(self, minutes: float) -> RecipeSettings:
        """The same, with a time limit in minutes for each network."""
        locator = self.locator and replace(self.locator, minutes=minutes)
        return RecipeSettings(replace(self.training, minutes=minutes), locator)


@dataclass(frozen=True)
class Proposal:
    """A checked recipe, the folder below which its datasets lie, and what was found there."""

    recipe: Recipe
    data: Path
    indexes: tuple[DatasetIndex, ...]
    doubts: tuple[str, ...]


def propose(
    bids: Sequence[Path], unseen: Sequence[Path], settings: RecipeSettings, name: str
) -> Proposal:
    """Propose a recipe for BIDS datasets.

    Parameters
    ----------
    bids, unseen : sequence of Path
        BIDS datasets to train and test on, and datasets only to test on.
    settings : RecipeSettings
        How the networks are trained.
    name : str
        The recipe's name.

    Returns
    -------
    Proposal
        The recipe, with every contrast and label that was found, people who share an image in
        `same_person`, and each person's part in `split.assigned`.

    Raises
    ------
    DatasetError
        A folder is no BIDS dataset, has no label, or two datasets are the same.

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
    >>> from sct_deepseg_general.recipes.proposal import RecipeSettings, propose
    >>> from sct_deepseg_general.datasets.recipe import Training
    >>> proposal = propose([Path("data/ours")], [], RecipeSettings(Training(), None), "study")
    >>> proposal.recipe.datasets[0].contrasts
    ('T2w',)
    >>> proposal.doubts
    ('ours: only 1 labelled person; results will depend on single people.',)
    """
    places = [path.resolve() for path in (*bids, *unseen)]
    names = _names(places)
    above = Path(os.path.commonpath([path.parent for path in places]))
    datasets = tuple(
        _dataset(path, names[path], above, "seen" if number < len(bids) else "unseen")
        for number, path in enumerate(places)
    )
    recipe = Recipe(name, datasets, training=settings.training, locator=settings.locator)
    indexes = index_datasets(recipe, [above])
    recipe = replace(recipe, same_person=_same_people(recipe, indexes))
    recipe = checked(_with_split(recipe, indexes), "the proposed recipe")
    split_people(recipe, indexes)
    return Proposal(recipe, above, indexes, doubts(recipe, indexes))


def summary(index: DatasetIndex) -> str:
    """What a dataset holds, in one line: images, people, contrasts, labels and voxel sizes."""
    labelled = index.labelled
    people = {case.participant for case in labelled}
    contrasts = Counter(case.contrast for case in labelled)
    counts = ", ".join(f"{name} {count}" for name, count in sorted(contrasts.items()))
    return (
        f"{len(labelled)} of {counted(len(index.cases), 'image is', 'images are')} labelled, "
        f"{counted(len(people), 'person', 'people')}: "
        f"{counts}; voxels {_voxel_sizes(index)}"
    )


def _names(places: Iterable[Path]) -> Mapping[Path, str]:
    """A name for each dataset that a recipe accepts: letters, digits and hyphens."""
    names: dict[Path, str] = {}
    for path in places:
        plain = re.sub(r"[^A-Za-z0-9]+", "-", path.name).strip("-") or "dataset"
        plain = "general-data" if plain == "general" else plain
        if path in names:
            raise DatasetError(f"{path} is given twice: give it once, with -bids or with -unseen.")
        taken = sum(one == plain or one.startswith(f"{plain}-") for one in names.values())
        names[path] = f"{plain}-{taken + 1}" if plain in names.values() else plain
    return names


def _dataset(path: Path, name: str, above: Path, role: str) -> Dataset:
    plain = Dataset(name, "seen" if role == "seen" else "unseen")
    folder = path.relative_to(above).as_posix()
    found = max(
        (replace(plain, derivatives=one) for one in _derivatives(path)),
        key=lambda one: len(index(path, one.selection, name).labelled),
    )
    labelled = index(path, found.selection, name).labelled
    if not labelled:
        raise DatasetError(
            f"No image of {path} has a label: labels are looked for in derivatives/*/ as "
            f"{', '.join(plain.label_suffixes)}."
        )
    soft = all("softseg" in case.label.name for case in labelled if case.label is not None)
    return replace(
        found,
        folder="" if folder == name else folder,
        contrasts=tuple(sorted({case.contrast for case in labelled})),
        label="soft" if soft else "hard",
    )


def _derivatives(path: Path) -> list[str]:
    """The folders below derivatives/ that may hold labels, the usual one first."""
    folder = path / "derivatives"
    names = sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    return sorted(names, key=lambda one: one != Dataset.derivatives) or [Dataset.derivatives]


def _same_people(recipe: Recipe, indexes: Iterable[DatasetIndex]) -> tuple[tuple[str, ...], ...]:
    groups = identical_images(indexes)
    unseen = {one.name for one in recipe.unseen}
    for group in groups:
        roles = {who.split("/", 1)[0] in unseen for who in group}
        if len(roles) > 1:
            raise DatasetError(
                f"{' and '.join(group)} have an image in common, but one of them is in a dataset "
                f"to train on and one in an unseen dataset: take the image out of one of them."
            )
    return groups


def _with_split(recipe: Recipe, indexes: Iterable[DatasetIndex]) -> Recipe:
    """The recipe with a part for each person: nobody is missing in training, few in the test."""
    seen = {one.name for one in recipe.seen}
    people = {
        one.dataset: sorted({recipe.person(one.dataset, case.participant) for case in one.labelled})
        for one in indexes
        if one.dataset in seen
    }
    parts: dict[str, Part] = {
        who: part_of(who, recipe.split) for group in people.values() for who in group
    }
    for group in people.values():
        if all(parts[who] == "test" for who in group):
            parts[group[0]] = "train"
        if len(group) >= _LEAST_FOR_TEST and all(parts[who] == "train" for who in group):
            parts[group[-1]] = "test"
    trained = sum(part == "train" for part in parts.values())
    folds = SplitRule().folds if trained >= _LEAST_FOR_FOLDS else 1
    return replace(recipe, split=replace(recipe.split, folds=folds)).with_split(parts)


def _voxel_sizes(found: DatasetIndex) -> str:
    sizes = []
    for case in found.labelled:
        try:
            sizes.append(nib.load(case.image).header.get_zooms()[:3])
        except (OSError, ValueError, ImageFileError):
            continue
    if not sizes:
        return "unknown"
    low, high = np.min(sizes, axis=0), np.max(sizes, axis=0)
    text = " x ".join(
        f"{a:.3g}" if np.isclose(a, b, rtol=0.01) else f"{a:.3g}-{b:.3g}"
        for a, b in zip(low, high, strict=True)
    )
    return f"{text} mm"
