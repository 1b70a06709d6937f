"""The table as a CSV file with SCT's columns, so that what reads SCT's files reads these."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from sct_deepseg_general.csa.aggregate import TEXTS, Row, Table, Value
from sct_deepseg_general.csa.selection import number_list, parse_number_list
from sct_deepseg_general.errors import DatasetError, ImageError, OutputError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.text_files import check_separator, decoded_text, read_text

__all__ = [
    "FIXED_COLUMNS",
    "REASONS",
    "STATUS",
    "as_text",
    "read",
    "write",
]

FIXED_COLUMNS = (
    "Timestamp",
    "SCT Version",
    "Filename",
    "Slice (I->S)",
    "VertLevel",
    "DistancePMJ",
)
STATUS = "Status"
"""The last column of a table whose mask was checked: ok, warn or fail, or edited."""
REASONS = "Reasons"
"""The column before it: how the row differs from what its name promises, and why the mask is not
ok."""

_TO = " to "


def write(
    path: Path,
    table: Table,
    source: str,
    version: str,
    *,
    append: bool = False,
    status: str = "",
    reasons: Sequence[str] = (),
) -> None:
    """Write a table of areas as a CSV file with SCT's columns.

    Parameters
    ----------
    path : Path
        The file; it appears complete or not at all.
    table : Table
        The rows; areas in mm², lengths and diameters in mm, angles in degrees.
    source : str
        The file that was measured.
    version : str
        Name and version of the program that measured, for the column "SCT Version".
    append : bool
        Whether the rows follow those of an existing file.
    status, reasons : str, sequence of str
        The status of the mask and its reasons, for the last two columns; left out without status.

    Raises
    ------
    OutputError
        The file cannot be written, or the existing file has other columns.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.csa.measure import PER_SLICE, measured
    >>> from sct_deepseg_general.csa.table import write
    >>> from sct_deepseg_general.image.nifti import load_map
    >>> table = measured(load_map("t2_seg.nii.gz"), PER_SLICE).table
    >>> write(Path("csa.csv"), table, "t2_seg.nii.gz", "mine 1.0")
    >>> Path("csa.csv").read_text().split(",")[:4]
    ['Timestamp', 'SCT Version', 'Filename', 'Slice (I->S)']
    """
    before = _existing(path, _header(table, status)) if append and path.exists() else ""
    text = before + as_text(
        table, source, version, header=not before, status=status, reasons=reasons
    )
    with write_whole(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def as_text(
    table: Table,
    source: str,
    version: str,
    *,
    header: bool = True,
    status: str = "",
    reasons: Sequence[str] = (),
) -> str:
    """The CSV text: strings in quotes, numbers without, lines ending in CR LF."""
    stream = io.StringIO(newline="")
    if header:
        csv.writer(stream).writerow(_header(table, status))
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC)
    stamp = _now().strftime("%Y-%m-%d %H:%M:%S")
    for row in table.rows:
        last = _status(row, status, reasons)
        writer.writerow(
            [
                stamp,
                version,
                _no_formula(source),
                *_where(row, spelled=table.spelled),
                *row.values,
                *last,
            ]
        )
    return stream.getvalue()


def _status(row: Row, status: str, reasons: Sequence[str]) -> list[str]:
    """Reasons and status of a row: a row with a remark is not "ok"."""
    if not status:
        return []
    return [
        "; ".join([*row.remarks, *reasons]),
        "warn" if row.remarks and status == "ok" else status,
    ]


def read(path: Path) -> Table:
    """A table back from a CSV file with SCT's columns, ours or SCT's.

    Raises:
        ImageError: the file does not exist or is no such table.
    """
    try:
        header, *lines = csv.reader(io.StringIO(read_text(path)))
    except (DatasetError, ValueError, csv.Error) as error:
        raise ImageError(f"Cannot read a CSA table from {path}: {error}.") from error
    check_separator(header, ",", path)
    if tuple(header[: len(FIXED_COLUMNS)]) != FIXED_COLUMNS:
        raise ImageError(f"{path} is no CSA table: its first columns are {', '.join(header[:3])}.")
    end = len(header) - (header[-1] == STATUS)
    end -= header[end - 1] == REASONS
    columns = tuple(header[len(FIXED_COLUMNS) : end])
    return Table(columns, tuple(_row(line[:end], columns) for line in lines))


def _no_formula(path: str) -> str:
    """A path that a spreadsheet does not take for a formula: "=x" is the same file as "./=x"."""
    return f"./{path}" if path[:1] in {"=", "+", "-", "@", "\t", "\r"} else path


def _header(table: Table, status: str) -> list[str]:
    return [*FIXED_COLUMNS, *table.columns, *([REASONS, STATUS] if status else [])]


def _now() -> datetime:
    """The time, or that of the environment variable SOURCE_DATE_EPOCH (seconds, UTC), with which
    the same run writes the same bytes.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(given), timezone.utc) if given.isdigit() else datetime.now()


def _where(row: Row, *, spelled: bool) -> tuple[str, str, str]:
    distance = "" if row.pmj_distance is None else str(row.pmj_distance)
    slices, levels = number_list(row.slices), number_list(row.levels)
    if spelled:
        slices, levels = slices.replace(":", _TO), levels.replace(":", _TO)
    return slices, levels, distance


def _row(line: list[str], columns: Sequence[str]) -> Row:
    slices, levels, distance, *values = line[3:]
    return Row(
        parse_number_list(slices.replace(_TO, ":")) if slices else (),
        parse_number_list(levels.replace(_TO, ":")) if levels else (),
        float(distance) if distance else None,
        tuple(_value(name, text) for name, text in zip(columns, values, strict=True)),
    )


def _value(column: str, text: str) -> Value:
    if not text:
        return None
    return text if column in TEXTS else float(text)


def _with_status(text: str, header: Sequence[str], expected: Sequence[str]) -> str:
    """A table of an earlier version, which lacks `Reasons` or `Status`, with these columns empty;
    "" if it differs in another way.
    """
    if [name for name in expected if name in header or name not in (REASONS, STATUS)] != header:
        return ""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(expected)
    for line in csv.DictReader(io.StringIO(text)):
        writer.writerow([line.get(name) or "" for name in expected])
    return stream.getvalue()


def _existing(path: Path, expected: Sequence[str]) -> str:
    try:
        text = decoded_text(path.read_bytes(), str(path))
    except OSError as error:
        raise OutputError(f"Cannot append to {path}: {error}.") from error
    header = next(csv.reader(io.StringIO(text)), [])
    check_separator(header, ",", path)
    if header and header != list(expected):
        older = _with_status(text, header, expected)
        if older:
            return older
        odd = sorted(set(header) ^ set(expected)) or ["their order"]
        raise OutputError(
            f"Cannot append to {path}: its columns differ ({', '.join(odd[:4])}); "
            "write to another file."
        )
    return text if not text or text.endswith("\n") else text + "\r\n"
