"""Locks on files, which the operating system drops when the process that holds them ends."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sct_deepseg_general.errors import ModelError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["LockState", "locked", "try_lock"]

LockState = Literal["held", "busy", "unsupported"]
"""The lock is now ours; another process holds it; or the file system has no locks."""

_BUSY = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_POLL_SECONDS = 0.1


def try_lock(handle: int, *, shared: bool = False) -> LockState:
    """Lock an open file without waiting; the lock ends when the file is closed.

    Parameters
    ----------
    handle
        A file descriptor, as `os.open` returns it.
    shared
        Several processes may hold a shared lock at the same time; none may then hold an
        exclusive one. Windows has no shared locks.

    Returns
    -------
    LockState
        "held", "busy" if another process holds a lock that excludes this one, or
        "unsupported".
    """
    try:
        return _lock_on_windows(handle, shared) if os.name == "nt" else _flock(handle, shared)
    except OSError as error:
        return "busy" if error.errno in _BUSY else "unsupported"


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` while the block runs, waiting for it if needed.

    The file is created if it is missing, and it is left in place: if it were removed, two
    processes could hold locks on two files of the same name.

    Parameters
    ----------
    path
        The lock file.
    on_wait
        Called once if another process holds the lock.

    Raises
    ------
    ModelError
        The file cannot be created, or its file system has no locks.
    """
    try:
        handle = _opened(path)
    except OSError as error:
        raise ModelError(f"Cannot write {path}: {error.strerror or error}.") from error
    try:
        if not _acquired(handle, path):
            on_wait()
            while not _acquired(handle, path):
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY)  # made by another user of a shared folder


def _acquired(handle: int, path: Path) -> bool:
    state = try_lock(handle)
    if state == "unsupported":
        raise ModelError(
            f"The file system of {path.parent} does not support locks: choose another folder "
            "with SCT_DEEPSEG_GENERAL_MODELS."
        )
    return state == "held"


def _flock(handle: int, shared: bool) -> LockState:
    if sys.platform != "win32":
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    return "held"


def _lock_on_windows(handle: int, shared: bool) -> LockState:
    if shared:
        return "unsupported"
    if sys.platform == "win32":
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    return "held"
