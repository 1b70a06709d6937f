"""The folders of a BIDS dataset: participants, sessions, and which are missing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sct_deepseg_general.content import missing_content
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import stem_of
from sct_deepseg_general.text_files import composed

__all__ = ["contents", "folders", "misplaced", "niftis_of"]

_NIFTI = (".nii.gz", ".nii")


def folders(root: Path, prefix: str) -> list[Path]:
    """The folders in `root`, or links to folders, whose names begin with `prefix`.

    Raises
    ------
    DatasetError
        `root` cannot be read.
    """
    try:
        with os.scandir(root) as entries:
            return [Path(e.path) for e in entries if e.name.startswith(prefix) and _is_folder(e)]
    except OSError as error:
        raise DatasetError(f"Cannot read the dataset {root}: {error.strerror}.") from error


def niftis_of(subject: Path, datatypes: Iterable[str]) -> Iterator[Path]:
    """The NIfTI files of a participant's folder: of each session and each datatype, by name."""
    for place in (subject, *sorted(folders(subject, "ses-"))):
        for datatype in datatypes:
            yield from _niftis(place / datatype)


def contents(folder: Path, prefix: str) -> list[tuple[Path, str]]:
    """Folders, and links to folders, with why they are not on this machine, or ""."""
    with os.scandir(folder) as entries:
        named = [entry for entry in entries if entry.name.startswith(prefix)]
    return [
        (Path(entry.path), _absence(entry))
        for entry in sorted(named, key=lambda one: one.name)
        if _is_folder(entry) or entry.is_symlink()
    ]


def misplaced(path: Path) -> str:
    """Why a file does not belong into its folder, by the participant or session of its name.

    "" if it does.
    """
    words = stem_of(path).split("_")
    for folder in (path.parent.parent, path.parent.parent.parent):
        key = folder.name.partition("-")[0]
        own = next((word for word in words if word.partition("-")[0] == key), folder.name)
        if key in {"sub", "ses"} and composed(own) != composed(folder.name):
            return f"named {own} in the folder of {folder.name}"
    return ""


def _niftis(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - iterdir makes a Path of every sidecar
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (folder / name for name in names if name.endswith(_NIFTI) and name[:4] == "sub-")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _absence(entry: os.DirEntry[str]) -> str:
    if not _is_folder(entry):
        return missing_content(Path(entry.path))
    with os.scandir(entry.path) as inside:
        empty = next(inside, None) is None
    return "the folder is empty: run 'datalad get -n' if it is a subdataset" if empty else ""
