"""Model folders as zip archives: sealed with hashes, packed reproducibly, and unpacked safely.

Archives may come from anyone. Their members are written one by one, as plain files, under names
that have been checked, and their bytes are counted while they are decompressed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.zoo.model import MANIFEST, RECORD, Model, read_manifest

__all__ = [
    "ARCHIVE_LIMITS",
    "ArchiveLimits",
    "pack",
    "seal",
    "sync",
    "sync_folder",
    "unpack",
    "unpack_model",
]

_UNSOUND = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_SAFE_MEMBER = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._ -]{0,99}){0,7}"
)


@dataclass(frozen=True)
class ArchiveLimits:
    """The largest archive that is unpacked."""

    members: int = 200
    """Number of entries."""
    size: int = 8 << 30
    """Bytes of all files after decompression."""


ARCHIVE_LIMITS = ArchiveLimits()


def seal(folder: Path, record: Mapping[str, Any]) -> Model:
    """Write `model.json` and `MANIFEST` into a folder whose other files are complete.

    Parameters
    ----------
    folder : Path
        The model folder. Only files directly in it belong to the model.
    record : mapping
        The fields of `model.json` without `files`, which is computed here.

    Returns
    -------
    Model
        The model, loaded and checked. The same files give the same bytes.

    Raises
    ------
    ModelError
        The folder and the record do not make a valid model.
    """
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_file() and path.name not in {RECORD, MANIFEST} and path.name[0] not in "._"
    )
    files = {
        name: {"size": (folder / name).stat().st_size, "sha256": sha256(folder / name)}
        for name in names
    }
    _write(folder / RECORD, json.dumps({**record, "files": files}, indent=2) + "\n")
    hashes = {
        RECORD: sha256(folder / RECORD),
        **{name: str(files[name]["sha256"]) for name in names},
    }
    _write(folder / MANIFEST, "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)))
    return Model.load(folder, full=True)


def pack(files: Mapping[str, Path], archive: Path) -> None:
    """Write a zip of these files under these names; the same content gives the same bytes.

    Nothing is compressed: weights do not shrink, and compressors differ between machines.
    """
    with write_whole(archive) as temporary, zipfile.ZipFile(temporary, "w") as bundle:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = 3
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            with files[name].open("rb") as source, bundle.open(member, "w", force_zip64=True) as to:
                shutil.copyfileobj(source, to, _CHUNK)


def unpack(
    archive: Path,
    folder: Path,
    limits: ArchiveLimits,
    *,
    expected: Callable[[str], bool] = lambda _name: True,
) -> None:
    """Unpack the files of a zip whose names are `expected` into a new folder.

    Raises
    ------
    ModelError
        The archive is damaged or larger than the limits, or any of its members,
        wanted or not, is a link, a device, encrypted, or has a name that could leave the
        folder. What was written until then stays in the folder.
    """
    folder.mkdir()
    try:
        with zipfile.ZipFile(archive) as bundle:
            members = [member for member in bundle.infolist() if member.filename[-1:] != "/"]
            _check_members(members, bundle.infolist(), limits, archive)
            left = limits.size
            for member in members:
                if expected(member.filename):
                    _check_name(member, archive)
                    left -= _inflate(bundle, member, folder, left)
    except _UNSOUND as error:
        raise ModelError(f"{archive} is not a sound zip archive ({error}).") from error
    except OSError as error:
        raise ModelError(f"Cannot unpack {archive}: {error.strerror or error}.") from error


def unpack_model(archive: Path, folder: Path, limits: ArchiveLimits) -> Model:
    """Unpack a bundle into a new folder, and load the model with every file checked.

    Parameters
    ----------
    archive : Path
        The zip archive.
    folder : Path
        The new folder.
    limits : ArchiveLimits
        The most files, and bytes in all, that are unpacked.

    Returns
    -------
    Model
        The model in `folder`.

    Raises
    ------
    ModelError
        As `unpack` and `Model.load`, or the bundle holds a file that its manifest
        does not list.
    """
    unpack(archive, folder, limits)
    extra = _found(folder) - {MANIFEST, *read_manifest(folder)}
    if extra:
        raise ModelError(f"{archive} holds {min(extra)}, which its {MANIFEST} does not list.")
    return Model.load(folder, full=True)


def sync_folder(folder: Path) -> None:
    """Wait until a folder and the files directly in it are on the disk."""
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the list of names of a folder, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle on a folder to sync
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_members(
    members: Iterable[zipfile.ZipInfo],
    listed: list[zipfile.ZipInfo],
    limits: ArchiveLimits,
    archive: Path,
) -> None:
    names = [member.filename for member in listed]
    if len(names) > limits.members:
        raise ModelError(f"{archive} holds {len(names)} entries, more than {limits.members}.")
    if len({name.casefold() for name in names}) != len(names):
        raise ModelError(f"{archive} holds one name twice.")
    for member in listed:
        _check_member(member, archive)
    if sum(member.file_size for member in members) > limits.size:
        raise ModelError(f"{archive} would unpack to more than {limits.size} bytes.")


def _check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if (
        not name.isprintable()
        or name[:1] in {"", "/", "~"}
        or not {"..", ""}.isdisjoint(name.removesuffix("/").split("/"))
    ):
        raise ModelError(f"{archive} holds a member named {name!r:.100}, which is not allowed.")
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise ModelError(f"{archive} holds {name}, which is a link or a device, not a file.")
    if member.flag_bits & 0x1:
        raise ModelError(f"{archive} holds {name}, which is encrypted.")


def _check_name(member: zipfile.ZipInfo, archive: Path) -> None:
    """A name that is written must mean the same file on every system."""
    if not _SAFE_MEMBER.fullmatch(member.filename):
        raise ModelError(
            f"{archive} holds a member named {member.filename!r:.100}, which is not allowed."
        )


def _inflate(bundle: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int) -> int:
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with bundle.open(member) as source, target.open("xb") as to:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > left:
                raise ModelError(f"{member.filename} unpacks to more than it may: a zip bomb?")
            to.write(chunk)
    return written


def _found(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def _write(path: Path, text: str) -> None:
    with write_whole(path) as temporary:
        temporary.write_bytes(text.encode())
