"""The folder of a QC report: entries that appear whole, and an index built from them.

    FOLDER/index.html, assets/          the page, the same for every report
    FOLDER/entries/<id>/entry.json      one row of the list, and beside it the entry's files
    FOLDER/index.js                     all rows in one script, which the page loads

An entry is prepared in a folder of its own and renamed into place, so it exists whole or not
at all. There is no lock. The index is made of the entries alone: a process that adds an entry
lists all of them, replaces the index, and lists again until no new entry has appeared, so the
last process to finish includes all entries. A process that adds many brings the index up to date
only now and then, and at the end. What a killed process leaves behind (a folder named after its
process) is removed by the next one.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from sct_deepseg_general.errors import OutputError

__all__ = [
    "PAGE",
    "Attachment",
    "QcRow",
    "check_report",
    "new_id",
    "own_folder",
    "publish",
    "refresh",
]

PAGE = "index.html"
OWN = "sct_deepseg_sc_general"
"""The folder of this program's report beside that of SCT."""

_ASSETS = Path(__file__).parent / "assets"
_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
_LINE = re.compile(rf'\["({_ID.pattern})",.*\]')
_PAUSE = 5.0  # seconds between two indices of a run
_RATE = 1e6  # bytes of index that a run may rewrite in a second, at most
_PART = re.compile(r"\.part-(?P<machine>[0-9a-f]+)-(?P<pid>\d+)-[0-9a-f]+")


@dataclass(frozen=True)
class QcRow:
    """One line of the list. `csa` and `csa_sd` in mm²; `confidence` and `dice` in [0, 1].

    `levels` pairs a vertebral level with the mean CSA there; `seconds` is the time taken.
    Of rows with the same `key` the newest is shown, with the marks of the earlier ones.
    """

    id: str
    date: str
    dataset: str
    subject: str
    contrast: str
    site: str
    input: str
    status: str
    reasons: tuple[str, ...]
    csa: float | None
    csa_sd: float | None
    confidence: float | None
    dice: float | None
    levels: tuple[tuple[str, float], ...]
    seconds: float | None
    model: str
    key: str = ""
    region: str = ""
    """The slices and levels that `csa` and `levels` are of, in words; "" for the whole cord."""


_WITHOUT_REGION = 1  # fields that the rows of earlier versions lack


@dataclass(frozen=True)
class Attachment:
    """A file of an entry."""

    name: str
    data: bytes


def new_id() -> str:
    """A unique name for an entry's folder; names sort by time."""
    now = datetime.now(timezone.utc)
    return f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"


