"""Installing a model: from its mirrors or from a file, checked, whole or not at all.

Everything happens in hidden siblings inside the cache, under a lock of the model's own; the
model's folder appears in one step when every byte of it has been checked and is on the disk.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.locks import locked
from sct_deepseg_general.schema import Fields, read_json
from sct_deepseg_general.zoo.archive import LIMITS, Limits, sync, sync_folder, unpack_model
from sct_deepseg_general.zoo.cache import Shelf, clear
from sct_deepseg_general.zoo.download import PATIENCE, Patience, Source, check_space, download
from sct_deepseg_general.zoo.index import Entry, Index
from sct_deepseg_general.zoo.model import HASH, Model

__all__ = ["Converter", "Manner", "fetch", "install_file", "trusted_hash"]

Converter = Callable[[Path, Path, Entry], Model]
"""Makes a model in a new folder from an archive of nnU-Net results and its entry."""


@dataclass(frozen=True)
class Manner:
    """How a model is fetched."""

    offline: bool = False
    trust: bool = False
    """Take an archive whose hash nobody published, and remember the hash it has."""
    converter: Converter | None = None
    """For archives of nnU-Net results."""
    say: Callable[[str], None] = lambda _sentence: None
    progress: Callable[[int, int | None], None] = lambda _done, _size: None
    patience: Patience = PATIENCE
    limits: Limits = LIMITS


def fetch(entry: Entry, shelf: Shelf, manner: Manner, archive: Path | None = None) -> Model:
    """The model of an index entry, from this machine, an archive at hand, or its mirrors.

    Any number of processes may ask at once: one downloads, the others wait and load it.

    Raises:
        ModelError: the network is forbidden, the archive needs trust, no mirror gives it, or
            it is not what it must be. The cache then holds what it held before.
    """
    if archive is not None and not archive.is_file():
        raise ModelError(f"There is no file {archive}.")
    return _installed(entry, shelf, manner, archive)


def install_file(archive: Path, index: Index, shelf: Shelf, manner: Manner) -> Model:
    """The model in an archive that was brought by other means.

    An archive whose SHA-256 is in the index is that model; any other needs trust, and says
    itself which model it is.

    Raises:
        ModelError: as `fetch`.
    """
    if not archive.is_file():
        raise ModelError(f"There is no file {archive}.")
    hashed = sha256(archive)
    known = next((entry for entry in index.entries if entry.sha256 == hashed), None)
    if known is not None:
        return _installed(known, shelf, manner, archive)
    if not manner.trust:
        raise ModelError(
            f"{archive} is no archive that the index knows (SHA-256 {hashed}): add -trust if you "
            "know where it comes from."
        )
    return _installed_unlisted(archive, shelf, manner)


def trusted_hash(cache: Path, key: str) -> str | None:
    """The hash that an archive of unpublished hash had when it was first trusted, or None."""
    path = _beside(cache, key, "trusted")
    if not path.exists():
        return None
    return Fields(read_json(path), str(path)).text("sha256", HASH)


def _installed(entry: Entry, shelf: Shelf, manner: Manner, archive: Path | None) -> Model:
    present = _present(entry, shelf)
    if present is not None:
        return present
    cache = shelf.writable()
    waiting = f"Another process is fetching {entry.key}; waiting for it."
    with locked(_beside(cache, entry.key, "lock"), lambda: manner.say(waiting)):
        present = _present(entry, shelf)
        if present is not None:
            return present
        expected = _expected(entry, cache, manner)
        if archive is None:
            return _fetched(entry, cache, manner, expected)
        hashed = sha256(archive)
        if expected not in (None, hashed):
            raise ModelError(f"{archive} is not {entry.key}: its SHA-256 is {hashed}.")
        return _put(entry, cache, manner, archive, hashed)


def _present(entry: Entry, shelf: Shelf) -> Model | None:
    """The model if it lies on this machine in good order."""
    try:
        model = shelf.load(entry.key)
    except ModelError:
        return None  # damaged: it is fetched anew and takes its place
    return model if model is not None and entry.digest in (None, model.digest) else None


def _expected(entry: Entry, cache: Path, manner: Manner) -> str | None:
    if entry.sha256 is not None:
        return entry.sha256
    if not manner.trust:
        raise ModelError(
            f"Nobody published a hash for {entry.key} ({', '.join(entry.urls)}): add -trust to "
            "take it as it comes; its hash is then recorded and checked from then on."
        )
    return trusted_hash(cache, entry.key)


def _fetched(entry: Entry, cache: Path, manner: Manner, expected: str | None) -> Model:
    if manner.offline:
        raise ModelError(
            f"{entry.key} is not on this machine and the network is forbidden. On another "
            f"machine, download {entry.urls[0] if entry.urls else 'its archive'}, bring the file "
            "here and run 'models fetch -from FILE'."
        )
    _convertible(entry, manner)
    part = _beside(cache, entry.key, "part")
    if entry.size is not None:
        check_space(cache, 2 * entry.size)
    source = Source(entry.urls, entry.size, entry.sha256, limit=manner.limits.size)
    hashed = download(source, part, manner.progress, manner.patience)
    if expected not in (None, hashed):
        part.unlink()
        raise ModelError(
            f"{entry.key} is not what it was when it was first trusted: its SHA-256 is now "
            f"{hashed}. If the change is rightful, remove {_beside(cache, entry.key, 'trusted')}."
        )
    try:
        return _put(entry, cache, manner, part, hashed)
    finally:
        part.unlink(missing_ok=True)


def _put(entry: Entry, cache: Path, manner: Manner, archive: Path, hashed: str) -> Model:
    """The archive's model, checked against its entry and moved to its place."""
    folder = _beside(cache, entry.key, "unpacked")
    clear(folder)
    try:
        model = _convertible(entry, manner)(archive, folder, entry)
        if model.key != entry.key or entry.digest not in (None, model.digest):
            raise ModelError(f"{archive} holds another model than {entry.key}: {model.key}.")
        if entry.sha256 is None:
            _record_trust(cache, entry.key, hashed)
        _beside(cache, entry.key, "part").unlink(missing_ok=True)  # after the move nobody would
        return _moved(folder, cache, entry.key)
    finally:
        clear(folder)


