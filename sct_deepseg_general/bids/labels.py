"""Labels of images: which file below `derivatives/` belongs to which image."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from sct_deepseg_general.bids.cases import DatasetSelection, Skipped
from sct_deepseg_general.bids.folders import folders, misplaced, niftis_of
from sct_deepseg_general.files import stem_of

__all__ = ["labels_of"]

_EXTRA_ENTITIES = re.compile(r"_(?:space|desc)-[A-Za-z0-9]+")


def labels_of(
    root: Path, selection: DatasetSelection, images: Mapping[str, Path]
) -> tuple[dict[str, Path], list[Skipped]]:
    """The best label of each image's stem, and the labels that belong to no image."""
    best: dict[str, tuple[int, Path]] = {}
    orphans = []
    folder = root / "derivatives" / selection.derivatives
    for path in _label_files(folder, selection.datatypes, selection.label_suffixes):
        stem = stem_of(path.name)
        owner, rest = _owner(stem, images)
        rank = _rank(rest if owner else stem, selection.label_suffixes, whole=bool(owner))
        if rank is None:
            continue
        reason = misplaced(path)
        if reason or not owner:
            why = f"label {reason}" if reason else "label without an image"
            orphans.append(Skipped(path, why))
        elif owner in best and stem_of(best[owner][1]) == stem:
            orphans.append(Skipped(path, f"the same name as {best[owner][1].name}"))
        elif owner not in best or rank < best[owner][0]:
            best[owner] = (rank, path)
    return {stem: path for stem, (_, path) in best.items()}, orphans


def _label_files(folder: Path, datatypes: Iterable[str], suffixes: Sequence[str]) -> Iterator[Path]:
    if suffixes and folder.is_dir():
        for subject in sorted(folders(folder, "sub-")):
            yield from niftis_of(subject, datatypes)


def _owner(stem: str, images: Mapping[str, Path]) -> tuple[str, str]:
    """The longest image name that begins a label's name, and what follows it."""
    for text in (stem, _EXTRA_ENTITIES.sub("", stem)):
        end = text.rfind("_")
        while end > 0:
            if text[:end] in images:
                return text[:end], text[end:]
            end = text.rfind("_", 0, end)
    return "", ""


def _rank(text: str, suffixes: Iterable[str], whole: bool) -> int | None:
    start = "" if whole else "*"
    ranks = (i for i, suffix in enumerate(suffixes) if fnmatchcase(text, start + suffix))
    return next(ranks, None)
