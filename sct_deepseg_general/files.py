"""Writing files whole: a reader sees the old file or the new one, never half of either."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sct_deepseg_general.errors import OutputError

if sys.platform != "win32":
    import fcntl

__all__ = ["clear_abandoned", "sha256", "write_whole", "written_together"]

_PART = ".part-"


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well.

    The temporary file keeps every suffix of `path` (".nii.gz"), is synced to disk, gets the
    permissions the umask allows and is renamed over `path`; if the block raises, or is
    interrupted, it is removed and `path` stays as it was.

    Raises:
        OutputError: the folder does not exist, cannot be written to, or is full.
    """
    temporary, lock = _temporary_beside(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except (OSError, OutputError) as error:
        raise _refused(path, error) from _cause(error)
    finally:
        with suppress(OSError):  # of a folder that vanished, or became read-only
            temporary.unlink(missing_ok=True)
        os.close(lock)


def clear_abandoned(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder.

    Whoever writes a temporary file holds a lock on it, which the operating system drops with
    the process; a file that is locked, or whose file system knows no locks, stays.
    """
    if sys.platform == "win32":
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(e) for e in entries if e.name.startswith(_PART)]:
            with suppress(OSError):
                _remove_unlocked(path)


@contextmanager
def written_together(paths: Sequence[Path]) -> Iterator[Mapping[Path, Path]]:
    """A temporary file beside each path; when the block ends well they take their places, in
    the order given, and if it raises none does.

    Raises:
        OutputError: as `write_whole`.
    """
    with ExitStack() as stack:
        yield {path: stack.enter_context(write_whole(path)) for path in reversed(paths)}


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _temporary_beside(path: Path) -> tuple[Path, int]:
    """An empty file in the folder of `path`, and the handle that holds its lock."""
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=_PART, suffix="".join(path.suffixes[-2:])
        )
    except OSError as error:
        raise _refused(path, error) from error
    umask = os.umask(0)
    os.umask(umask)
    os.fchmod(handle, 0o666 & ~umask)
    if not _locked(handle):
        os.close(handle)  # another process took it for abandoned before it was locked
        return _temporary_beside(path)
    return Path(name), handle


def _locked(handle: int) -> bool:
    """Take the lock on a new file; false if the file was removed meanwhile."""
    if sys.platform == "win32":
        return True
    with suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_EX)
    return os.fstat(handle).st_nlink > 0


def _remove_unlocked(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(handle)


def _refused(path: Path, error: Exception) -> OutputError:
    cause = _cause(error)
    return OutputError(f"Cannot write {path}: {getattr(cause, 'strerror', None) or cause}.")


def _cause(error: Exception) -> BaseException:
    """What the system said, also of a file written inside a block that writes another."""
    return error.__cause__ if isinstance(error.__cause__, OSError) else error


def _sync(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
