"""Download of a file from several mirrors, resumed after interruptions.

What has arrived stays in a `.part` file and is completed later, also by another process. The
content is not used before its SHA-256 has been checked.
"""

from __future__ import annotations

import ipaddress
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256

__all__ = ["RETRIES", "DownloadSource", "RetryPolicy", "check_space", "check_url", "download"]

_CHUNK = 1 << 16
_GAIN = 1 << 12  # bytes that count as progress
_REDIRECTS = 6
_NOT_THERE = {400, 401, 403, 404, 405, 410, 451}

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived and, if known, the bytes in total."""


@dataclass(frozen=True)
class DownloadSource:
    """A file to download, and what is known about it beforehand."""

    urls: tuple[str, ...]
    """Mirrors, tried in this order."""
    size: int | None
    """Bytes, if known."""
    sha256: str | None
    """Hexadecimal, if known."""
    limit: int = 4 << 30
    """Largest number of bytes accepted where the size is not known."""


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait, in seconds, and how often to retry."""

    connect: float = 10.0
    read: float = 30.0
    """Longest time without data on an open connection."""
    attempts: int = 5
    """Rounds over all mirrors without any new data before the download fails."""
    pause: float = 1.0
    """Wait before the second round, doubled before each further round."""
    slowest: float = 1000.0
    """Bytes per second below which a mirror is abandoned."""
    window: float = 60.0
    """Time over which `slowest` is measured."""


RETRIES = RetryPolicy()


class _MirrorError(Exception):
    """The transfer failed; what has arrived is kept, and another round may succeed."""


class _LostMirrorError(_MirrorError):
    """The mirror will not help."""


def download(
    source: DownloadSource,
    part: Path,
    progress: Progress = lambda _done, _size: None,
    retries: RetryPolicy = RETRIES,
) -> str:
    """Download the whole file to `part`, and return its SHA-256.

    If the hash is known, what an earlier process left in `part` is completed.

    Raises
    ------
    ModelError
        No mirror gave the file with its size and hash, or the disk is full.
    """
    if source.sha256 is None or _size(part) > (source.size or 0):
        part.unlink(missing_ok=True)
    if source.size is not None:
        check_space(part.parent, source.size - _size(part))
    failures: dict[str, _MirrorError] = {}
    mirrors = [check_url(url) for url in source.urls]
    idle, best = 0, _size(part)
    while mirrors and idle < retries.attempts:
        time.sleep(retries.pause * 2 ** (idle - 1) if idle else 0)
        for url in mirrors:
            outcome = _attempt(url, source, part, progress, retries)
            if isinstance(outcome, str):
                return outcome
            failures[url] = outcome
        mirrors = [url for url in mirrors if not isinstance(failures[url], _LostMirrorError)]
        idle = 0 if _size(part) - best >= _GAIN else idle + 1
        best = max(best, _size(part))
    raise _failed(failures)


def check_url(url: str) -> str:
    """Return the URL if it is https, or http on this machine.

    Raises
    ------
    ModelError
        It is anything else.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return url
    raise ModelError(f"{url} is not fetched: only https is allowed.")


def check_space(folder: Path, needed: int) -> None:
    """Raise ModelError unless the folder's disk has `needed` bytes free, and a little more."""
    free = shutil.disk_usage(folder).free
    if free < needed + (16 << 20):
        raise ModelError(
            f"{folder} has {free >> 20} MiB free and {(needed >> 20) + 16} MiB are needed: make "
            "room, or choose another folder with SCT_DEEPSEG_GENERAL_MODELS."
        )


def _failed(failures: Mapping[str, _MirrorError]) -> ModelError:
    reasons = "; ".join(f"{url}: {reason}" for url, reason in failures.items())
    return ModelError(
        f"The download failed ({reasons or 'no mirror is known'}). Try again: what arrived is "
        "kept. Or bring the file by other means and give it with 'models fetch -from FILE'."
    )


def _attempt(
    url: str, source: DownloadSource, part: Path, progress: Progress, retries: RetryPolicy
) -> str | _MirrorError:
    """The hash of the complete file after one transfer, or the reason for a failure."""
    try:
        there = _size(part) if source.sha256 is not None else 0
        if source.size is None or there < source.size:
            there = _transferred(url, source, part, progress, retries)
        return _checked(source, part, resumed=there > 0)
    except _MirrorError as error:
        return error


