"""nnU-Net's results as they are published: found in folders and archives of any layout.

SCT's releases are zip archives of one results folder (`nnUNetTrainer__nnUNetPlans__3d_fullres`,
say), inside another folder or not, with any of its folds, among other files. Some consist of one
archive for each fold. Only the files that are used are unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.schema import Range, from_json, raising, read_json
from sct_deepseg_general.zoo.archive import ArchiveLimits, unpack
from sct_deepseg_general.zoo.local import CROP_FILE, USED_IN_RESULTS
from sct_deepseg_general.zoo.record import Crop

__all__ = ["Results", "found_results", "unpacked"]

_ARCHIVE_LIMITS = ArchiveLimits(members=20_000, size=16 << 30)
_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_FOLD = re.compile(r"fold_(\d+|all)")
_Margin = Annotated[float, Range(0, 1000)]


@dataclass(frozen=True)
class Results:
    """One network's results: its descriptions, a checkpoint for each fold, and how to crop."""

    plans: Path
    dataset: Path
    folds: tuple[Path, ...]
    """A checkpoint for each fold: the final one, or the best where there is no final one."""
    crop: Crop | None
    """The distances to keep around the cord, if `crop_metadata.json` states them."""
    sources: Mapping[str, str]
    """SHA-256 of each archive and of each file that is used."""

    @property
    def dataset_json(self) -> Mapping[str, Any]:
        """The content of dataset.json."""
        with raising(ModelError):
            return read_json(self.dataset)


def unpacked(sources: Sequence[Path], scratch: Path) -> tuple[Path, ...]:
    """Each source as a folder: archives are unpacked into `scratch`, used files only.

    Raises
    ------
    ModelError
        A source does not exist, or is not a sound zip archive.
    """
    folders = []
    for number, source in enumerate(sources):
        if not source.exists():
            raise ModelError(f"There is no file or folder {source}.")
        if source.is_dir():
            folders.append(source)
            continue
        folders.append(scratch / f"results_{number}")
        unpack(
            source,
            folders[-1],
            _ARCHIVE_LIMITS,
            expected=_is_used,
        )
    return tuple(folders)


def _is_used(name: str) -> bool:
    return bool(USED_IN_RESULTS.fullmatch(name)) and not name.startswith("__MACOSX/")


def found_results(sources: Sequence[Path], folders: Sequence[Path]) -> Results:
    """The one network whose results are in `folders`; each fold may be in a folder of its own.

    Parameters
    ----------
    sources : sequence of Path
        The archives or folders that were given, for messages and hashes.
    folders : sequence of Path
        The same, unpacked.

    Raises
    ------
    ModelError
        There are no results, or those of several networks, or a fold is there twice.
    """
    named = ", ".join(map(str, sources))
    places = [place for folder in folders for place in _places(folder)]
    if not places:
        raise ModelError(
            f"{named} must hold nnU-Net results, found none: plans.json and dataset.json with "
            f"fold_0/{_CHECKPOINTS[0]} or the like beside them."
        )
    descriptions = {
        (_content(place / "plans.json"), _content(place / "dataset.json")) for place in places
    }
    if len(descriptions) > 1:
        inside = ", ".join(f"{place.parent.name}/{place.name}" for place in places)
        raise ModelError(
            f"{named} must hold one network, found {len(places)} with different plans or labels "
            f"({inside}): give the folder of one of them."
        )
    folds = _folds(places, named)
    return Results(
        places[0] / "plans.json",
        places[0] / "dataset.json",
        tuple(folds.values()),
        _crop(folders),
        {
            **{one.name: sha256(one) for one in sources if one.is_file()},
            "plans.json": sha256(places[0] / "plans.json"),
            "dataset.json": sha256(places[0] / "dataset.json"),
            **{f"{name}/{path.name}": sha256(path) for name, path in folds.items()},
        },
    )


def _places(folder: Path) -> list[Path]:
    """The folders at or below `folder` that hold a plan and folds."""
    return [
        path.parent
        for path in sorted(folder.rglob("plans.json"))
        if any(_FOLD.fullmatch(one.name) for one in path.parent.glob("fold_*"))
    ]


def _folds(places: Sequence[Path], named: str) -> dict[str, Path]:
    """The checkpoint of each fold by the fold's name; `fold_all` counts only where it is alone."""
    folds: dict[str, Path] = {}
    empty = []
    for one in sorted(fold for place in places for fold in place.glob("fold_*")):
        if not _FOLD.fullmatch(one.name):
            continue
        found = [one / name for name in _CHECKPOINTS if (one / name).is_file()]
        if found and one.name in folds:
            raise ModelError(f"{named} holds {one.name} twice.")
        if found:
            folds[one.name] = found[0]
        else:
            empty.append(one.name)
    if not folds:
        raise ModelError(
            f"{named} holds no fold with weights: {', '.join(empty)} has neither "
            f"{' nor '.join(_CHECKPOINTS)}."
        )
    if empty:
        raise ModelError(
            f"{named} lacks the weights of {', '.join(empty)} ({' or '.join(_CHECKPOINTS)})."
        )
    if len(folds) > 1:
        folds.pop("fold_all", None)
    return folds


def _crop(folders: Sequence[Path]) -> Crop | None:
    """The distances of `crop_metadata.json`, which SCT's releases hold for sc-crop."""
    paths = [path for folder in folders for path in sorted(folder.rglob(CROP_FILE))]
    if not paths:
        return None
    with raising(ModelError):
        content = read_json(paths[0])
        pads = {
            name.removeprefix("pad_"): value
            for name, value in content.items()
            if name.startswith("pad_")
        }
        return from_json(Crop, pads, str(paths[0]))


def _content(path: Path) -> str:
    if not path.is_file():
        raise ModelError(f"{path.parent} holds no {path.name}.")
    return sha256(path)
