"""A model: what is in its folder, as one frozen value whose files have been checked.

A model folder holds data only: `model.json` (this record), `plans.json` and `dataset.json`
(nnU-Net's), the weights of each fold as safetensors, the network as an OpenVINO IR, an
optional small locator network, the card, the recipe, the evaluation, and `MANIFEST` with the
SHA-256 of every file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.schema import Fields, read_json
from sct_deepseg_general.zoo.hash_cache import forget, remember, stamps, unchanged
from sct_deepseg_general.zoo.plans import read_plans

__all__ = [
    "DATE",
    "FORMAT",
    "HASH",
    "MANIFEST",
    "NAME",
    "NORMALISATIONS",
    "ORIENTATION",
    "RECORD",
    "VERSION",
    "File",
    "Locator",
    "Model",
    "read_manifest",
    "sorted_version",
    "split_key",
]

FORMAT = 1
RECORD = "model.json"
MANIFEST = "MANIFEST"
NAME = r"[a-z0-9][a-z0-9-]{0,63}"
VERSION = r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){0,3}"
ORIENTATION = r"(?=.*[RL])(?=.*[AP])(?=.*[IS])[RLAPIS]{3}"
NORMALISATIONS = ("zscore",)
_FILE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
HASH = r"[0-9a-f]{64}"
DATE = r"[0-9]{4}-[01][0-9]-[0-3][0-9]"
_NETWORK = ("plans.json", "dataset.json", "card.md", "network.xml", "network.bin")
_LOCATOR = ("locator.xml", "locator.bin")


@dataclass(frozen=True)
class File:
    """One file of a model: its name in the folder, bytes, and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Locator:
    """The small network that finds the cord in the whole image."""

    spacing: tuple[float, float, float]
    """Millimetres a voxel, along x, y, z of the model's orientation."""
    patch: tuple[int, int, int]
    """Voxels, along x, y, z of the model's orientation."""
    threshold: float
    """Probability from which a voxel counts as cord, 0 to 1."""


