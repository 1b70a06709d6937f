"""One process at a time: a lock that ends with its holder, however the holder ends."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sct_deepseg_general.errors import ModelError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["locked"]

_BUSY = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_PAUSE = 0.1


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; `waiting` is called once if others hold it.

    The operating system drops the lock when its holder is killed. The file itself stays: if it
    were removed, two processes could hold locks on two files of the same name.

    Raises:
        ModelError: the file cannot be made, or its file system knows no locks.
    """
    try:
        handle = _opened(path)
    except OSError as error:
        raise ModelError(f"Cannot write {path}: {error.strerror or error}.") from error
    try:
        if not _taken(handle, path):
            waiting()
            while not _taken(handle, path):
                time.sleep(_PAUSE)
        yield
    finally:
        os.close(handle)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY)  # made by another user of a shared folder


def _taken(handle: int, path: Path) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise ModelError(
            f"{path.parent} is on a file system without locks ({error.strerror}): choose another "
            "folder with SCT_DEEPSEG_GENERAL_MODELS."
        ) from error
    return True
