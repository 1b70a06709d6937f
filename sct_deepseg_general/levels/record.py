"""The disc network's record: its files, what its channels mean, and when its answer is doubted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256

__all__ = ["EMBEDDED", "DiscModel", "Limits", "embedded_model", "load_model"]

EMBEDDED = "vertebral-discs"
"""The folder of the model zoo that comes with the program."""

RECORD = "discs.json"


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
    response: float = 0.75
    """Least mean response of the discs."""
    c2c3: float = 0.6
    """Least response at C2/C3."""
    above: float = 8.0
    """Least mm of spine in view above C2/C3: below it, the shape of C2 is not seen."""
    margin: float = 5.0
    """Least margin against the best other numbering, in log odds."""
    clear_c2c3: float = 0.7
    clear_above: float = 12.0
    clear_margin: float = 2.5
    """Margin that is enough with a response of `clear_c2c3` and `clear_above` mm in view above."""
    spread: float = 0.6
    """Largest median spread of the level at the discs down to T1/T2."""
    discs: int = 3
    """Fewest discs."""


@dataclass(frozen=True)
class DiscModel:
    """A disc network on the disk; `key` is its id@version."""

    key: str
    folder: Path
    outputs: tuple[str, ...]
    limits: Limits

    @property
    def network(self) -> Path:
        """The network's file, in OpenVINO's form."""
        return self.folder / "network.xml"


def embedded_model() -> DiscModel:
    """The disc network that comes with the program, its files verified.

    Raises:
        ModelError: as `load_model`.
    """
    return load_model(Path(str(files("sct_deepseg_general.model_zoo") / EMBEDDED)))


def load_model(folder: Path) -> DiscModel:
    """The disc network of a folder.

    Raises:
        ModelError: the record is missing or not one, or a file is not what it says.
    """
    record = _read(folder / RECORD)
    try:
        _verify(folder, record["sha256"])
        known = {field.name for field in fields(Limits)}
        limits = Limits(**{k: v for k, v in record["limits"].items() if k in known})
        key = f"{record['id']}@{record['version']}"
        return DiscModel(key, folder, tuple(record["outputs"]), limits)
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / RECORD} is no record of a disc network ({error}).") from error


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
