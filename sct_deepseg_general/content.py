"""Files whose content is not on this machine: placeholders of git-annex, Git LFS and downloads.

Datasets that are managed with git-annex, DataLad or Git LFS are cloned without the content of
their large files. What lies in the place of an image is then a dangling link, or a small text
file that names the content.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sct_deepseg_general.errors import MissingContentError

__all__ = ["check_content", "missing_content"]

_LARGEST_PLACEHOLDER = 32 << 10  # bytes; git-annex takes no larger file for a pointer
_ANNEX_POINTER = re.compile(rb"\s*(?:\.git|[./\\])*annex[/\\]objects[/\\]")
_ANNEX_LINK = re.compile(rb"annex[/\\]objects[/\\]")
_LFS = re.compile(rb"\s*version https://(?:git-lfs\.github|hawser\.github)\.com/spec/")
_WEB_PAGE = re.compile(  # also the XML with which stores of files answer errors
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype\s+html|html|head|error)\b",
    re.IGNORECASE,
)
_GET_ANNEX = "the content is not present: run 'git annex get' (or 'datalad get') on it"


def missing_content(path: Path) -> str:
    """Why the content of a file is not on this machine.

    Only files of at most 32 KiB are opened, so that large datasets are checked quickly.

    Parameters
    ----------
    path
        A file, or a link to one.

    Returns
    -------
    str
        The reason and what to do; "" if the content is present, or if there is no such file.
    """
    try:
        size = path.stat().st_size
    except OSError:
        return _dangling(path)
    if size > _LARGEST_PLACEHOLDER or not path.is_file():
        return ""
    if size == 0:
        return "the file is empty (0 bytes): copy or download it again"
    try:
        with path.open("rb") as stream:
            return _placeholder(stream.read(1024))
    except OSError:
        return ""


def check_content(path: Path) -> None:
    """Check that the content of a file is on this machine; a file that is missing passes.

    Raises
    ------
    MissingContentError
        The file is a placeholder, a dangling link, or empty.
    """
    reason = missing_content(path)
    if reason:
        raise MissingContentError(f"{path}: {reason}.")


def _dangling(path: Path) -> str:
    """The reason for a link to a file that is not there; "" if the path is no link."""
    try:
        target = path.readlink()
    except OSError:
        return ""
    if _ANNEX_LINK.search(os.fsencode(target)):
        return _GET_ANNEX
    return f"it is a link to {target}, which does not exist"


def _placeholder(start: bytes) -> str:
    if _ANNEX_POINTER.match(start):
        return _GET_ANNEX
    if _LFS.match(start):
        return "the content is not present, it is a Git LFS pointer: run 'git lfs pull'"
    if _WEB_PAGE.match(start):
        return "it holds a web page in place of the content: download it again"
    return ""
