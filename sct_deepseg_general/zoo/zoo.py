"""Known models: found by name, listed, fetched, verified and removed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sct_deepseg_general import schema
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import write_json
from sct_deepseg_general.locks import locked
from sct_deepseg_general.zoo.cache import ModelCache, ModelPlace, clear, standard_cache
from sct_deepseg_general.zoo.download import DownloadSource, download
from sct_deepseg_general.zoo.index import IndexEntry, ModelIndex, read_entries, read_index
from sct_deepseg_general.zoo.install import FetchOptions, fetch, install_file
from sct_deepseg_general.zoo.local import is_path, is_url, local_model, url_model
from sct_deepseg_general.zoo.model import Model, sorted_version, split_key

__all__ = [
    "INDEX_VARIABLE",
    "OFFLINE_VARIABLE",
    "ModelStatus",
    "Zoo",
    "add_entries",
    "is_offline",
    "resolve",
    "standard_zoo",
    "task_key",
]

OFFLINE_VARIABLE = "SCT_DEEPSEG_GENERAL_OFFLINE"
USER_INDEX = "index.json"
"""The entries that a user added, in the model cache."""
_ALIASES = {"gm": "graymatter", "sc": "spinalcord"}
INDEX_VARIABLE = "SCT_DEEPSEG_GENERAL_INDEX"


@dataclass(frozen=True)
class ModelStatus:
    """The state of one model, as it is listed."""

    key: str
    state: str
    """One of "embedded", "installed", "available"."""
    check: str
    """"verified", what is wrong, "pinned" (hash known), or "not pinned" (fetching needs trust)."""
    size: int | None
    """Bytes on the disk, or of the archive; None where unknown."""
    folder: Path | None
    title: str
    contrasts: tuple[str, ...]
    segments: str = ""
    """The structures that it segments, by which listings are grouped."""
    task: str | None = None
    """SCT's name of the task."""


