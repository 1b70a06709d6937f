"""The models at hand: found by name, listed, verified, removed, fetched when they are missing."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.locks import locked
from sct_deepseg_general.zoo.cache import Place, Shelf, clear, standard_shelf
from sct_deepseg_general.zoo.index import Entry, Index, read_index
from sct_deepseg_general.zoo.install import Manner, fetch, install_file
from sct_deepseg_general.zoo.model import Model, sorted_version, split_key

__all__ = [
    "INDEX_VARIABLE",
    "OFFLINE_VARIABLE",
    "Line",
    "Zoo",
    "is_offline",
    "resolve",
    "standard_zoo",
]

OFFLINE_VARIABLE = "SCT_DEEPSEG_GENERAL_OFFLINE"
INDEX_VARIABLE = "SCT_DEEPSEG_GENERAL_INDEX"


@dataclass(frozen=True)
class Line:
    """One line of the listing."""

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
    """An index of models and the shelf they are put on."""

    index: Index
    shelf: Shelf

    def find(self, name: str | None = None) -> str:
        """The id@version a name stands for: a bare id is its newest known version.

        Raises:
            ModelError: no such model is known, here or in the index.
        """
        name, version = split_key(name or self.index.default)
        known = {*self.index.versions(name), *self._versions_here(name)}
        if not known or version not in (None, *known):
            raise ModelError(f"There is no model '{name}{_at(version)}': {self._hint(known)}")
        return f"{name}@{version or max(known, key=sorted_version)}"

    def here(self, name: str | None = None) -> Model:
        """The model of a name, if it is on this machine; files are checked.

        Raises:
            ModelError: it is unknown, not here, damaged, or not what the index pins.
        """
        key = self.find(name)
        model = self.shelf.load(key)
        if model is None:
            raise ModelError(f"{key} is not installed: run 'models fetch -m {key}'.")
        return self._pinned(model)

    def obtain(self, name: str | None = None, manner: Manner | None = None) -> Model:
        """The model of a name, fetched if it is not on this machine or damaged there.

        Raises:
            ModelError: as `here` and `fetch`.
        """
        entry = self.index.find(self.find(name))
        if entry is None or (entry.embedded and not entry.urls):
            return self.here(name)
        return fetch(entry, self.shelf, manner or Manner())

    def install(self, archive: Path, name: str | None, manner: Manner) -> Model:
        """The model in an archive brought by hand, which `name` says if its hash does not.

        Raises:
            ModelError: as `fetch` and `install_file`.
        """
        entry = self.index.find(self.find(name)) if name else None
        if entry is None:
            return install_file(archive, self.index, self.shelf, manner)
        return fetch(entry, self.shelf, manner, archive)

    def lines(self) -> tuple[Line, ...]:
        """Every model here or in the index, sorted by name, newest first."""
        places = self.shelf.places()
        here = {place.key for place in places}
        lines = [
            *(self._line_here(place) for place in places),
            *(_line_of(entry) for entry in self.index.entries if entry.key not in here),
        ]
        return tuple(sorted(lines, key=lambda line: _order(line.key)))

    def verify(self, name: str | None = None) -> tuple[Line, ...]:
        """The named model, or all on this machine, with every byte hashed again."""
        wanted = None if name is None else self.find(name)
        places = [p for p in self.shelf.places() if wanted in (None, p.key)]
        if not places and wanted is not None:
            raise ModelError(f"{wanted} is not installed: run 'models fetch -m {wanted}'.")
        return tuple(self._line_here(place, full=True) for place in places)

    def remove(self, name: str) -> Path:
        """Take an installed model off the disk and say where it was.

        Raises:
            ModelError: it is not installed, belongs to the package, or cannot be removed.
        """
        key = self.find(name)
        places = [place for place in self.shelf.places() if place.key == key]
        if not places:
            raise ModelError(f"{key} is not installed.")
        place = next((place for place in places if not place.embedded), None)
        if place is None:
            raise ModelError(f"{key} belongs to the package and is not removed.")
        with locked(place.folder.with_name(f".{key}.lock")):
            clear(place.folder)
        return place.folder

    def _pinned(self, model: Model) -> Model:
        entry = self.index.find(model.key)
        if entry is not None and entry.digest not in (None, model.digest):
            mended = "remove it and fetch it again"
            if model.folder.parent == self.shelf.package:
                mended = "install the package again, or run 'models pin' if you put it there"
            raise ModelError(f"{model.folder} is not the {model.key} of the index: {mended}.")
        return model

    def _line_here(self, place: Place, *, full: bool = False) -> Line:
        state = "embedded" if place.embedded else "installed"
        try:
            model = self._pinned(place.load(full=full))
        except ModelError as error:
            return Line(place.key, state, f"damaged: {error}", None, place.folder, "", ())
        return Line(
            place.key, state, "verified", model.size, place.folder, model.title, model.contrasts
        )

    def _versions_here(self, name: str) -> tuple[str, ...]:
        split = (place.key.split("@") for place in self.shelf.places())
        return tuple(version for found, version in split if found == name)

    def _hint(self, versions: set[str]) -> str:
        if versions:
            return f"known versions are {', '.join(sorted(versions, key=sorted_version))}."
        names = {entry.id for entry in self.index.entries}
        return f"known are {', '.join(sorted(names))}; 'models list' shows them."


def standard_zoo() -> Zoo:
    """The package's own index and this user's shelf.

    `SCT_DEEPSEG_GENERAL_INDEX` names another index file.
    """
    shelf = standard_shelf()
    named = os.environ.get(INDEX_VARIABLE)
    return Zoo(read_index(Path(named) if named else shelf.package / "index.json"), shelf)


def resolve(
    name: str | None = None, *, offline: bool = False, manner: Manner | None = None
) -> Model:
    """The model that `-m` names: an id, an id@version or a folder; None is the default model.

    A model of the index that is not on this machine is fetched, if its hash is pinned there
    and the network is allowed.

    Raises:
        ModelError: there is no such model, or it cannot be had or trusted.
    """
    if name is not None and _is_folder(name):
        return Model.load(Path(name))
    manner = manner or Manner()
    return standard_zoo().obtain(name, replace(manner, offline=is_offline(flag=offline)))


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


def _line_of(entry: Entry) -> Line:
    check = "pinned" if entry.sha256 else "not pinned"
    if not entry.urls:
        check = "missing from the package"
    return Line(entry.key, "available", check, entry.size, None, entry.title, entry.contrasts)


def _order(key: str) -> tuple[str, tuple[int, ...]]:
    name, version = key.split("@")
    return name, tuple(-number for number in sorted_version(version))


def _at(version: str | None) -> str:
    return f"@{version}" if version else ""