def publish(
    folder: Path, row: QcRow, attachments: tuple[Attachment, ...], at_once: bool = True
) -> Path:
    """Add an entry to a report.

    Parameters
    ----------
    folder : Path
        The report's folder; it is made if it does not exist.
    row : QcRow
        The entry's line in the list.
    attachments : tuple of Attachment
        The entry's files.
    at_once : bool
        Bring the index up to date at once. If false, that happens every few seconds at most,
        and the process that adds the last entry calls `refresh`: an entry then costs the same in
        a report of ten and of 100,000.

    Returns
    -------
    Path
        The entry's folder.

    Raises
    ------
    OutputError
        The folder cannot be written to, or holds the report of another tool.

    Examples
    --------
    >>> words = ["", "data", "sub-01", "T2w", "", "t2.nii.gz", "ok"]
    >>> row = QcRow(new_id(), *words, (), *[None] * 4, (), None, "")
    >>> publish(Path("qc"), row, ()).parent.as_posix()
    'qc/entries'
    """
    try:
        check_report(folder)
        (folder / "entries").mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        _install_page(folder)
        target = folder / "entries" / row.id
        with _part(folder) as part:
            for attachment in attachments:
                _write(part / attachment.name, attachment.data)
            _write(part / "entry.json", _json(row).encode())
            part.rename(target)
        if at_once or _due(folder / "index.js"):
            _refreshed(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return target


def check_report(folder: Path) -> None:
    """Refuse a folder in which files of another tool, such as SCT's report, would be replaced.

    Raises
    ------
    OutputError
        The folder is no report of this tool and holds a file that a report would replace.
    """
    if _is_report(folder):
        return
    ours = {inside: source.read_bytes() for inside, source in _page_files().items()}
    for inside, data in {**ours, Path("index.js"): None}.items():
        path = folder / inside
        other = path.exists() and (not path.is_file() or path.read_bytes() != data)
        if other and not _is_report(folder):  # another process may have begun it meanwhile
            raise OutputError(
                f"{folder} holds files of another tool ({inside.as_posix()}): give the QC report "
                f"a folder of its own, such as {folder / 'sct_deepseg_sc_general'}."
            )


def own_folder(folder: Path) -> Path:
    """Where this program's report goes in a folder that is named for it.

    It is that folder, or one below it where SCT's report is there already or SCT is in use
    (`SCT_DIR`), which would replace the page of this one: both have the name index.html.
    """
    beside = (folder / "_json").is_dir() or bool(os.environ.get("SCT_DIR"))
    return folder / OWN if beside and not _is_report(folder) else folder


def _is_report(folder: Path) -> bool:
    return (folder / "entries").is_dir() or (folder / "report.id").exists()


def refresh(folder: Path) -> int:
    """Bring the index of the report in `folder` up to date; returns the number of its entries.

    Rows already in the index are taken from there, since an entry never changes. A folder
    without entries is left as it is.

    Raises
    ------
    OutputError
        The folder cannot be written to.
    """
    if not (folder / "entries").is_dir():
        return 0
    try:
        return _refreshed(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> OutputError:
    return OutputError(f"Cannot add to the QC report in {folder}: {error.strerror or error}.")


def _due(index: Path) -> bool:
    """Whether the index is old enough for a new one; touching it makes other processes wait."""
    try:
        known = index.stat()
        if time.time() - known.st_mtime < _PAUSE + known.st_size / _RATE:
            return False
        os.utime(index)
    except OSError:
        return True
    return True


def _refreshed(folder: Path) -> int:
    while True:
        present = _ids(folder)
        indexed = _indexed(folder)
        if present == set(indexed):
            return len(present)
        lines = {name: indexed.get(name) or _line(folder, name) for name in sorted(present)}
        rows = [line for line in lines.values() if line]
        _replace(folder / "index.js", _script(_report_id(folder), rows))
        if _ids(folder) == present:
            return len(rows)


def _ids(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder / "entries") if _ID.fullmatch(entry.name)}


def _indexed(folder: Path) -> dict[str, str]:
    """The lines of the present index by id; nothing where it is missing or damaged."""
    try:
        text = (folder / "index.js").read_text("utf-8")
        head, *lines = text.splitlines()
        lines.remove("]});")
        if head != _head(_report_id(folder)):
            return {}
    except (OSError, ValueError):
        return {}
    found = (_LINE.match(line) for line in lines)
    return {match[1]: match[0] for match in found if match}


def _line(folder: Path, name: str) -> str:
    """An entry's row as it stands in the index; "" where it is not a row of ours."""
    try:
        values = json.loads((folder / "entries" / name / "entry.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    if not isinstance(values, list) or not values or values[0] != name:
        return ""
    lacking = len(fields(QcRow)) - len(values)
    return _compact(values) if 0 <= lacking <= _WITHOUT_REGION else ""


def _head(report: str) -> str:
    columns = _compact([field.name for field in fields(QcRow)])
    return f'qc.index({{"report":"{report}","columns":{columns},"rows":['


def _script(report: str, lines: list[str]) -> bytes:
    return (_head(report) + "\n" + ",\n".join(lines) + "\n]});\n").encode()


def _json(row: QcRow) -> str:
    return _compact([_finite(value) for value in astuple(row)])


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _report_id(folder: Path) -> str:
    """The report's own name, under which a browser keeps its marks; written once."""
    path = folder / "report.id"
    if not path.exists():
        with _part(folder) as part:
            _write(part / path.name, secrets.token_hex(16).encode())
            try:
                os.link(part / path.name, path)
            except FileExistsError:
                pass  # another process was first: its name holds
            except OSError:  # a file system without hard links
                (part / path.name).replace(path)
    return re.sub(r"[^0-9a-f]", "", path.read_text("ascii", errors="replace"))


def _page_files() -> dict[Path, Path]:
    """The files of the page, by their place in a report."""
    sources = sorted(path for path in _ASSETS.rglob("*") if path.is_file())
    inside = {source.relative_to(_ASSETS): source for source in sources}
    return {one if one.name == PAGE else Path("assets") / one: inside[one] for one in inside}


def _install_page(folder: Path) -> None:
    for inside, source in _page_files().items():
        target = folder / inside
        data = source.read_bytes()
        if not target.exists() or target.read_bytes() != data:
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, data, folder)


def _replace(path: Path, data: bytes, folder: Path | None = None) -> None:
    with _part(folder or path.parent) as part:
        _write(part / path.name, data)
        (part / path.name).replace(path)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _part(folder: Path) -> Iterator[Path]:
    """A folder of this process alone, gone at the end whatever happens."""
    part = folder / f".part-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what processes of this machine that are no more have left."""
    for entry in os.scandir(folder):
        match = _PART.fullmatch(entry.name)
        if match and match["machine"] == _machine() and not _alive(int(match["pid"])):
            shutil.rmtree(entry.path, ignore_errors=True)


def _machine() -> str:
    """The host and, on Linux, the process namespace: within it a process id is unique."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()}{namespace}".encode().hex()


def _alive(pid: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 is not a question but an end
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
