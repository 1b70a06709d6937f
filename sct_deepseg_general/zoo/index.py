"""The index of known models: where each version can be downloaded, and its hashes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from sct_deepseg_general import schema
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.schema import Pattern, Range, from_json, raising, read_json, read_record
from sct_deepseg_general.zoo.labels import label_scheme
from sct_deepseg_general.zoo.model import sorted_version
from sct_deepseg_general.zoo.record import (
    Date,
    Hash,
    Key,
    LabelValues,
    Name,
    Orientation,
    Spacing,
    Version,
)

__all__ = [
    "Archive",
    "IndexEntry",
    "ModelIndex",
    "as_json",
    "file_entry",
    "read_entries",
    "read_index",
]

_Url = Annotated[str, Pattern(r"https?://[\x21-\x7e]+", "an https address")]
_Size = Annotated[int, Range(least=1)]


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One file to download."""

    urls: tuple[_Url, ...]
    """Mirrors, tried in this order."""
    size: _Size | None
    """Bytes; None where the publisher does not state them."""
    sha256: Hash | None
    """None where the publisher does not state it; the download then needs `-trust`."""


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """One version of one model in the index."""

    id: Name
    version: Version
    kind: Literal["bundle", "nnunet"]
    """"bundle": an archive of this program; "nnunet": nnU-Net results as SCT publishes them."""
    title: str
    contrasts: tuple[str, ...]
    orientation: Orientation | None
    """SCT's letters; None where only the archive tells."""
    spacing: Spacing | None
    """Voxel size in mm along the axes of `orientation`; None where only the archive tells."""
    labels: LabelValues | None = field(hash=False)
    """Names and values of the labels; None where only the archive tells."""
    size: _Size | None
    """Bytes of the archive; None where the publisher does not state them."""
    urls: tuple[_Url, ...]
    """Mirrors of the archive, tried in this order; none for a model that is only embedded."""
    sha256: Hash | None
    """Of the archive; None where the publisher does not state it: a download needs `-trust`."""
    digest: Hash | None
    """Of the installed model, `Model.digest`; None where it is not known beforehand."""
    licence: str
    citation: str
    date: Date | None
    """Day of the release, if published."""
    replaces: Key | None
    embedded: bool
    """Whether the package itself holds the model."""
    task: str | None = None
    """SCT's name of the task, as in `sct_deepseg TASK`."""
    segments: str = "spinal cord"
    """The structures, by which listings are grouped."""
    more: tuple[Archive, ...] = ()
    """Further archives of the same model: one for each fold, say."""
    vote: Literal["mean", "majority"] = "mean"
    """How SCT combines the folds of this release."""
    only_label: str | None = None
    """The name given to the only label, where the release names it after a contrast."""
    whole_image: bool = False
    """Whether the network needs more than the surroundings of the cord."""
    largest: tuple[str, ...] | None = None
    """Labels of which only the largest object is kept; None: the cord and `canal_seg`."""
    unknown: str = ""
    """What is not known of the release."""

    @property
    def key(self) -> str:
        """The name that pins this version: id@version."""
        return f"{self.id}@{self.version}"

    @property
    def archives(self) -> tuple[Archive, ...]:
        """All files to download, in order."""
        return (Archive(urls=self.urls, size=self.size, sha256=self.sha256), *self.more)

    @property
    def hashed(self) -> bool:
        """Whether the SHA-256 of every archive is known."""
        return all(archive.sha256 is not None for archive in self.archives)


@dataclass(frozen=True, kw_only=True)
class ModelIndex:
    """All known models."""

    format: Literal[1]
    default: Key
    """The model that is used where none is named."""
    models: tuple[IndexEntry, ...]

    @property
    def entries(self) -> tuple[IndexEntry, ...]:
        """The entries by name, the newest version of each model first."""
        newest = sorted(self.models, key=lambda one: sorted_version(one.version), reverse=True)
        return tuple(sorted(newest, key=lambda one: one.id))

    def find(self, key: str) -> IndexEntry | None:
        """The entry with this id@version, or None."""
        return next((entry for entry in self.models if entry.key == key), None)

    def versions(self, name: str) -> tuple[str, ...]:
        """The known versions of the model with this id, newest first."""
        return tuple(entry.version for entry in self.entries if entry.id == name)

    def of_task(self, task: str) -> IndexEntry | None:
        """The newest entry of a task of SCT, or None."""
        found = [entry for entry in self.models if entry.task == task]
        return max(found, key=lambda one: sorted_version(one.version), default=None)


def read_index(path: Path) -> ModelIndex:
    """Read an index file.

    Raises
    ------
    ModelError
        The file is missing, not valid, or lists a version twice.
    """
    with raising(ModelError):
        index = read_record(ModelIndex, path)
    if len({entry.key for entry in index.models}) != len(index.models):
        raise ModelError(f"{path} lists a version of a model twice.")
    for entry in index.models:
        _check(entry)
    return index


@dataclass(frozen=True)
class _Entries:
    models: tuple[IndexEntry, ...]


def read_entries(path: Path) -> tuple[IndexEntry, ...]:
    """Read the entries in a file: an index, a list of `models` alone, or one entry.

    Raises
    ------
    ModelError
        The file is missing or not valid.
    """
    with raising(ModelError):
        content = dict(read_json(path))
        if "models" not in content:
            content = {"models": [content]}
        content = {"models": content["models"]}
        entries = from_json(_Entries, content, str(path)).models
    for entry in entries:
        _check(entry)
    return entries


def file_entry(name: str, version: str) -> IndexEntry:
    """The entry of nnU-Net results that a user has as a file; nothing else is known of them."""
    return IndexEntry(
        id=name,
        version=version,
        kind="nnunet",
        title="Imported model",
        contrasts=(),
        orientation=None,
        spacing=None,
        labels=None,
        size=None,
        urls=(),
        sha256=None,
        digest=None,
        licence="unknown",
        citation="unknown",
        date=None,
        replaces=None,
        embedded=False,
    )


def as_json(entry: IndexEntry) -> str:
    """The entry as JSON text, as it stands in an index file."""
    return json.dumps(schema.as_json(entry), indent=2, ensure_ascii=False)


def _check(entry: IndexEntry) -> None:
    if not entry.urls and not entry.embedded:
        raise ModelError(f"The model {entry.key} in the index has no 'urls' and is not embedded.")
    if any((one.sha256 is None) != (one.size is None) for one in entry.archives):
        raise ModelError(f"The model {entry.key} in the index needs both 'sha256' and 'size'.")
    if entry.labels is not None:
        order = tuple(range(1, len(entry.labels)))  # the real one is in the archive
        label_scheme(entry.labels, order, f"The model {entry.key} in the index")
