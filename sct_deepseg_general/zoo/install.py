"""Installing a model from its mirrors or from files: checked, and complete or not at all.

The work is done in hidden folders inside the model cache, under a lock of the model's own. The
model's folder appears in one step, when each of its bytes has been checked and is on the disk.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.locks import locked
from sct_deepseg_general.schema import raising, read_record
from sct_deepseg_general.zoo.archive import (
    ARCHIVE_LIMITS,
    ArchiveLimits,
    sync,
    sync_folder,
    unpack_model,
)
from sct_deepseg_general.zoo.cache import ModelCache, clear
from sct_deepseg_general.zoo.download import (
    RETRIES,
    DownloadSource,
    RetryPolicy,
    check_space,
    download,
)
from sct_deepseg_general.zoo.index import Archive, IndexEntry, ModelIndex
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.record import Hash

__all__ = ["Converter", "FetchOptions", "convert", "fetch", "install_file", "trusted_hashes"]

Converter = Callable[[Sequence[Path], Path, IndexEntry], Model]
"""Makes a model in a new folder from the archives of nnU-Net results and their index entry."""


@dataclass(frozen=True)
class FetchOptions:
    """How a model is fetched."""

    offline: bool = False
    """Never use the network."""
    trust: bool = False
    """Accept an archive without a published hash, and record the hash it has."""
    converter: Converter | None = None
    """For archives of nnU-Net results."""
    say: Callable[[str], None] = lambda _sentence: None
    """Called with sentences for the user."""
    progress: Callable[[int, int | None], None] = lambda _done, _size: None
    """Called with the bytes that have arrived and, if known, the bytes in total."""
    retries: RetryPolicy = RETRIES
    limits: ArchiveLimits = ARCHIVE_LIMITS


@dataclass(frozen=True, kw_only=True)
class _TrustRecord:
    sha256: Hash
    date: str
    more: tuple[Hash, ...] = ()


def fetch(
    entry: IndexEntry, cache: ModelCache, options: FetchOptions, files: Sequence[Path] = ()
) -> Model:
    """Get the model of an index entry: from this machine, from given files, or from its mirrors.

    Several processes may call this at the same time: one downloads, the others wait and load.

    Parameters
    ----------
    entry : IndexEntry
        The model.
    cache : ModelCache
        Where models are looked for and installed.
    options : FetchOptions
        How to fetch.
    files : sequence of Path
        The model's archives in the order of the index, if they were copied here by other means.

    Returns
    -------
    Model
        The installed model.

    Raises
    ------
    ModelError
        The network is forbidden, an archive needs trust, no mirror provides it, or its content
        is not as expected. The cache then holds what it held before.
    """
    for path in files:
        if not path.is_file():
            raise ModelError(f"There is no file {path}.")
    if files and len(files) != len(entry.archives):
        raise ModelError(
            f"{entry.key} consists of {len(entry.archives)} archives, and {len(files)} were given: "
            "give all of them with -from, in the order of the index."
        )
    return _installed(entry, cache, options, files)


def convert(
    sources: Sequence[Path], entry: IndexEntry, cache: ModelCache, options: FetchOptions
) -> Model:
    """Convert nnU-Net results, folders or archives, to a model in the cache.

    Raises
    ------
    ModelError
        They cannot be converted, or `options` has no converter.
    """
    root = cache.writable()
    waiting = f"Another process is converting {entry.title}; waiting for it."
    with locked(_beside(root, entry.key, "lock"), lambda: options.say(waiting)):
        present = _present(entry, cache)
        if present is not None:
            return present
        folder = _beside(root, entry.key, "unpacked")
        clear(folder)
        try:
            _converter(entry, options)(sources, folder, entry)
            return _moved(folder, root, entry.key)
        finally:
            clear(folder)


def install_file(
    archive: Path, index: ModelIndex | None, cache: ModelCache, options: FetchOptions
) -> Model:
    """Install the model in an archive that was copied here by other means.

    An archive whose SHA-256 is in the index is the model of that entry. Any other archive must
    be a bundle of this program, names its model itself, and needs `options.trust`.

    Raises
    ------
    ModelError
        As `fetch`.
    """
    if not archive.is_file():
        raise ModelError(f"There is no file {archive}.")
    hashed = sha256(archive)
    listed = index.models if index is not None else ()
    known = next((one for one in listed if one.sha256 == hashed and not one.more), None)
    if known is not None:
        return _installed(known, cache, options, (archive,))
    if not options.trust:
        raise ModelError(
            f"{archive} is not in the index (SHA-256 {hashed}): add -trust if you know where it "
            "comes from."
        )
    return _installed_unlisted(archive, cache, options)


def trusted_hashes(root: Path, key: str) -> tuple[str, ...]:
    """The hashes that archives without published hashes had when they were first trusted."""
    path = _beside(root, key, "trusted")
    if not path.exists():
        return ()
    with raising(ModelError):
        record = read_record(_TrustRecord, path)
    return (record.sha256, *record.more)


def _installed(
    entry: IndexEntry, cache: ModelCache, options: FetchOptions, files: Sequence[Path]
) -> Model:
    present = _present(entry, cache)
    if present is not None:
        return present
    root = cache.writable()
    waiting = f"Another process is fetching {entry.key}; waiting for it."
    with locked(_beside(root, entry.key, "lock"), lambda: options.say(waiting)):
        present = _present(entry, cache)
        if present is not None:
            return present
        expected = _expected(entry, root, options)
        if not files:
            return _fetched(entry, root, options, expected)
        hashes = [sha256(path) for path in files]
        for path, hashed, wanted in zip(files, hashes, expected, strict=True):
            if wanted not in (None, hashed):
                raise ModelError(f"{path} is not {entry.key}: its SHA-256 is {hashed}.")
        return _put(entry, root, options, files, hashes)


def _present(entry: IndexEntry, cache: ModelCache) -> Model | None:
    """The model, if it is on this machine and undamaged."""
    try:
        model = cache.load(entry.key)
    except ModelError:
        return None  # damaged: it is fetched again and replaced
    return model if model is not None and entry.digest in (None, model.digest) else None


def _expected(entry: IndexEntry, root: Path, options: FetchOptions) -> tuple[str | None, ...]:
    """The hash that each archive must have; None where none is known yet."""
    if entry.hashed:
        return tuple(archive.sha256 for archive in entry.archives)
    if not options.trust:
        raise ModelError(
            f"No hash was published for {entry.key} ({', '.join(entry.urls)}): add -trust to "
            "accept it as it is; its hash is then recorded and checked from then on."
        )
    trusted = trusted_hashes(root, entry.key) or (None,) * len(entry.archives)
    published = [archive.sha256 for archive in entry.archives]
    return tuple(a or b for a, b in zip(published, trusted, strict=True))


def _fetched(
    entry: IndexEntry, root: Path, options: FetchOptions, expected: Sequence[str | None]
) -> Model:
    if options.offline:
        raise ModelError(
            f"{entry.key} is not on this machine and the network is forbidden. On another "
            f"machine, download {entry.urls[0] if entry.urls else 'its archive'}, copy the file "
            "here and run 'models fetch -from FILE'."
        )
    _converter(entry, options)
    parts = [_part(root, entry.key, number) for number in range(len(entry.archives))]
    check_space(root, 2 * sum(archive.size or 0 for archive in entry.archives))
    hashes = [
        _downloaded(entry, archive, part, options, wanted)
        for archive, part, wanted in zip(entry.archives, parts, expected, strict=True)
    ]
    try:
        return _put(entry, root, options, _named(entry, root, parts), hashes)
    finally:
        _discard(parts)
        clear(_beside(root, entry.key, "archives"))


def _named(entry: IndexEntry, root: Path, parts: Sequence[Path]) -> tuple[Path, ...]:
    """What was downloaded, under the names that it has at its address, for messages and records."""
    folder = _beside(root, entry.key, "archives")
    clear(folder)
    folder.mkdir()
    named = []
    for number, (part, archive) in enumerate(zip(parts, entry.archives, strict=True)):
        name = archive.urls[0].partition("?")[0].rpartition("/")[2]
        safe = re.sub(r"[^A-Za-z0-9._-]|^\.", "_", name) or "archive.zip"
        path = folder / safe
        named.append(part.rename(folder / f"{number}-{safe}" if path.exists() else path))
    return tuple(named)


def _downloaded(
    entry: IndexEntry, archive: Archive, part: Path, options: FetchOptions, expected: str | None
) -> str:
    source = DownloadSource(archive.urls, archive.size, archive.sha256, limit=options.limits.size)
    hashed = download(source, part, options.progress, options.retries)
    if expected not in (None, hashed):
        part.unlink()
        raise ModelError(
            f"{entry.key} is not what it was when it was first trusted: its SHA-256 is now "
            f"{hashed}. If the change is rightful, remove "
            f"{_beside(part.parent, entry.key, 'trusted')}."
        )
    return hashed


def _put(
    entry: IndexEntry,
    root: Path,
    options: FetchOptions,
    archives: Sequence[Path],
    hashes: Sequence[str],
) -> Model:
    """The model in the archives, checked against its entry and moved to its place."""
    folder = _beside(root, entry.key, "unpacked")
    clear(folder)
    try:
        model = _converter(entry, options)(archives, folder, entry)
        if model.key != entry.key or entry.digest not in (None, model.digest):
            raise ModelError(f"{archives[0]} holds another model than {entry.key}: {model.key}.")
        if not entry.hashed:
            _record_trust(root, entry.key, hashes)
        # before the move: nobody would remove them after a kill between the two
        clear(_beside(root, entry.key, "archives"))
        return _moved(folder, root, entry.key)
    finally:
        clear(folder)


def _converter(entry: IndexEntry, options: FetchOptions) -> Converter:
    if entry.kind == "bundle":
        return lambda archives, folder, _entry: unpack_model(archives[0], folder, options.limits)
    if options.converter is None:
        raise ModelError(
            f"{entry.key} comes as nnU-Net results, which are converted only by the explicit "
            f"command 'models fetch -m {entry.key} -trust', or with -trust."
        )
    return options.converter


def _installed_unlisted(archive: Path, cache: ModelCache, options: FetchOptions) -> Model:
    root = cache.writable()
    with locked(root / ".file.lock"):
        folder = root / ".file.unpacked"
        clear(folder)
        try:
            model = unpack_model(archive, folder, options.limits)
            return _added(model, cache, root)
        finally:
            clear(folder)


def _added(model: Model, cache: ModelCache, root: Path) -> Model:
    """Install a checked model that is not in the index under its own name, if that is free."""
    with locked(_beside(root, model.key, "lock")):
        there = cache.load(model.key)
        if there is None:
            return _moved(model.folder, root, model.key)
        if there.digest != model.digest:
            raise ModelError(f"Another {model.key} is in {there.folder}: remove it first.")
        return there


def _moved(folder: Path, root: Path, key: str) -> Model:
    """The checked model under its name; a damaged one that was there is removed."""
    sync_folder(folder)
    clear(root / key)
    folder.replace(root / key)
    sync(root)
    return Model.load(root / key)


def _record_trust(root: Path, key: str, hashes: Sequence[str]) -> None:
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    content = {"sha256": hashes[0], "date": today, "more": list(hashes[1:])}
    with write_whole(_beside(root, key, "trusted")) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def _discard(parts: Sequence[Path]) -> None:
    for part in parts:
        part.unlink(missing_ok=True)


def _part(root: Path, key: str, number: int) -> Path:
    return _beside(root, key, f"part{number or ''}")


def _beside(root: Path, key: str, suffix: str) -> Path:
    return root / f".{key}.{suffix}"
