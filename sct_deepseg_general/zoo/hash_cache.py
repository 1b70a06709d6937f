"""Which files of a model were hashed already: size and time of change, in the user's cache.

Hashing every weight at every start would cost more than reading it. A file whose size and
time of change are those recorded when its hash was last right is taken as unchanged.
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

__all__ = ["Stamps", "forget", "remember", "stamps", "unchanged", "user_cache"]

Stamps = tuple[tuple[str, FileStamp], ...]


def user_cache() -> Path:
    """The user's cache folder for this program; it may not exist yet.

    Raises:
        RuntimeError: the user has no home.
    """
    name = "sct_deepseg_general"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / name
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / name
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if Path(named).is_absolute() else Path.home() / ".cache") / name


def stamps(folder: Path, names: Iterable[str]) -> Stamps:
    """Size in bytes and time of change in nanoseconds of each file, taken before it is hashed.

    Raises:
        OSError: a file is missing.
    """
    return tuple((name, FileStamp.of(folder / name)) for name in sorted(names))


def unchanged(folder: Path, digest: str, now: Stamps) -> bool:
    """Whether the files are as they were when `remember` was told of this digest."""
    try:
        known = read_json(_stamp_file(folder))
    except (DeepsegError, RuntimeError):
        return False
    return known == _as_json(digest, now)


def remember(folder: Path, digest: str, now: Stamps) -> None:
    """Note that these files have the hashes that the digest stands for; in vain without a home."""
    try:
        stamp = _stamp_file(folder)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(stamp) as temporary:
            temporary.write_text(json.dumps(_as_json(digest, now)), encoding="utf-8")
    except (DeepsegError, OSError, RuntimeError):
        return


def forget(folder: Path) -> None:
    """Have the next load hash every file of this folder again."""
    try:
        _stamp_file(folder).unlink(missing_ok=True)
    except (OSError, RuntimeError):
        return


def _stamp_file(folder: Path) -> Path:
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return user_cache() / "stamps" / f"{name}.json"


def _as_json(digest: str, now: Stamps) -> dict[str, object]:
    return {"digest": digest, "files": [[name, one.size, one.mtime_ns] for name, one in now]}
