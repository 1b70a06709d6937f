"""A model: what is in its folder, as one frozen value whose files have been checked.

A model folder holds data only: `model.json` (this record), `plans.json` and `dataset.json`
(nnU-Net's), the weights of each fold as safetensors, the network as an OpenVINO IR, an
optional small locator network, the card, the recipe, the evaluation, and `MANIFEST` with the
SHA-256 of every file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sct_deepseg_general.content import missing_content
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.schema import raising, read_record
from sct_deepseg_general.zoo.hash_cache import file_stamps, forget, remember, unchanged
from sct_deepseg_general.zoo.plans import read_plans
from sct_deepseg_general.zoo.record import FILE, HASH, NAME, VERSION, ModelRecord

__all__ = [
    "MANIFEST",
    "RECORD",
    "Model",
    "read_manifest",
    "sorted_version",
    "split_key",
]

RECORD = "model.json"
MANIFEST = "MANIFEST"
_ALWAYS = ("plans.json", "dataset.json", "card.md")
_LOCATOR = ("locator.xml", "locator.bin")


@dataclass(frozen=True, kw_only=True)
class Model(ModelRecord):
    """A model folder: the fields of its record, and where it is; made by `Model.load`."""

    folder: Path
    digest: str
    """SHA-256 of `MANIFEST`: one hash for the whole content."""

    @classmethod
    def load(cls, folder: Path, *, full: bool = False) -> Model:
        """Load the model in a folder and check its files against their hashes.

        Parameters
        ----------
        folder : Path
            The model folder.
        full : bool
            Hash every file. Otherwise, a file is hashed at the first load, and again when its
            size or modification time has changed since.

        Returns
        -------
        Model
            The checked model.

        Raises
        ------
        ModelError
            The folder is not a model, its record is not valid, or a file is missing or differs
            from the file that the model was made with.

        Examples
        --------
        >>> from sct_deepseg_general.zoo.model import Model
        >>> from sct_deepseg_general.zoo.zoo import resolve
        >>> Model.load(resolve(offline=True).folder).labels["sc"]
        1
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        _check_file(folder, RECORD, manifest[RECORD])
        with raising(ModelError):
            record = read_record(ModelRecord, folder / RECORD)
        model = cls(**vars(record), folder=folder, digest=sha256(folder / MANIFEST))
        _check_labels(model)
        _check_listed(model, manifest)
        _check_content(model, full=full)
        read_plans(folder / "plans.json", model.configuration)
        return model

    def path(self, name: str) -> Path:
        """The path of one of the model's files.

        Raises
        ------
        ModelError
            The model has no such file.
        """
        if name != RECORD and name not in self.files:
            raise ModelError(f"The model {self.key} has no file '{name}' in {self.folder}.")
        return self.folder / name


def split_key(name: str) -> tuple[str, str | None]:
    """Split "id@version" into (id, version); the version of a bare "id" is None.

    Raises
    ------
    ModelError
        The text is neither.

    Examples
    --------
    >>> split_key("sct-epi@0.2")
    ('sct-epi', '0.2')
    >>> split_key("sct-epi")
    ('sct-epi', None)
    """
    match = re.fullmatch(rf"({NAME})(?:@({VERSION}))?", name)
    if match is None:
        raise ModelError(f"'{name}' is not a model's name: give id or id@version, as in listings.")
    return match[1], match[2]


def sorted_version(version: str) -> tuple[int, ...]:
    """A version as four numbers that sort as versions do: 0.10 after 0.9, and 1.0 equal to 1."""
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (4 - len(numbers)))


def read_manifest(folder: Path, record: str = RECORD) -> Mapping[str, str]:
    """Read the SHA-256 of each file from a folder's `MANIFEST`, in the format of `sha256sum`.

    `record` is the name of the record, which must be listed.

    Raises
    ------
    ModelError
        There is no manifest, or a line of it is not a hash and a plain file name.
    """
    path = folder / MANIFEST
    try:
        with path.open(encoding="utf-8") as stream:
            lines = stream.read(1 << 20).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{folder} is not a model folder: it has no readable {MANIFEST}."
        ) from error
    matches = [re.fullmatch(rf"({HASH})  ({FILE})", line) for line in lines]
    listed = {match[2]: match[1] for match in matches if match is not None}
    if len(listed) != len(lines) or record not in listed or MANIFEST in listed:
        raise ModelError(f"{path} must list {record} and every file once, as sha256sum does.")
    return MappingProxyType(listed)


def _check_labels(model: Model) -> None:
    """Raise ModelError unless the labels make sense, and the cord is one of them."""
    names = model.scheme.names
    if model.cord is not None and model.cord not in names:
        raise ModelError(
            f"{model.folder / RECORD}: cord must be a label ({', '.join(names)}), found "
            f"{model.cord!r:.60}."
        )


def _check_listed(model: Model, manifest: Mapping[str, str]) -> None:
    listed = {name: one.sha256 for name, one in model.files.items()}
    if {**listed, RECORD: manifest[RECORD]} != manifest:
        raise ModelError(
            f"{model.folder / MANIFEST} and {RECORD} list different files: the model is "
            "damaged; remove it and fetch it again."
        )
    names = (*model.networks, *model.int8)
    networks = [f"{name}.{ending}" for name in names for ending in ("xml", "bin")]
    needed = (*_ALWAYS, *networks, *model.folds, *(_LOCATOR if model.locator else ()))
    missing = [name for name in needed if name not in listed]
    if missing:
        raise ModelError(f"The model in {model.folder} lacks {', '.join(missing)}.")


def _check_content(model: Model, *, full: bool) -> None:
    try:
        now = file_stamps(model.folder, model.files)
    except OSError as error:
        raise ModelError(
            f"{error.filename} is missing: the model is damaged; remove it and fetch it again."
        ) from error
    if not full and unchanged(model.folder, model.digest, now):
        return
    forget(model.folder)
    for name, one in model.files.items():
        _check_file(model.folder, name, one.sha256, one.size)
    remember(model.folder, model.digest, now)


def _check_file(folder: Path, name: str, expected: str, size: int | None = None) -> None:
    absent = missing_content(folder / name)
    if absent and not name.endswith(".xml"):  # a network's graph is XML, like some web pages
        raise ModelError(f"{folder / name}: {absent}.")
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
