"""Numbers of things in words: the singular for one, the plural otherwise."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, one: str, several: str = "") -> str:
    """The number with its word, in the plural unless it is 1; `several` is an irregular plural.

    >>> counted(1, "image"), counted(2, "image"), counted(0, "person", "people")
    ('1 image', '2 images', '0 people')
    """
    return f"{count} {one if count == 1 else several or one + 's'}"
