"""The folders of this machine that hold models: the package's own, and the model caches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sct_deepseg_general.errors import DeepsegError, ModelError, SchemaError
from sct_deepseg_general.schema import read_json
from sct_deepseg_general.zoo.hash_cache import forget, user_cache
from sct_deepseg_general.zoo.model import MANIFEST, RECORD, Model, split_key

__all__ = [
    "FOLDERS_VARIABLE",
    "ModelCache",
    "ModelPlace",
    "clear",
    "embedded_folders",
    "standard_cache",
]

FOLDERS_VARIABLE = "SCT_DEEPSEG_GENERAL_MODELS"

_DOOMED = ".removed"


@dataclass(frozen=True)
class ModelPlace:
    """A model on this machine, not yet checked."""

    key: str
    folder: Path
    embedded: bool

    def load(self, *, full: bool = False) -> Model:
        """Load and check the model, which must be the one that its folder is named after.

        Raises
        ------
        ModelError
            As `Model.load`, or it is another model.
        """
        model = Model.load(self.folder, full=full)
        if model.key != self.key:
            raise ModelError(f"{self.folder} holds {model.key}, not {self.key}: remove it.")
        return model


@dataclass(frozen=True)
class ModelCache:
    """The folders with models: first the package, then the caches in their order."""

    package: Path
    """Holds the embedded models, one folder each, named by id."""
    caches: tuple[Path, ...]
    """Hold installed models, one folder each, named id@version; some may be read-only."""

    def places(self) -> tuple[ModelPlace, ...]:
        """All models on this machine; a model in several folders is listed several times."""
        return (*self._embedded(), *self._installed())

    def load(self, key: str) -> Model | None:
        """Load the model id@version from the first folder with an undamaged copy; None without any.

        Raises
        ------
        ModelError
            All copies are damaged.
        """
        damage: ModelError | None = None
        for place in self.places():
            if place.key == key:
                loaded = _loaded(place)
                if isinstance(loaded, Model):
                    return loaded
                damage = damage or loaded
        if damage is not None:
            raise damage
        return None

    def writable(self) -> Path:
        """The first cache folder that can be written to; created if it does not exist.

        Raises
        ------
        ModelError
            There is none.
        """
        for cache in self.caches:
            if _made_writable(cache):
                return cache
        raise ModelError(
            f"No folder for models can be written to ({', '.join(map(str, self.caches))}): name "
            f"one in {FOLDERS_VARIABLE}, where several are separated by '{os.pathsep}'."
        )

    def sweep(self) -> None:
        """Remove what an interrupted removal left in the caches that can be written to."""
        for cache in self.caches:
            for doomed in cache.glob(f".*{_DOOMED}"):
                with suppress(OSError):  # a shared cache that may only be read
                    _discard(doomed)

    def _embedded(self) -> Iterator[ModelPlace]:
        for folder in embedded_folders(self.package):
            try:
                content = read_json(folder / RECORD)
            except SchemaError:
                continue  # the error appears when the model is loaded by its folder
            key = f"{content.get('id')}@{content.get('version')}"
            if _is_key(key):
                yield ModelPlace(key, folder, embedded=True)

    def _installed(self) -> Iterator[ModelPlace]:
        for cache in self.caches:
            try:
                folders = sorted(path.parent for path in cache.glob(f"*@*/{MANIFEST}"))
            except OSError:
                continue
            for folder in folders:
                if _is_key(folder.name):
                    yield ModelPlace(folder.name, folder, embedded=False)


def standard_cache() -> ModelCache:
    """The model folders of this installation and user.

    The environment variable `SCT_DEEPSEG_GENERAL_MODELS` names the cache folder, or several
    as in PATH: models are searched in all of them, and installed in the first that can be
    written to.

    Raises
    ------
    ModelError
        The user has no home folder and the variable is not set.
    """
    from importlib.resources import files  # 20 ms, not for -h

    named = [part for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part]
    try:
        caches = [Path(part).expanduser() for part in named] or [user_cache() / "models"]
    except RuntimeError as error:
        raise ModelError(f"There is no home folder: name one in {FOLDERS_VARIABLE}.") from error
    return ModelCache(Path(str(files("sct_deepseg_general.model_zoo"))), tuple(caches))


def embedded_folders(package: Path) -> tuple[Path, ...]:
    """The folders of the models in a package, without networks of another kind beside them."""
    folders = (record.parent for record in sorted(package.glob(f"[!.]*/{RECORD}")))
    return tuple(folder for folder in folders if not _is_of_another_kind(folder / RECORD))


def clear(folder: Path) -> None:
    """Remove a folder in one step, so that it is never visible with only part of its files."""
    doomed = folder.with_name(f".{folder.name.lstrip('.')}{_DOOMED}")
    forget(folder)
    try:
        _discard(doomed)
        if folder.exists():
            folder.replace(doomed)
            _discard(doomed)
    except OSError as error:
        raise ModelError(f"Cannot remove {folder}: {error.strerror or error}.") from error


def _is_of_another_kind(record: Path) -> bool:
    """Whether a readable record is not that of a segmentation: it has no labels."""
    try:
        return "labels" not in read_json(record)
    except SchemaError:
        return False


def _discard(doomed: Path) -> None:
    """Remove a folder that other processes may be removing at the same time."""
    while doomed.exists():
        try:
            shutil.rmtree(doomed)
        except FileNotFoundError:
            continue


def _loaded(place: ModelPlace) -> Model | ModelError:
    try:
        return place.load()
    except ModelError as error:
        return error


def _made_writable(cache: Path) -> bool:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(cache, os.W_OK | os.X_OK)


def _is_key(name: str) -> bool:
    try:
        return split_key(name)[1] is not None
    except DeepsegError:
        return False