@dataclass(frozen=True)
class Zoo:
    """An index of models, and the model cache in which they are installed."""

    index: ModelIndex
    cache: ModelCache

    def find(self, name: str | None = None) -> str:
        """The id@version of a name; a bare id stands for its newest known version.

        Raises
        ------
        ModelError
            No such model is on this machine or in the index.
        """
        name, version = split_key(name or self.index.default)
        known = {*self.index.versions(name), *self._versions_here(name)}
        if not known or version not in (None, *known):
            raise ModelError(f"There is no model '{name}{_at(version)}': {self._hint(known)}")
        return f"{name}@{version or max(known, key=sorted_version)}"

    def knows(self, name: str) -> bool:
        """Whether a name is that of a model on this machine or in the index."""
        try:
            self.find(name)
        except ModelError:
            return False
        return True

    def here(self, name: str | None = None) -> Model:
        """Load the model of a name from this machine and check its files.

        Raises
        ------
        ModelError
            It is unknown, not installed, damaged, or differs from the hash in the index.
        """
        key = self.find(name)
        model = self.cache.load(key)
        if model is None:
            raise ModelError(f"{key} is not installed: run 'models fetch -m {key}'.")
        return self._pinned(model)

    def obtain(self, name: str | None = None, options: FetchOptions | None = None) -> Model:
        """Load the model of a name; it is fetched first if it is not installed, or damaged.

        Raises
        ------
        ModelError
            As `here` and `fetch`.
        """
        entry = self.index.find(self.find(name))
        if entry is None or (entry.embedded and not entry.urls):
            return self.here(name)
        return fetch(entry, self.cache, options or FetchOptions())

    def install(self, files: Sequence[Path], name: str | None, options: FetchOptions) -> Model:
        """Install the model in files that were copied here by other means.

        Parameters
        ----------
        files : sequence of Path
            The archive, or all archives of a model that consists of several.
        name : str or None
            The model they are; may be left out where the hash of the archive is in the index.
        options : FetchOptions
            How to install.

        Raises
        ------
        ModelError
            As `fetch` and `install_file`.
        """
        entry = self.index.find(self.find(name)) if name else None
        if entry is None:
            if len(files) != 1:
                raise ModelError("Name the model of several files with -m.")
            return install_file(files[0], self.index, self.cache, options)
        return fetch(entry, self.cache, options, files)

    def statuses(self) -> tuple[ModelStatus, ...]:
        """The state of all models on this machine or in the index, by name, newest first."""
        places = self.cache.places()
        here = {place.key for place in places}
        statuses = [
            *(self._status_here(place) for place in places),
            *(_status_of(entry) for entry in self.index.entries if entry.key not in here),
        ]
        return tuple(sorted(statuses, key=lambda one: _order(one.key)))

    def verify(self, name: str | None = None) -> tuple[ModelStatus, ...]:
        """Hash every byte of the named model, or of all on this machine, and state the result."""
        wanted = None if name is None else self.find(name)
        places = [p for p in self.cache.places() if wanted in (None, p.key)]
        if not places and wanted is not None:
            raise ModelError(f"{wanted} is not installed: run 'models fetch -m {wanted}'.")
        return tuple(self._status_here(place, full=True) for place in places)

    def remove(self, name: str) -> Path:
        """Remove an installed model from the disk, and return the folder where it was.

        Raises
        ------
        ModelError
            It is not installed, belongs to the package, or cannot be removed.
        """
        key = self.find(name)
        places = [place for place in self.cache.places() if place.key == key]
        if not places:
            raise ModelError(f"{key} is not installed.")
        place = next((place for place in places if not place.embedded), None)
        if place is None:
            raise ModelError(f"{key} belongs to the package and is not removed.")
        with locked(place.folder.with_name(f".{key}.lock")):
            clear(place.folder)
        return place.folder

    def previous(self, key: str) -> Model | None:
        """The newest version on this machine that is older than the model id@version, or None."""
        wanted, version = split_key(key)
        older = [
            found
            for found in self._versions_here(wanted)
            if sorted_version(found) < sorted_version(version or "0")
        ]
        return self.here(f"{wanted}@{max(older, key=sorted_version)}") if older else None

    def _pinned(self, model: Model) -> Model:
        entry = self.index.find(model.key)
        if entry is not None and entry.digest not in (None, model.digest):
            mended = "remove it and fetch it again"
            if model.folder.parent == self.cache.package:
                mended = "install the package again, or run 'models pin' if you put it there"
            raise ModelError(f"{model.folder} is not the {model.key} of the index: {mended}.")
        return model

    def _status_here(self, place: ModelPlace, *, full: bool = False) -> ModelStatus:
        state = "embedded" if place.embedded else "installed"
        entry = self.index.find(place.key)
        known = (entry.segments, entry.task) if entry else ("other", None)
        try:
            model = self._pinned(place.load(full=full))
        except ModelError as error:
            damage = f"damaged: {error}"
            return ModelStatus(place.key, state, damage, None, place.folder, "", (), *known)
        if entry is None and model.cord_label is not None:
            known = ("spinal cord", None)
        title, size = model.title, model.size
        return ModelStatus(
            place.key, state, "verified", size, place.folder, title, model.contrasts, *known
        )

    def _versions_here(self, name: str) -> tuple[str, ...]:
        split = (place.key.split("@") for place in self.cache.places())
        return tuple(version for found, version in split if found == name)

    def _hint(self, versions: set[str]) -> str:
        if versions:
            return f"known versions are {', '.join(sorted(versions, key=sorted_version))}."
        names = {entry.id for entry in self.index.entries}
        return f"known are {', '.join(sorted(names))}; 'models list' shows them."


def standard_zoo() -> Zoo:
    """The package's own index and this user's cache.

    The environment variable `SCT_DEEPSEG_GENERAL_INDEX` is the path or https address of another
    index. Entries that the user added are part of either.
    """
    cache = standard_cache()
    named = os.environ.get(INDEX_VARIABLE)
    index = read_index(_index_file(named, cache) if named else cache.package / "index.json")
    own = [entry for folder in cache.caches for entry in _user_entries(folder / USER_INDEX)]
    names = {entry.key for entry in own}
    listed = tuple(entry for entry in index.models if entry.key not in names)
    return Zoo(replace(index, models=(*listed, *own)), cache)


