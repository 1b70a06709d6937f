"""An output folder belongs to one batch at a time, or to the shards of one batch.

The claim is a lock of the operating system, so it ends with its holder, however that ends.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.errors import OutputError

__all__ = ["claimed"]

_BUSY = {errno.EACCES, errno.EAGAIN}


@contextmanager
def claimed(folder: Path, shard: Shard) -> Iterator[bool]:
    """Hold the shard's place in a batch's `folder` while the block runs.

    Gives False where the system or its file system knows no locks: nothing is held then.

    Raises:
        OutputError: another process works on this shard, or on another division of the work.
    """
    ours = folder / f"lock-of-{shard.count:04}"
    _make(folder / shard.label)
    with ExitStack() as stack:
        held = stack.enter_context(_locked(folder / shard.label / "lock", folder))
        stack.enter_context(_locked(ours, folder, shared=True))
        for other in sorted(set(folder.glob("lock-of-*")) - {ours}):
            with _locked(other, folder):
                pass
        yield held


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make {folder}: {error.strerror or error}.") from error


@contextmanager
def _locked(path: Path, folder: Path, *, shared: bool = False) -> Iterator[bool]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
    try:
        yield _taken(handle, folder, shared=shared)
    finally:
        os.close(handle)


def _taken(handle: int, folder: Path, *, shared: bool) -> bool:
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            raise OutputError(
                f"Another batch is working on {folder.parent}: wait until it has ended, divide "
                "the work with -shard i/N of one N, or choose another -o."
            ) from error
        return False
    return True
