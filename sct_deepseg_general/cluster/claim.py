"""The right to work in an output folder: one batch at a time, or the shards of one batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.locks import LockState, try_lock

__all__ = ["claimed"]


@contextmanager
def claimed(folder: Path, shard: Shard) -> Iterator[bool]:
    """Lock a shard's part of a batch while the block runs.

    A shard holds an exclusive lock on its own folder and a shared lock on the number of shards,
    so that shards of the same number may run at the same time, and no others. The operating
    system drops the locks when the process ends, however it ends.

    Parameters
    ----------
    folder
        The state folder of the batch; it is created if it is missing.
    shard
        The part of the work that is about to be done.

    Yields
    ------
    bool
        False where the system or the file system has no locks; nothing is locked then.

    Raises
    ------
    OutputError
        Another process works on this shard, or on another division of the same batch.
    """
    division = folder / f"lock-of-{shard.count:04}"
    _make(folder / shard.label)
    with ExitStack() as stack:
        state = stack.enter_context(_locked(folder / shard.label / "lock", folder))
        stack.enter_context(_locked(division, folder, shared=True))
        for other in sorted(set(folder.glob("lock-of-*")) - {division}):
            with _locked(other, folder):
                pass
        yield state == "held"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make {folder}: {error.strerror or error}.") from error


@contextmanager
def _locked(path: Path, folder: Path, *, shared: bool = False) -> Iterator[LockState]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
    try:
        state = try_lock(handle, shared=shared)
        if state == "busy":
            raise OutputError(
                f"Another batch is working on {folder.parent}: wait until it has ended, give "
                "every process its own -shard i/N with the same N, or choose another -o."
            )
        yield state
    finally:
        os.close(handle)
