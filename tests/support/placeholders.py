"""What lies in the place of a file whose content is not on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

KEY = "MD5E-s9--0123456789abcdef.nii.gz"


def locked(path: Path) -> None:
    """An annexed file that was not fetched: a link into the annex."""
    path.symlink_to(f"../../.git/annex/objects/xX/9z/{KEY}/{KEY}")


def unlocked(path: Path) -> None:
    """An annexed file that is unlocked and was not fetched: a pointer."""
    path.write_text(f"/annex/objects/{KEY}\n")


def without_links(path: Path) -> None:
    """An annexed file on a file system without links: the target as text."""
    path.write_text(f"../../.git/annex/objects/xX/9z/{KEY}/{KEY}")


def windows(path: Path) -> None:
    path.write_text(f"..\\..\\.git\\annex\\objects\\xX\\{KEY}")


def lfs(path: Path) -> None:
    path.write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
        "size 12345\n"
    )


def empty(path: Path) -> None:
    path.write_bytes(b"")


def dangling(path: Path) -> None:
    path.symlink_to("elsewhere.nii.gz")


def circular(path: Path) -> None:
    path.symlink_to(path.name)


def web_page(path: Path) -> None:
    path.write_text("\n<!DOCTYPE html><html><body>Please log in</body></html>")


PLACEHOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "git-annex": (locked, "git annex get"),
    "git-annex unlocked": (unlocked, "git annex get"),
    "git-annex without links": (without_links, "git annex get"),
    "git-annex on Windows": (windows, "git annex get"),
    "Git LFS": (lfs, "git lfs pull"),
    "0 bytes": (empty, "empty (0 bytes)"),
    "dangling link": (dangling, "elsewhere.nii.gz, which does not exist"),
    "circular link": (circular, "which does not exist"),
    "web page": (web_page, "web page"),
}
"""How each is made, and what has to be said of it."""
