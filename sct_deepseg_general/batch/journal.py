"""The journal of a batch: one line of JSON when an image is started, one when it has ended.

An image with an earlier result has a line "excluded" where a run leaves it out by `-exclude`, and
"included" where a later run takes it again; while it is excluded it is in no table.

Lines are only appended, each in one write that is synced to disk. A process that is killed
therefore leaves at most one incomplete line, which is skipped when the journal is read. Each run
of a batch has a number, its turn, one higher than the last turn in the journals. Of two records
of an image, the one with the higher turn is valid; the clock is not used.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from sct_deepseg_general.cluster.shards import Part, People, Shard
from sct_deepseg_general.errors import OutputError

__all__ = ["JOURNAL", "History", "Journal", "Record", "journals", "now", "read"]

Event = Literal["begun", "done", "failed", "excluded", "included"]
JOURNAL = "journal.jsonl"
_LABEL = re.compile(r"(\d{4,6})-of-(\d{4,6})")
_HOST = socket.gethostname()


@dataclass(frozen=True)
class Record:
    """One event of one image; fields that do not apply to the event are empty."""

    event: Event
    key: str
    turn: int = 1
    time: str = ""
    """UTC, for information only."""
    host: str = _HOST
    version: str = ""
    model: str = ""
    """The model's digest."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    status: str = ""
    """The quality check's "ok", "warn" or "fail"; "error" if the image could not be segmented;
    "missing" if its content is not on this machine."""
    reasons: tuple[str, ...] = ()
    kind: str = ""
    """What failed, a `messages.FailureKind`."""
    size: int = 0
    """Bytes of the image file."""
    mtime_ns: int = 0
    """Modification time of the image file in nanoseconds since 1970."""
    sha256: str = ""
    """SHA-256 of the image file."""
    discs: str = ""
    """SHA-256 of the dataset's labelled discs, where levels were asked for and there are some."""
    seconds: float = 0.0
    mean_area: float | None = None
    """Mm²."""
    slices: int = 0
    """Number of slices with cord."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file, by its path below the output folder."""
    qc: str = ""
    c2c3_area: float | None = None
    c2c3_lower: float | None = None
    c2c3_upper: float | None = None
    levels: str = ""
    area_lower: float | None = None
    area_upper: float | None = None
    region_area: float | None = None
    region_lower: float | None = None
    region_upper: float | None = None

    @property
    def has_no_result(self) -> bool:
        """Whether the image could not be segmented, or its content is not on this machine."""
        return self.status in ("error", "missing")


@dataclass(frozen=True)
class History:
    """The content of one or several journals."""

    ended: Mapping[str, Record]
    """The last record of each image that was done or has failed, by its key."""
    open: frozenset[str]
    """Keys of the images that were started after that, or never ended."""
    turn: int = 0
    """The highest turn."""
    torn: int = 0
    """Number of incomplete lines."""
    excluded: frozenset[str] = frozenset()
    """Keys of the images that were left out by name and not taken again since."""


class Journal:
    """A journal that is open for appending: `with Journal(path) as journal: journal.add(record)`.

    Raises
    ------
    OutputError
        The file cannot be opened, or a line cannot be written (a full disk).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = -1

    def __enter__(self) -> Journal:
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self._end_torn_line()
        except OSError as error:
            self.__exit__(None, None, None)
            raise self._refusal(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def add(self, *records: Record) -> None:
        """Append records; they are on the disk when this returns."""
        lines = "".join(_line(record) for record in records).encode()
        try:
            written = os.write(self._handle, lines)
            while written < len(lines):
                written += os.write(self._handle, lines[written:])
            os.fsync(self._handle)
        except OSError as error:
            raise self._refusal(error) from error

    def _end_torn_line(self) -> None:
        size = os.fstat(self._handle).st_size
        if size:
            os.lseek(self._handle, size - 1, os.SEEK_SET)
            if os.read(self._handle, 1) != b"\n":
                os.write(self._handle, b"\n")

    def _refusal(self, error: OSError) -> OutputError:
        return OutputError(f"Cannot write the journal {self.path}: {error.strerror or error}.")


def now() -> str:
    """The current time in UTC, in the format of a record."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def journals(folder: Path, part: Part | None = None) -> tuple[Path, ...]:
    """The journals below a batch's state folder: those of shards, then those of participants.

    With a part, only those that may have records of its images: two shards of the same count
    share no image, and neither do two participants.
    """
    paths = []
    for path in sorted(folder.glob(f"*-of-*/{JOURNAL}")):
        match = _LABEL.fullmatch(path.parent.name)
        of = Shard(int(match[1]), int(match[2])) if match else None
        other = isinstance(part, Shard) and of != part and of and of.count == part.count
        if of and not other:
            paths.append(path)
    return (*paths, *_of_participants(folder, part))


def _of_participants(folder: Path, part: Part | None) -> tuple[Path, ...]:
    names = part.labels if isinstance(part, People) else ("sub-*",)
    return tuple(path for name in names for path in sorted(folder.glob(f"{name}/{JOURNAL}")))


def read(paths: Iterable[Path], *, exclusions: bool = False) -> History:
    """Read journals into one history; incomplete lines are counted and skipped. With `exclusions`
    only which images are excluded is read, which is faster.

    Raises
    ------
    OutputError
        A journal cannot be read.
    """
    ended: dict[str, Record] = {}
    begun: dict[str, int] = {}
    filtered: dict[str, Record] = {}
    turn = torn = 0
    for path in paths:
        for record in _records(path, _FILTERED if exclusions else ""):
            if record is None:
                torn += 1
                continue
            turn = max(turn, record.turn)
            if record.event == "begun":
                begun[record.key] = max(record.turn, begun.get(record.key, 0))
                continue
            latest = filtered if record.event in ("excluded", "included") else ended
            if record.key not in latest or record.turn >= latest[record.key].turn:
                latest[record.key] = record
    unfinished = (key for key, at in begun.items() if key not in ended or ended[key].turn < at)
    excluded = (key for key, one in filtered.items() if one.event == "excluded")
    return History(ended, frozenset(unfinished), turn, torn, frozenset(excluded))


def _records(path: Path, part: str) -> Iterator[Record | None]:
    """The records of a journal, of the lines that contain `part`."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if part in line and line.strip():
                    yield _record(line)
    except OSError as error:
        raise OutputError(f"Cannot read the journal {path}: {error.strerror or error}.") from error


def _record(line: str) -> Record | None:
    try:
        values = json.loads(line)
        values["reasons"] = tuple(values.get("reasons", ()))
        values["key"] = sys.intern(values["key"])
        return Record(**{name: value for name, value in values.items() if name in _FIELDS})
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _line(record: Record) -> str:
    values = {name: value for name, value in asdict(record).items() if value not in _EMPTY}
    return json.dumps(values, ensure_ascii=True, separators=(",", ":"), allow_nan=False) + "\n"


_FIELDS = {one.name for one in fields(Record)}
_EMPTY: tuple[Any, ...] = ("", None, (), {}, 0)
_FILTERED = 'cluded"'  # in the lines of the events "excluded" and "included"
