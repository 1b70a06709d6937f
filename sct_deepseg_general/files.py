"""Files: written completely or not at all, hashed, and compared with an earlier state."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.locks import try_lock

__all__ = [
    "FileStamp",
    "clear_abandoned",
    "digest_of",
    "new_folder",
    "sha256",
    "stem_of",
    "write_json",
    "write_whole",
    "written_together",
]

_PART = ".part-"


@dataclass(frozen=True)
class FileStamp:
    """Size and modification time of a file: if both are unchanged, so is its content."""

    size: int = 0
    """Bytes."""
    mtime_ns: int = 0
    """Modification time in nanoseconds since 1970."""

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """The stamp of a file as it is now.

        Raises
        ------
        OSError
            The file is missing, or its folder may not be entered.
        """
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)

    @classmethod
    def if_present(cls, path: Path) -> FileStamp:
        """The stamp of a file as it is now; all zeros if the file is missing."""
        try:
            return cls.of(path)
        except OSError:
            return cls()


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Write a file through a temporary file that is renamed to `path` when the block succeeds.

    Readers see the old file or the new one, never half of either. The temporary file lies
    beside `path` and keeps its suffixes (".nii.gz"). It is synced to disk, gets the permissions
    that the umask allows, and replaces `path`. If the block raises or is interrupted, the
    temporary file is removed and `path` is unchanged.

    Parameters
    ----------
    path
        The file to write.

    Yields
    ------
    pathlib.Path
        The temporary file, which exists and is empty.

    Raises
    ------
    OutputError
        The folder does not exist, cannot be written to, or is full.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with write_whole(folder / "area.txt") as temporary:
    ...     _ = temporary.write_text("75.4")
    >>> [path.name for path in folder.iterdir()]
    ['area.txt']
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


def write_json(path: Path, content: Any) -> None:
    """Write a value as indented JSON in UTF-8, whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def clear_abandoned(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder.

    A process holds a lock on each temporary file that it writes, and the operating system drops
    the lock when the process ends. Files that are locked, or that lie on a file system without
    locks, are left in place.
    """
    if os.name == "nt":
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(e) for e in entries if e.name.startswith(_PART)]:
            with suppress(OSError):
                _remove_unlocked(path)


@contextmanager
def written_together(paths: Sequence[Path]) -> Iterator[Mapping[Path, Path]]:
    """Write several files as `write_whole` does: all of them appear, or none.

    Parameters
    ----------
    paths
        The files to write. They are renamed into place in this order when the block succeeds.

    Yields
    ------
    Mapping[pathlib.Path, pathlib.Path]
        The temporary file of each path.

    Raises
    ------
    OutputError
        As for `write_whole`.
    """
    with ExitStack() as stack:
        yield {path: stack.enter_context(write_whole(path)) for path in reversed(paths)}


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """A folder that exists during the block. If the block raises, the folders that were made for it
    are removed again, unless they hold something.

    Raises
    ------
    OutputError
        The folder cannot be made.
    """
    missing = [one for one in (folder, *folder.absolute().parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make the folder {folder}: {error.strerror}.") from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for one in missing:
                one.rmdir()
        raise


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def digest_of(path: Path | None) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; "" without a file, or if it cannot be read."""
    try:
        return "" if path is None else sha256(path)
    except OSError:
        return ""


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
    """Lock a new file, where there are locks; False if the file was removed meanwhile."""
    if os.name == "nt":
        return True
    while try_lock(handle) == "busy":  # `clear_abandoned` is about to remove it
        time.sleep(0.001)
    return os.fstat(handle).st_nlink > 0


def _remove_unlocked(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if try_lock(handle) == "held":
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


def stem_of(path: PurePath | str) -> str:
    """The file name of an image without `.nii` or `.nii.gz`.

    Examples
    --------
    >>> stem_of("anat/sub-01_T2w.nii.gz")
    'sub-01_T2w'
    """
    return PurePath(path).name.removesuffix(".gz").removesuffix(".nii")
