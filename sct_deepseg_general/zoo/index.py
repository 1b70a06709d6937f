"""The index of known models: where each version lies and what it must hash to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.schema import Fields, read_json
from sct_deepseg_general.zoo.model import DATE, HASH, NAME, ORIENTATION, VERSION, sorted_version

__all__ = ["Entry", "Index", "as_json", "read_index"]


@dataclass(frozen=True)
class Entry:
    """One version of one model, as the index knows it."""

    id: str
    version: str
    kind: str
    """Either "bundle", this program's own archive, or "nnunet", results as SCT publishes them."""
    title: str
    contrasts: tuple[str, ...]
    orientation: str | None
    """SCT's letters; None where only the archive knows."""
    spacing: tuple[float, float, float] | None
    """Millimetres a voxel along the axes of `orientation`; None where only the archive knows."""
    labels: tuple[tuple[str, int], ...]
    size: int | None
    """Bytes of the archive; None where nobody published it."""
    urls: tuple[str, ...]
    """Mirrors of the archive, tried in this order; none for a model that is only embedded."""
    sha256: str | None
    """Of the archive; None where nobody published it, so that fetching needs trust."""
    digest: str | None
    """Of the unpacked model, `Model.digest`; None where it is not known beforehand."""
    licence: str
    citation: str
    date: str | None
    """Day of the release, YYYY-MM-DD, if published."""
    replaces: str | None
    embedded: bool
    """Whether the package itself holds it."""

    @property
    def key(self) -> str:
        return f"{self.id}@{self.version}"


@dataclass(frozen=True)
class Index:
    """All known models, newest version of each first."""

    default: str
    """The model used where none is named, as id@version."""
    entries: tuple[Entry, ...]

    def find(self, key: str) -> Entry | None:
        """The entry with this id@version, or None."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def versions(self, name: str) -> tuple[str, ...]:
        """The known versions of a model id, newest first."""
        return tuple(entry.version for entry in self.entries if entry.id == name)


def read_index(path: Path) -> Index:
    """The index in a JSON file.

    Raises:
        ModelError: it is missing, not valid, or holds a version twice.
    """
    fields = Fields(read_json(path), str(path))
    fields.choice("format", 1)
    default = fields.text("default", rf"{NAME}@{VERSION}")
    entries = [_entry(one) for one in fields.objects("models")]
    fields.done()
    if len({entry.key for entry in entries}) != len(entries):
        raise ModelError(f"{path} lists a version of a model twice.")
    newest_first = sorted(entries, key=lambda entry: sorted_version(entry.version), reverse=True)
    return Index(default, tuple(sorted(newest_first, key=lambda entry: entry.id)))


def as_json(entry: Entry) -> str:
    """The entry as it stands in the index file; `read_index` reads it back."""
    content: Mapping[str, Any] = {**vars(entry), "labels": dict(entry.labels)}
    return json.dumps(content, indent=2, ensure_ascii=False)


def _entry(fields: Fields) -> Entry:
    entry = Entry(
        id=fields.text("id", NAME),
        version=fields.text("version", VERSION),
        kind=fields.choice("kind", "bundle", "nnunet"),
        title=fields.text("title"),
        contrasts=fields.texts("contrasts"),
        orientation=fields.text_or_none("orientation", ORIENTATION),
        spacing=fields.spacing_or_none("spacing"),
        labels=fields.labels("labels"),
        size=fields.whole_or_none("size", least=1),
        urls=fields.texts("urls", r"https?://[\x21-\x7e]+"),
        sha256=fields.text_or_none("sha256", HASH),
        digest=fields.text_or_none("digest", HASH),
        licence=fields.text("licence"),
        citation=fields.text("citation"),
        date=fields.text_or_none("date", DATE),
        replaces=fields.text_or_none("replaces", rf"{NAME}@{VERSION}"),
        embedded=fields.flag("embedded"),
    )
    fields.done()
    if not entry.urls and not entry.embedded:
        raise ModelError(f"The model {entry.key} in the index has no 'urls' and is not embedded.")
    if (entry.sha256 is None) != (entry.size is None):
        raise ModelError(f"The model {entry.key} in the index needs both 'sha256' and 'size'.")
    return entry
