"""The right to work in an output folder: one batch at a time, or the parts of one batch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sct_deepseg_general.cluster.shards import Part
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.locks import LockState, try_lock

__all__ = ["claimed"]

_PROBES, _PAUSE = 20, 0.05  # another process that starts holds a lock for a moment only


@contextmanager
def claimed(folder: Path, part: Part) -> Iterator[bool]:
    """Lock a part of a batch while the block runs.

    A part holds an exclusive lock on each of its state folders and a shared lock on the division,
    so that parts of the same division may run at the same time, and no others. The operating
    system drops the locks when the process ends, however it ends.

    Parameters
    ----------
    folder
        The state folder of the batch; it is created if it is missing.
    part
        The part of the work that is about to be done.

    Yields
    ------
    bool
        False where the system or the file system has no locks; nothing is locked then.

    Raises
    ------
    OutputError
        Another process works on this part, or on another division of the same batch.
    """
    division = folder / f"lock-of-{part.division}"
    with ExitStack() as stack:
        states = []
        for label in part.labels:
            _make(folder / label)
            states.append(stack.enter_context(_locked(folder / label / "lock", folder)))
        stack.enter_context(_locked(division, folder, shared=True))
        for other in sorted(set(folder.glob("lock-of-*")) - {division}):
            with _locked(other, folder, patient=True):
                pass
        yield all(state == "held" for state in states)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make {folder}: {error.strerror or error}.") from error


@contextmanager
def _locked(
    path: Path, folder: Path, *, shared: bool = False, patient: bool = False
) -> Iterator[LockState]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
    try:
        state = try_lock(handle, shared=shared)
        for _ in range(_PROBES if patient else 0):
            if state != "busy":
                break
            time.sleep(_PAUSE)
            state = try_lock(handle, shared=shared)
        if state == "busy":
            raise OutputError(
                f"Another batch is working on {folder.parent}: wait until it has ended, give "
                "every process its own -shard i/N with the same N, or choose another -o."
            )
        yield state
    finally:
        os.close(handle)
