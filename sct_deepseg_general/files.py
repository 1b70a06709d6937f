"""Writing files whole: a reader sees the old file or the new one, never half of either."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sct_deepseg_general.errors import OutputError

__all__ = ["sha256", "write_whole", "written_together"]


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well.

    The temporary file keeps every suffix of `path` (".nii.gz"), is synced to disk, gets the
    permissions the umask allows and is renamed over `path`; if the block raises, or is
    interrupted, it is removed and `path` stays as it was.

    Raises:
        OutputError: the folder does not exist, cannot be written to, or is full.
    """
    temporary = _temporary_beside(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except (OSError, OutputError) as error:
        raise _refused(path, error) from _cause(error)
    finally:
        temporary.unlink(missing_ok=True)


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


def _temporary_beside(path: Path) -> Path:
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=".part-", suffix="".join(path.suffixes[-2:])
        )
    except OSError as error:
        raise _refused(path, error) from error
    umask = os.umask(0)
    os.umask(umask)
    os.fchmod(handle, 0o666 & ~umask)
    os.close(handle)
    return Path(name)


def _refused(path: Path, error: Exception) -> OutputError:
    cause = _cause(error)
    return OutputError(f"Cannot write {path}: {getattr(cause, 'strerror', None) or cause}.")


def _cause(error: Exception) -> BaseException:
    """What the system said, also of a file written inside a block that writes another."""
    return error.__cause__ if isinstance(error.__cause__, OSError) else error


def _sync(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