def _convertible(entry: Entry, manner: Manner) -> Converter:
    if entry.kind == "bundle":
        return lambda archive, folder, _entry: unpack_model(archive, folder, manner.limits)
    if manner.converter is None:
        raise ModelError(
            f"{entry.key} comes as nnU-Net results, which are converted only by the explicit "
            f"command 'models fetch -m {entry.key} -trust'."
        )
    return manner.converter


def _installed_unlisted(archive: Path, shelf: Shelf, manner: Manner) -> Model:
    cache = shelf.writable()
    with locked(cache / ".file.lock"):
        folder = cache / ".file.unpacked"
        clear(folder)
        try:
            model = unpack_model(archive, folder, manner.limits)
            return _added(model, shelf, cache)
        finally:
            clear(folder)


def _added(model: Model, shelf: Shelf, cache: Path) -> Model:
    """A checked model that no index knows, under its own name, if that is free."""
    with locked(_beside(cache, model.key, "lock")):
        there = shelf.load(model.key)
        if there is None:
            return _moved(model.folder, cache, model.key)
        if there.digest != model.digest:
            raise ModelError(f"Another {model.key} is in {there.folder}: remove it first.")
        return there


def _moved(folder: Path, cache: Path, key: str) -> Model:
    """The checked model under its name; a damaged one that was there goes."""
    sync_folder(folder)
    clear(cache / key)
    folder.replace(cache / key)
    sync(cache)
    return Model.load(cache / key)


def _record_trust(cache: Path, key: str, hashed: str) -> None:
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    with write_whole(_beside(cache, key, "trusted")) as temporary:
        temporary.write_text(json.dumps({"sha256": hashed, "date": today}), encoding="utf-8")


def _beside(cache: Path, key: str, suffix: str) -> Path:
    return cache / f".{key}.{suffix}"
