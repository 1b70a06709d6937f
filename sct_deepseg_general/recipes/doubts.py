"""What is doubtful about the datasets of a recipe: missing labels, other grids, the same people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from sct_deepseg_general.bids.cases import Case, DatasetIndex
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.files import sha256
from sct_deepseg_general.words import counted

__all__ = ["doubts", "identical_images"]

_FEW = 5  # people
_SHOWN = 3  # names in a sentence


def doubts(recipe: Recipe, indexes: Sequence[DatasetIndex]) -> tuple[str, ...]:
    """What a person should look at before a training, as sentences.

    Parameters
    ----------
    recipe : Recipe
        The recipe; its `same_person` says which names are known to be one person.
    indexes : sequence of DatasetIndex
        What each of its datasets holds.

    Returns
    -------
    tuple of str
        One sentence for each doubt, by dataset. Only names and headers are read, and images of
        equal size are hashed.
    """
    seen = {one.name for one in recipe.seen}
    single = (doubt for one in indexes for doubt in _of_one(one, trained=one.dataset in seen))
    return (*single, *_same_names(recipe, indexes), *_same_images(recipe, indexes))


def identical_images(indexes: Iterable[DatasetIndex]) -> tuple[tuple[str, ...], ...]:
    """Groups of people, as dataset/participant, who share an image file of the same content."""
    sizes: Mapping[int, list[Case]] = defaultdict(list)
    for case in (case for one in indexes for case in one.labelled):
        sizes[case.image.stat().st_size].append(case)
    hashes: Mapping[str, set[str]] = defaultdict(set)
    for case in (case for group in sizes.values() if len(group) > 1 for case in group):
        hashes[sha256(case.image)].add(f"{case.dataset}/{case.participant}")
    return _joined(tuple(sorted(people)) for people in hashes.values() if len(people) > 1)


def _joined(groups: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Groups that share a member are one group."""
    joined: list[set[str]] = []
    for group in map(set, groups):
        touching = [one for one in joined if one & group]
        joined = [one for one in joined if not one & group] + [group.union(*touching)]
    return tuple(sorted(tuple(sorted(one)) for one in joined))


def _of_one(found: DatasetIndex, *, trained: bool) -> Iterator[str]:
    name, people = found.dataset, {case.participant for case in found.labelled}
    if not people:
        yield f"{name}: no image has a label; check derivatives and label_suffixes."
    elif trained and len(people) < _FEW:
        few = counted(len(people), "labelled person", "labelled people")
        yield f"{name}: only {few}; results will depend on single people."
    for reason, count in sorted(found.reasons.items()):
        yield f"{name}: {counted(count, 'file is', 'files are')} left out ({reason})."
    other = [case.stem for case in found.labelled if not _same_grid(case)]
    if other:
        yield (
            f"{name}: the label has another grid than its image in {_some(other)}; they will be "
            f"left out."
        )
    series = [case.stem for case in found.labelled if _dimensions(case.image) > 3]
    if series:
        yield f"{name}: {_some(series)} are 4D; their volumes are averaged."


def _same_names(recipe: Recipe, indexes: Iterable[DatasetIndex]) -> Iterator[str]:
    places: Mapping[str, set[str]] = defaultdict(set)
    for one in indexes:
        for case in one.labelled:
            places[case.participant].add(one.dataset)
    shared = Counter(
        tuple(sorted(names))
        for who, names in places.items()
        if len({recipe.person(name, who) for name in names}) > 1
    )
    for names, count in sorted(shared.items()):
        yield (
            f"{' and '.join(names)} have {count} participants of the same name; if these are the "
            f"same people, list them in same_person."
        )


def _same_images(recipe: Recipe, indexes: Iterable[DatasetIndex]) -> Iterator[str]:
    for group in identical_images(indexes):
        if len({recipe.person(*who.split("/", 1)) for who in group}) > 1:
            yield f"{' and '.join(group)} have an image in common; list them in same_person."


def _same_grid(case: Case) -> bool:
    """Whether image and label fill the same box in space, as far as their headers tell."""
    if case.label is None:
        return True
    try:
        boxes = [_corners(nib.load(path)) for path in (case.image, case.label)]
    except (OSError, ValueError, ImageFileError):
        return False
    close = 0.5 * min(nib.load(case.image).header.get_zooms()[:3])
    return bool(np.abs(boxes[0] - boxes[1]).max() <= close)


def _corners(image: object) -> np.ndarray:
    """Lowest and highest world coordinates (mm) of the voxels' centres, (2, 3)."""
    size = np.array(image.shape[:3]) - 1  # type: ignore[attr-defined]
    corners = np.array(np.meshgrid(*([0, n] for n in size))).reshape(3, -1).T
    world = nib.affines.apply_affine(image.affine, corners)  # type: ignore[attr-defined]
    return np.stack([world.min(axis=0), world.max(axis=0)])


def _dimensions(path: Path) -> int:
    try:
        shape = nib.load(path).shape
    except (OSError, ValueError, ImageFileError):
        return 0
    return len(shape) if len(shape) < 4 or shape[3] > 1 else 3


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
