"""The disc network's record: its files, what its channels mean, and when its answer is doubted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.zoo.model import MANIFEST, read_manifest
from sct_deepseg_general.zoo.zoo import ModelStatus

__all__ = [
    "EMBEDDED",
    "RECORD",
    "Certainty",
    "DiscModel",
    "Limits",
    "embedded_model",
    "embedded_status",
    "load_model",
]

EMBEDDED = "vertebral-discs"
"""The folder of the model zoo that comes with the program."""

RECORD = "discs.json"
_FINDS = "vertebral levels"
_Kind = TypeVar("_Kind", "Limits", "Certainty")


@dataclass(frozen=True)
class Limits:
    """When numbers are withheld; fitted on people left out of the training (docs/levels.md)."""

    fluid_t2w: float = 1.8
    """Least brightness of fluid over cord from which a contrast counts as T2-weighted."""
    bone_t2w: float = 0.5
    """Largest brightness of vertebrae over fluid of a T2-weighted image."""
    fluid_t2star: float = 1.25
    """Least brightness of fluid over cord of a T2*-weighted image."""
    bone_t2star: float = 0.35
    """Largest brightness of vertebrae over fluid of a T2*-weighted image."""
    thickest: float = 9.0
    """Largest distance of slices, in mm: half a vertebra of the neck."""
    response: float = 0.7
    """Least mean response of the discs."""
    c2c3: float = 0.4
    """Least response at C2/C3: below it, C2/C3 counts as not in view."""
    above: float = 8.0
    """Least mm of spine in view above C2/C3: below it, C2 counts as not in view."""
    certain: float = 0.85
    """Least probability that every number is right (`Certainty`)."""
    discs: int = 2
    """Fewest discs."""


@dataclass(frozen=True)
class Certainty:
    """The log odds that every number is right: a constant, and the weight of the square root of the
    margin (`doubt.weighed`).

    Fitted on people left out of the training (`level_training.certainty`). Without a fit the odds
    are even, and numbers are withheld.
    """

    constant: float = 0.0
    margin: float = 0.0


@dataclass(frozen=True)
class DiscModel:
    """A disc network on the disk; `key` is its id@version."""

    key: str
    folder: Path
    outputs: tuple[str, ...]
    limits: Limits
    certainty: Certainty = Certainty()
    title: str = ""
    contrasts: tuple[str, ...] = ()

    @property
    def network(self) -> Path:
        """The network's file, in OpenVINO's form."""
        return self.folder / "network.xml"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum((self.folder / name).stat().st_size for name in (MANIFEST, *self._hashes()))

    @property
    def digest(self) -> str:
        """SHA-256 of `MANIFEST`: one hash for the whole content."""
        return sha256(self.folder / MANIFEST)

    def verify(self) -> None:
        """Hash every file of the folder.

        Raises:
            ModelError: one is missing, or not what `MANIFEST` says.
        """
        _verify(self.folder, self._hashes())

    def _hashes(self) -> Mapping[str, str]:
        return read_manifest(self.folder, RECORD)


def embedded_model() -> DiscModel:
    """The disc network that comes with the program, its files verified.

    Raises:
        ModelError: as `load_model`.
    """
    return load_model(_embedded_folder())


def _embedded_folder() -> Path:
    return Path(str(files("sct_deepseg_general.model_zoo") / EMBEDDED))


def embedded_status() -> ModelStatus:
    """How the embedded disc network stands in the list of models, every byte hashed."""
    folder = _embedded_folder()
    try:
        model = load_model(folder)
        model.verify()
    except ModelError as error:
        damage = f"damaged: {error}"
        return ModelStatus(EMBEDDED, "embedded", damage, None, folder, "", (), _FINDS)
    known = (model.size, folder, model.title, model.contrasts, _FINDS)
    return ModelStatus(model.key, "embedded", "verified", *known)


def load_model(folder: Path) -> DiscModel:
    """The disc network of a folder.

    Raises:
        ModelError: the record is missing or not one, or a file is not what it says.
    """
    record = _read(folder / RECORD)
    try:
        _verify(folder, record["sha256"])
        limits = _known(Limits, record["limits"])
        certainty = _known(Certainty, record.get("certainty", {}))
        key = f"{record['id']}@{record['version']}"
        title, contrasts = str(record.get("title", "")), tuple(record.get("contrasts", ()))
        outputs = tuple(record["outputs"])
        return DiscModel(key, folder, outputs, limits, certainty, title, contrasts)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / RECORD} is no record of a disc network ({error}).") from error


def _known(kind: type[_Kind], values: Mapping[str, Any]) -> _Kind:
    """The values whose names the kind has; the others have their defaults."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot read the disc network's record {path}: {error}.") from error
    if not isinstance(record, dict):
        raise ModelError(f"{path} is no record of a disc network.")
    return record


def _verify(folder: Path, hashes: Mapping[str, str]) -> None:
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file() or sha256(path) != expected:
            raise ModelError(f"{path} is missing or damaged: install the program again.")
