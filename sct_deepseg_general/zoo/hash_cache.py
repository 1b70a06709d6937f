"""A cache of checked hashes: size and modification time of each file of a model, by model folder.

Hashing all weights at every start would take longer than reading them. A file whose size and
modification time are those recorded when its hash was last correct is taken as unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from sct_deepseg_general.errors import DeepsegError
from sct_deepseg_general.files import FileStamp, write_whole
from sct_deepseg_general.schema import read_json

__all__ = ["FileStamps", "file_stamps", "forget", "remember", "unchanged", "user_cache"]

FileStamps = tuple[tuple[str, FileStamp], ...]


def user_cache() -> Path:
    """The user's cache folder for this program, which may not exist yet.

    Raises
    ------
    RuntimeError
        The user has no home folder.
    """
    name = "sct_deepseg_general"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / name
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / name
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if Path(named).is_absolute() else Path.home() / ".cache") / name


def file_stamps(folder: Path, names: Iterable[str]) -> FileStamps:
    """The size in bytes and modification time in nanoseconds of each file, by name.

    Raises
    ------
    OSError
        A file is missing.
    """
    return tuple((name, FileStamp.of(folder / name)) for name in sorted(names))


def unchanged(folder: Path, digest: str, now: FileStamps) -> bool:
    """Whether the files are as they were when `remember` was called with this digest."""
    try:
        known = read_json(_record_file(folder))
    except (DeepsegError, RuntimeError):
        return False
    return known == _as_json(digest, now)


def remember(folder: Path, digest: str, now: FileStamps) -> None:
    """Record that these files have the hashes of the digest, if the user has a home folder."""
    try:
        record = _record_file(folder)
        record.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(record) as temporary:
            temporary.write_text(json.dumps(_as_json(digest, now)), encoding="utf-8")
    except (DeepsegError, OSError, RuntimeError):
        return


def forget(folder: Path) -> None:
    """Make the next load hash every file of this folder again."""
    try:
        _record_file(folder).unlink(missing_ok=True)
    except (OSError, RuntimeError):
        return


def _record_file(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return user_cache() / "hashes" / f"{name}.json"


def _as_json(digest: str, now: FileStamps) -> dict[str, object]:
    return {"digest": digest, "files": [[name, one.size, one.mtime_ns] for name, one in now]}