def _checked(source: DownloadSource, part: Path, *, resumed: bool) -> str:
    found = _size(part)
    if source.size is not None and found < source.size:
        raise _MirrorError(f"{found} of {source.size} bytes arrived")
    hashed = sha256(part)
    if source.sha256 in (None, hashed):
        return hashed
    part.unlink()
    wrong = _MirrorError if resumed else _LostMirrorError  # what was there may have been wrong
    raise wrong(f"its SHA-256 is {hashed[:12]}..., not {str(source.sha256)[:12]}...")


def _transferred(
    url: str, source: DownloadSource, part: Path, progress: Progress, retries: RetryPolicy
) -> int:
    """Transfer the file; gives the number of bytes of `part` that were kept from before."""
    import requests  # 0.1 s, not for -h
    from urllib3.exceptions import HTTPError

    offset = _size(part) if source.sha256 is not None else 0
    try:
        with requests.Session() as session:
            session.trust_env = urlsplit(url).scheme == "https"  # no proxy to this machine
            response = _opened(session, url, offset, retries)
            with response:
                start = _start(response, offset, part)
                announced = _announced(response, start, source)
                chunks = _paced(iter(lambda: response.raw.read1(_CHUNK), b""), retries)
                _stored(chunks, part, start, source, progress)
        _check_arrived(part, announced)
        return start
    except (requests.RequestException, HTTPError) as error:
        raise _MirrorError(f"{type(error).__name__}: {error!s:.200}") from error


def _opened(session: Any, url: str, offset: int, retries: RetryPolicy) -> Any:
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    for _hop in range(_REDIRECTS):
        response = session.get(
            url,
            headers=headers,
            stream=True,
            allow_redirects=False,
            timeout=(retries.connect, retries.read),
        )
        if not response.is_redirect:
            return response
        response.close()
        url = _redirected(url, response.headers["Location"])
    raise _LostMirrorError("it redirects without end")


def _redirected(url: str, location: str) -> str:
    try:
        return check_url(urljoin(url, location))
    except (ModelError, ValueError) as error:
        raise _LostMirrorError(f"it redirects to what is not https ({error})") from error


def _start(response: Any, offset: int, part: Path) -> int:
    """The position in the file at which the bytes of the response begin."""
    status = int(response.status_code)
    if status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        return offset
    if status == 200:
        return 0
    if status == 416:
        part.unlink()
    if status in _NOT_THERE:
        raise _LostMirrorError(f"it answers {status} {response.reason}")
    raise _MirrorError(f"it answers {status} {response.reason}")


def _announced(response: Any, start: int, source: DownloadSource) -> int | None:
    """The size of the whole file in bytes as the response states it, or None."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _LostMirrorError("it sends the file encoded")
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal():
        return None
    if source.size is not None and start + int(length) > source.size:
        raise _LostMirrorError(f"it offers {start + int(length)} bytes instead of {source.size}")
    return start + int(length)


def _check_arrived(part: Path, announced: int | None) -> None:
    if announced is not None and _size(part) < announced:
        raise _MirrorError(f"{_size(part)} of {announced} bytes arrived")


def _paced(chunks: Iterator[bytes], retries: RetryPolicy) -> Iterator[bytes]:
    began, received = time.monotonic(), 0
    for chunk in chunks:
        yield chunk  # what arrives, be it one byte: waiting for more would hide a dripping server
        received += len(chunk)
        elapsed = time.monotonic() - began
        if elapsed > retries.window:
            if received < retries.slowest * elapsed:
                raise _MirrorError(f"it sends only {received / elapsed:.0f} bytes a second")
            began, received = time.monotonic(), 0


def _stored(
    chunks: Iterator[bytes], part: Path, start: int, source: DownloadSource, progress: Progress
) -> None:
    most, done = source.size or source.limit, start
    try:
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            for chunk in chunks:
                done += len(chunk)
                if done > most:
                    break
                stream.write(chunk)
                progress(done, source.size)
    except OSError as error:
        raise ModelError(f"Cannot write {part}: {error.strerror or error}.") from error
    if done > most:
        part.unlink()
        raise _LostMirrorError(f"it sends more than {most} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
