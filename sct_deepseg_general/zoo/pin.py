"""The embedded models, and the index that records their hashes.

`pin` writes the record and the hash of each embedded model into the index beside it. An index that
is up to date does not change.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.schema import read_json
from sct_deepseg_general.zoo.archive import sync, sync_folder
from sct_deepseg_general.zoo.cache import clear, embedded_folders
from sct_deepseg_general.zoo.index import IndexEntry, as_json, read_index
from sct_deepseg_general.zoo.model import MANIFEST, RECORD, Model

__all__ = ["INDEX", "embed", "entry_of", "pin"]

INDEX = "index.json"


def entry_of(model: Model, urls: Sequence[str] = (), archive: Path | None = None) -> IndexEntry:
    """The index entry of a model with its hash and, if there is one, the hash of its archive.

    Without `urls`, the model is an embedded one.
    """
    return IndexEntry(
        id=model.id,
        version=model.version,
        kind="bundle",
        title=model.title,
        contrasts=model.contrasts,
        orientation=model.orientation,
        spacing=model.spacing,
        labels=model.labels,
        size=archive.stat().st_size if archive else None,
        urls=tuple(urls),
        sha256=sha256(archive) if archive else None,
        digest=model.digest,
        licence=model.licence,
        citation=model.citation,
        date=model.date,
        replaces=model.replaces,
        embedded=not urls,
    )


def embed(model: Model, package: Path) -> Model:
    """Copy a model into the package in place of the one with the same id, and record its hash.

    Raises
    ------
    ModelError
        The folder has no index, or cannot be written to.
    """
    read_index(package / INDEX)
    scratch = package / f".{model.id}.new"
    clear(scratch)
    try:
        scratch.mkdir()
        for name in (MANIFEST, RECORD, *model.files):
            shutil.copyfile(model.folder / name, scratch / name)
        sync_folder(scratch)
        clear(package / model.id)
        scratch.replace(package / model.id)
        sync(package)
    except OSError as error:
        raise ModelError(f"Cannot embed in {package}: {error.strerror or error}.") from error
    finally:
        clear(scratch)
    pin(package)
    return Model.load(package / model.id, full=True)


def pin(package: Path) -> tuple[str, ...]:
    """Update the index in `package` to the models embedded there, after hashing all their bytes.

    An older version that was only embedded is removed from the index, and the default follows.

    Returns
    -------
    tuple of str
        The names (id@version) of the entries that changed.

    Raises
    ------
    ModelError
        A model is damaged, or the index is not valid or cannot be written.
    """
    path = package / INDEX
    read_index(path)
    content = dict(read_json(path))
    records = list(content["models"])
    changed = []
    for folder in embedded_folders(package):
        model = Model.load(folder, full=True)
        if _put(records, model):
            changed.append(model.key)
        if content["default"].split("@")[0] == model.id and content["default"] != model.key:
            content["default"] = model.key
            changed.append(model.key)
    if changed:
        _write(path, {**content, "models": records})
    return tuple(dict.fromkeys(changed))


def _put(records: list[Any], model: Model) -> bool:
    """The model's entry among those of the index; whether anything is new."""
    before = list(records)
    new = json.loads(as_json(entry_of(model)))
    place = len(records)
    for number, old in reversed(list(enumerate(before))):
        if old["id"] != model.id or not (old["embedded"] or old["version"] == model.version):
            continue
        place = number
        if old["version"] == model.version:  # what is known of its archive stays known
            kept = ("size", "urls", "sha256", "task", "segments")
            new |= {name: old[name] for name in kept if name in old}
            del records[number]
        elif old["urls"]:
            records[number] = {**old, "embedded": False}
        else:
            del records[number]
    records.insert(place, new)
    return records != before


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with write_whole(path) as temporary:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8", newline="")
        read_index(temporary)
