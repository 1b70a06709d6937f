"""Known models: found by name, listed, fetched, verified and removed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.locks import locked
from sct_deepseg_general.zoo.cache import ModelCache, ModelPlace, clear, standard_cache
from sct_deepseg_general.zoo.index import IndexEntry, ModelIndex, read_index
from sct_deepseg_general.zoo.install import FetchOptions, fetch, install_file
from sct_deepseg_general.zoo.model import Model, sorted_version, split_key

__all__ = [
    "INDEX_VARIABLE",
    "OFFLINE_VARIABLE",
    "ModelStatus",
    "Zoo",
    "is_offline",
    "resolve",
    "standard_zoo",
]

OFFLINE_VARIABLE = "SCT_DEEPSEG_GENERAL_OFFLINE"
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
        try:
            model = self._pinned(place.load(full=full))
        except ModelError as error:
            return ModelStatus(place.key, state, f"damaged: {error}", None, place.folder, "", ())
        return ModelStatus(
            place.key, state, "verified", model.size, place.folder, model.title, model.contrasts
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

    `SCT_DEEPSEG_GENERAL_INDEX` names another index file.
    """
    cache = standard_cache()
    named = os.environ.get(INDEX_VARIABLE)
    return Zoo(read_index(Path(named) if named else cache.package / "index.json"), cache)


def resolve(
    name: str | None = None, *, offline: bool = False, options: FetchOptions | None = None
) -> Model:
    """The model that `-m` names: an id, an id@version or a folder; None is the default model.

    A model of the index that is not on this machine is fetched, if its hash is pinned there
    and the network is allowed.

    Raises
    ------
    ModelError
        There is no such model, or it cannot be had or trusted.
    """
    if name is not None and _is_folder(name):
        return Model.load(Path(name))
    options = options or FetchOptions()
    return standard_zoo().obtain(name, replace(options, offline=is_offline(flag=offline)))


def is_offline(*, flag: bool = False) -> bool:
    """Whether the network is forbidden, by a flag or by `SCT_DEEPSEG_GENERAL_OFFLINE`."""
    return flag or os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0")


def _is_folder(name: str) -> bool:
    if os.sep in name or "/" in name:
        return True
    try:
        split_key(name)
    except ModelError:
        return Path(name).is_dir()
    return False


def _status_of(entry: IndexEntry) -> ModelStatus:
    check = "pinned" if entry.sha256 else "not pinned"
    if not entry.urls:
        check = "missing from the package"
    return ModelStatus(
        entry.key, "available", check, entry.size, None, entry.title, entry.contrasts
    )


def _order(key: str) -> tuple[str, tuple[int, ...]]:
    name, version = key.split("@")
    return name, tuple(-number for number in sorted_version(version))


def _at(version: str | None) -> str:
    return f"@{version}" if version else ""