def resolve(
    name: str | None = None, *, offline: bool = False, options: FetchOptions | None = None
) -> Model:
    """The model that `-m` names.

    Parameters
    ----------
    name : str, optional
        An id (its newest version), an id@version, the path of a model folder, of nnU-Net results
        or of a zip archive of either, or the https address of such an archive. The default model
        if left out. A known name stands for the model even where a folder is called the same.
    offline : bool
        Never use the network. Otherwise a model of the index that is not on this machine is
        fetched, if its hash is in the index.
    options : FetchOptions, optional
        How models are fetched and results converted.

    Returns
    -------
    Model
        The checked model.

    Raises
    ------
    ModelError
        There is no such model, or it cannot be had or trusted.

    Examples
    --------
    >>> from sct_deepseg_general.zoo.zoo import resolve
    >>> resolve(offline=True).spacing
    (1.0, 1.0, 2.0)
    """
    options = replace(options or FetchOptions(), offline=is_offline(flag=offline))
    if name is not None and is_url(name):
        return url_model(name, standard_cache(), options)
    zoo = standard_zoo()
    if name is not None and is_path(name) and not zoo.knows(name):
        return local_model(Path(name), zoo.cache, options)
    return zoo.obtain(name, options)


def task_key(task: str) -> str:
    """The name id@version of the newest model for a task of SCT, such as "lesion_ms".

    Raises
    ------
    ModelError
        There is no such task.
    """
    index = standard_zoo().index
    entry = index.of_task(_ALIASES.get(task, task))
    if entry is None:
        tasks = sorted({one.task for one in index.models if one.task})
        raise ModelError(f"There is no task '{task}': known are {', '.join(tasks)}.")
    return entry.key


def add_entries(path: Path) -> tuple[str, ...]:
    """Add the entries of an index file to this user's own; gives their names.

    Entries with the same name are replaced. The file is an index, or one entry as
    `models release` writes it.

    Raises
    ------
    ModelError
        The file is not valid, or no folder can be written to.
    """
    new = read_entries(path)
    own = standard_cache().writable() / USER_INDEX
    names = {entry.key for entry in new}
    kept = [entry for entry in _user_entries(own) if entry.key not in names]
    content = {"models": [schema.as_json(entry) for entry in (*kept, *new)]}
    write_json(own, content)
    return tuple(sorted(names))


def is_offline(*, flag: bool = False) -> bool:
    """Whether the network is forbidden, by a flag or by `SCT_DEEPSEG_GENERAL_OFFLINE`."""
    return flag or os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0")


def _index_file(named: str, cache: ModelCache) -> Path:
    """The index file at a path or an address; what was downloaded is kept for use offline."""
    if not is_url(named):
        return Path(named)
    kept = cache.writable() / f".index-{hashlib.sha256(named.encode()).hexdigest()[:12]}.json"
    if not is_offline():
        part = kept.with_suffix(".part")
        download(DownloadSource((named,), None, None, limit=schema.LARGEST), part)
        read_index(part)
        part.replace(kept)
    if not kept.is_file():
        raise ModelError(f"The index {named} is not on this machine and the network is forbidden.")
    return kept


def _user_entries(own: Path) -> tuple[IndexEntry, ...]:
    return read_entries(own) if own.is_file() else ()


def _status_of(entry: IndexEntry) -> ModelStatus:
    check = "pinned" if entry.hashed else "not pinned"
    if not entry.urls:
        check = "missing from the package"
    sizes = [archive.size for archive in entry.archives]
    size = None if None in sizes else sum(one for one in sizes if one)
    title, contrasts = entry.title, entry.contrasts
    known = (entry.segments, entry.task)
    return ModelStatus(entry.key, "available", check, size, None, title, contrasts, *known)


def _order(key: str) -> tuple[str, tuple[int, ...]]:
    name, version = key.split("@")
    return name, tuple(-number for number in sorted_version(version))


def _at(version: str | None) -> str:
    return f"@{version}" if version else ""
