"""The options of `models import`, `models release` and `models diff`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DiffFlags", "ImportFlags", "ReleaseFlags"]


@dataclass(frozen=True)
class ImportFlags:
    """The options of `models import`."""

    sources: tuple[Path, ...]
    key: str
    output: Path
    cord: str | None
    orientation: str | None
    title: str
    contrasts: tuple[str, ...]
    licence: str
    citation: str
    as_json: bool


@dataclass(frozen=True)
class ReleaseFlags:
    """The options of `models release`."""

    trained: Path
    key: str
    output: Path
    previous: str | None
    urls: tuple[str, ...]
    accept: str | None
    embed: bool
    as_json: bool


@dataclass(frozen=True)
class DiffFlags:
    """The options of `models diff`."""

    names: tuple[str, ...]
    bids: tuple[Path, ...]
    output: Path | None
    contrast: tuple[str, ...]
    engine: str
    device: str
    offline: bool
    as_json: bool
