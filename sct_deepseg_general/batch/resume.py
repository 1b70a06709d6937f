"""What is left to do, and why: an image is worked on when it is new, changed, unfinished or
asked for, and left alone otherwise. Nothing of another hand is written over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sct_deepseg_general.batch.journal import History, Record
from sct_deepseg_general.batch.worklist import Item
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.job.outputs import Outputs

__all__ = ["RERUNS", "Decision", "Rerun", "Wanted", "decided"]

Rerun = Literal["", "failed", "warn", "all"]
RERUNS = ("failed", "warn", "all")
_ASKED: dict[str, tuple[str, ...]] = {
    "": (),
    "failed": ("error", "fail"),
    "warn": ("error", "fail", "warn"),
    "all": ("error", "fail", "warn", "ok"),
}
_LASTING = ("image", "program")  # failures that the same image would meet again


@dataclass(frozen=True)
class Wanted:
    """What the results must come from to be up to date."""

    folder: Path
    """The output folder, which recorded paths are below."""
    model: str
    """The model's digest."""
    version: str
    parameters: Mapping[str, Any]
    csa: bool = True
    soft: bool = False
    qc: bool = False
    rerun: Rerun = ""
    overwrite: bool = False


@dataclass(frozen=True)
class Decision:
    """Whether to work on an item, and the reason either way.

    A `kept` image has results that hold; a `blocked` one would lose a file that this tool did
    not write, or that was changed since.
    """

    item: Item
    act: Literal["do", "keep", "blocked"]
    reason: str


def decided(item: Item, outputs: Outputs, history: History, wanted: Wanted) -> Decision:
    """What to do with one image, from what is recorded of it and what lies on the disk."""
    record = history.ended.get(item.key)
    if item.key in history.open:
        return Decision(item, "do", "interrupted before")
    if record is None:
        return _of_unknown(item, outputs, wanted)
    if record.event == "failed":
        return _of_failed(item, record, wanted)
    reason = _reason(item, outputs, record, wanted)
    if not reason:
        return Decision(item, "keep", "done before")
    edited = None if wanted.overwrite else _edited(record, wanted.folder)
    if edited is not None:
        return Decision(item, "blocked", f"{edited} was edited since ({reason})")
    return Decision(item, "do", reason)


def _of_unknown(item: Item, outputs: Outputs, wanted: Wanted) -> Decision:
    there = [path for path in outputs.wanted(wanted.csa, wanted.soft) if path.exists()]
    if there and not wanted.overwrite:
        return Decision(item, "blocked", f"{there[0].name} exists and is not in the journal")
    return Decision(item, "do", "new")


def _of_failed(item: Item, record: Record, wanted: Wanted) -> Decision:
    reason = record.reasons[0] if record.reasons else "no reason recorded"
    if record.status in _ASKED[wanted.rerun]:
        return Decision(item, "do", f"-rerun {wanted.rerun}")
    if record.kind not in _LASTING:
        return Decision(item, "do", f"failed before ({record.kind})")
    changed = _changed_image(item, record) or _changed_making(record, wanted)
    if changed:
        return Decision(item, "do", changed)
    return Decision(item, "keep", f"failed before: {reason}")


def _reason(item: Item, outputs: Outputs, record: Record, wanted: Wanted) -> str:
    """Why a finished image is worked on again; "" where it is not."""
    if record.status in _ASKED[wanted.rerun]:
        return f"-rerun {wanted.rerun}"
    recorded = {wanted.folder / name for name in record.outputs}
    for path in outputs.wanted(wanted.csa, wanted.soft):
        if path not in recorded or not path.exists():
            return f"{path.name} is missing"
    if wanted.qc and not record.qc:
        return "it has no QC entry"
    return _changed_image(item, record) or _changed_making(record, wanted)


def _changed_image(item: Item, record: Record) -> str:
    try:
        found = item.image.stat()
        if (found.st_size, found.st_mtime_ns) == (record.size, record.mtime_ns):
            return ""
        return "" if sha256(item.image) == record.sha256 else "the image changed"
    except OSError:
        return "the image cannot be read any more" if record.sha256 else ""


def _changed_making(record: Record, wanted: Wanted) -> str:
    if record.model != wanted.model:
        return f"another model ({record.model[:8]}, now {wanted.model[:8]})"
    for name, value in wanted.parameters.items():
        before = record.parameters.get(name)
        if before != value:
            return f"{name} was {before}, is {value}"
    if record.version != wanted.version:
        return f"made by version {record.version}, this is {wanted.version}"
    return ""


def _edited(record: Record, folder: Path) -> str | None:
    """The name of a recorded output that is no longer what was written."""
    for name, digest in record.outputs.items():
        path = folder / name
        try:
            if path.exists() and sha256(path) != digest:
                return path.name
        except OSError as error:
            raise OutputError(f"Cannot read {path}: {error.strerror or error}.") from error
    return None
