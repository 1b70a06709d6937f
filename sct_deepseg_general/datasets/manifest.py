"""The manifest: which BIDS file each case of a training set came from, as a TSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import write_whole

__all__ = ["FILE", "ManifestRow", "read_manifest", "trained_on", "write_manifest", "write_rows"]

FILE = "cases.tsv"


@dataclass(frozen=True)
class ManifestRow:
    """One case. Paths are relative to the dataset's root, with forward slashes."""

    name: str
    """nnU-Net's name: dataset, subject, session, run, contrast."""
    dataset: str
    participant: str
    person: str
    """`dataset/participant`, the same for all names of one person."""
    session: str
    run: str
    contrast: str
    part: str
    """"train", "test" or "unseen"."""
    fold: int
    """The fold in which the case validates; -1 for those that are not trained on."""
    image: str
    image_sha256: str
    label: str
    label_sha256: str
    label_kind: str
    """"hard" or "soft"."""
    trust: float
    shape: str
    """Voxels in the source file, "384x216x52"."""
    spacing: str
    """Millimetres a voxel in the source file, "1x1x1"."""


def write_manifest(entries: Iterable[ManifestRow], path: Path) -> None:
    """The entries as TSV, whole, one row each."""
    write_rows(
        path, [field.name for field in fields(ManifestRow)], (asdict(one) for one in entries)
    )


def trained_on(entries: Iterable[ManifestRow], model: str) -> tuple[ManifestRow, ...]:
    """The entries that "general", or the specific model of a dataset, is trained on.

    They are stored as `cases.tsv` in the model's folder, so that an evaluation can refuse them.
    """
    train = (one for one in entries if one.part == "train")
    return tuple(one for one in train if model in {"general", one.dataset})


def read_manifest(path: Path) -> tuple[ManifestRow, ...]:
    """The entries of a manifest.

    Raises
    ------
    DatasetError
        The file is missing or is not a manifest.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return tuple(_entry(row) for row in csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"Cannot read the manifest {path}: {error}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{path} is not a manifest of this version ({error}); build the dataset again."
        ) from error


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> None:
    """A table as TSV (or CSV, as the name ends), whole."""
    delimiter = "," if path.suffix == ".csv" else "\t"
    with write_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(columns), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _entry(row: dict[str, str]) -> ManifestRow:
    typed: dict[str, Any] = {field.name: row[field.name] for field in fields(ManifestRow)}
    typed["fold"], typed["trust"] = int(row["fold"]), float(row["trust"])
    return ManifestRow(**typed)