@dataclass(frozen=True)
class Model:
    """What one model expects, gives and is; made by `Model.load`."""

    id: str
    version: str
    title: str
    description: str
    contrasts: tuple[str, ...]
    orientation: str
    """SCT's letters (where an axis comes from) of the array x, y, z the model is made for."""
    spacing: tuple[float, float, float]
    """Millimetres a voxel, along x, y, z of `orientation`."""
    patch: tuple[int, int, int]
    """Voxels of a tile, along x, y, z of `orientation`."""
    normalisation: str
    """How intensities are prepared: one of `NORMALISATIONS`."""
    averaging: bool
    """Whether an image with smaller voxels is averaged over the model's (`prepare.averaged`)."""
    labels: tuple[tuple[str, int], ...]
    """Names and values of the labels, background first: (("background", 0), ("sc", 1))."""
    threshold: float
    """Probability from which a voxel is cord, 0 to 1."""
    margin: float
    """Millimetres kept around the cord when the image is cropped."""
    locator: Locator | None
    folds: tuple[str, ...]
    """The weights, one safetensors file a fold; their logits are averaged."""
    intervals: Mapping[str, Any] | None = field(hash=False)
    """Calibration of the error bars of the area, as `uncertainty.IntervalFactors` reads it."""
    typical: Mapping[str, tuple[float, float]] | None = field(hash=False)
    """Ranges of what `appearance` finds in the images trained on, by name; None: not known."""
    licence: str
    citation: str
    date: str
    """Day of the release, YYYY-MM-DD."""
    replaces: str | None
    """The model that this one is meant to replace, as id@version."""
    files: tuple[File, ...]
    """Every file of the folder but `model.json` and `MANIFEST`."""
    folder: Path
    digest: str
    """SHA-256 of `MANIFEST`: one number for the whole content."""

    @classmethod
    def load(cls, folder: Path, *, full: bool = False) -> Model:
        """The model in a folder, its files checked against their hashes.

        Files are hashed on the first load, and again whenever their size or time of change
        differs from what it was then; with `full` they are hashed in any case.

        Raises:
            ModelError: the folder is not a model, its record is wrong, or a file is missing
                or not what it was when the model was made.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        _check_file(folder, RECORD, manifest[RECORD])
        model = _parsed(Fields(read_json(folder / RECORD), str(folder / RECORD)), folder)
        _check_listed(model, manifest)
        _check_content(model, full=full)
        read_plans(folder / "plans.json")
        return model

    @property
    def key(self) -> str:
        """The name that pins this model: id@version."""
        return f"{self.id}@{self.version}"

    @property
    def size(self) -> int:
        """Bytes of all listed files."""
        return sum(one.size for one in self.files)

    def path(self, name: str) -> Path:
        """Where one of the model's files lies.

        Raises:
            ModelError: the model has no such file.
        """
        if name != RECORD and name not in {one.name for one in self.files}:
            raise ModelError(f"The model {self.key} has no file '{name}' in {self.folder}.")
        return self.folder / name


def split_key(name: str) -> tuple[str, str | None]:
    """A name "id@version" as (id, version); a bare "id" has the version None.

    Raises:
        ModelError: the text is neither.
    """
    match = re.fullmatch(rf"({NAME})(?:@({VERSION}))?", name)
    if match is None:
        raise ModelError(f"'{name}' is not a model's name: give id or id@version, as in listings.")
    return match[1], match[2]


def sorted_version(version: str) -> tuple[int, ...]:
    """A version as numbers that compare as people mean it: 0.10 after 0.9, 1.0 equal to 1."""
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def read_manifest(folder: Path) -> Mapping[str, str]:
    """File names and SHA-256 in a folder's `MANIFEST`, which is in the format of `sha256sum`.

    Raises:
        ModelError: there is none, or it has a line that is not a hash and a plain file name.
    """
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8") as stream:
            lines = stream.read(1 << 20).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{folder} is not a model folder: it has no readable {MANIFEST}."
        ) from error
    matches = [re.fullmatch(rf"({HASH})  ({_FILE})", line) for line in lines]
    listed = {match[2]: match[1] for match in matches if match is not None}
    if len(listed) != len(lines) or RECORD not in listed or MANIFEST in listed:
        raise ModelError(f"{path} must list {RECORD} and every file once, as sha256sum does.")
    return MappingProxyType(listed)


def _parsed(fields: Fields, folder: Path) -> Model:
    fields.choice("format", FORMAT)
    model = Model(
        id=fields.text("id", NAME),
        version=fields.text("version", VERSION),
        title=fields.text("title"),
        description=fields.text("description"),
        contrasts=fields.texts("contrasts"),
        orientation=fields.text("orientation", ORIENTATION),
        spacing=fields.spacing("spacing"),
        patch=fields.shape("patch"),
        normalisation=fields.choice("normalisation", *NORMALISATIONS),
        averaging=_averaging(fields),
        labels=fields.labels("labels"),
        threshold=fields.number("threshold", most=1.0),
        margin=fields.number("margin", most=1e3),
        locator=_locator(fields),
        folds=fields.texts("folds", rf"{_FILE}\.safetensors"),
        intervals=_intervals(fields),
        typical=_typical(fields),
        licence=fields.text("licence"),
        citation=fields.text("citation"),
        date=fields.text("date", DATE),
        replaces=fields.text_or_none("replaces", rf"{NAME}@{VERSION}"),
        files=_files(fields.object("files")),
        folder=folder,
        digest=sha256(folder / MANIFEST),
    )
    fields.done()
    return model


def _locator(fields: Fields) -> Locator | None:
    found = fields.object_or_none("locator")
    if found is None:
        return None
    locator = Locator(
        spacing=found.spacing("spacing"),
        patch=found.shape("patch"),
        threshold=found.number("threshold", most=1.0),
    )
    found.done()
    return locator


def _intervals(fields: Fields) -> Mapping[str, Any] | None:
    found = fields.object_or_none("intervals")
    if found is None:
        return None
    return MappingProxyType({name: found.any(name) for name in found.names()})


def _typical(fields: Fields) -> Mapping[str, tuple[float, float]] | None:
    """Optional: records made before the field was known lack it."""
    found = fields.object_or_none("typical") if "typical" in fields.names() else None
    if found is None:
        return None
    return MappingProxyType({name: found.range(name) for name in found.names()})


def _averaging(fields: Fields) -> bool:
    """Optional: records made before the field was known lack it."""
    return "averaging" in fields.names() and fields.flag("averaging")


def _files(fields: Fields) -> tuple[File, ...]:
    def file(name: str) -> File:
        one = fields.object(name)
        read = File(name, one.whole("size"), one.text("sha256", HASH))
        one.done()
        return read

    return tuple(file(name) for name in sorted(fields.names()))


def _check_listed(model: Model, manifest: Mapping[str, str]) -> None:
    listed = {one.name: one.sha256 for one in model.files}
    if {**listed, RECORD: manifest[RECORD]} != manifest:
        raise ModelError(
            f"{model.folder / MANIFEST} and {RECORD} list different files: the model is "
            "damaged; remove it and fetch it again."
        )
    needed: Iterable[str] = (*_NETWORK, *model.folds, *(_LOCATOR if model.locator else ()))
    missing = [name for name in needed if name not in listed]
    if missing or not model.folds:
        raise ModelError(f"The model in {model.folder} lacks {', '.join(missing) or 'weights'}.")


def _check_content(model: Model, *, full: bool) -> None:
    names = [one.name for one in model.files]
    try:
        now = stamps(model.folder, names)
    except OSError as error:
        raise ModelError(
            f"{error.filename} is missing: the model is damaged; remove it and fetch it again."
        ) from error
    if not full and unchanged(model.folder, model.digest, now):
        return
    forget(model.folder)
    for one in model.files:
        _check_file(model.folder, one.name, one.sha256, one.size)
    remember(model.folder, model.digest, now)


def _check_file(folder: Path, name: str, expected: str, size: int | None = None) -> None:
    try:
        found = (folder / name).stat().st_size
        if size is not None and found != size:
            raise ModelError(
                f"{folder / name} has {found} bytes instead of {size}: the model is damaged; "
                "remove it and fetch it again."
            )
        hashed = sha256(folder / name)
    except OSError as error:
        raise ModelError(f"Cannot read {folder / name}: {error.strerror or error}.") from error
    if hashed != expected:
        raise ModelError(
            f"{folder / name} is not the file it was: SHA-256 {hashed[:12]}..., expected "
            f"{expected[:12]}...; remove the model and fetch it again."
        )
