"""Text files that other programs wrote: byte order marks, UTF-16, separators, decomposed names.

Spreadsheets on Windows write a byte order mark, UTF-16 or semicolons; macOS stores the letters
of file names decomposed (NFD), where most programs write them composed (NFC).
"""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from sct_deepseg_general.content import check_content
from sct_deepseg_general.errors import DatasetError

__all__ = ["check_separator", "composed", "decoded_text", "existing", "read_rows", "read_text"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars", " ": "spaces"}


def read_text(path: Path) -> str:
    """Read a text file as UTF-8, or as UTF-16 or UTF-32 where its first bytes say so.

    Returns
    -------
    str
        The text without byte order mark; lines end with a line feed.

    Raises
    ------
    MissingContentError
        The file is a placeholder of git-annex or Git LFS, or is empty.
    DatasetError
        The file cannot be read, or is in another encoding.
    """
    check_content(path)
    try:
        text = decoded_text(path.read_bytes(), str(path))
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror or error}.") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decoded_text(content: bytes, name: str) -> str:
    """The text of a file's bytes, as `read_text` gives it, but with the ends of lines as they are.

    Raises
    ------
    DatasetError
        The encoding is none of those; `name` is the file's name for the message.
    """
    encoding = next((word for mark, word in _MARKS if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content:
        encoding = _utf16_without_mark(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(f"Cannot read {name}: it is not text in UTF-8: save it so.") from error
    if "\0" in text:
        raise DatasetError(f"Cannot read {name}: it is not a text file.")
    return text


def read_rows(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a table whose first line names its columns.

    Parameters
    ----------
    path
        The file; values are separated by tabs, or by commas if its name ends in `.csv`.
    columns
        Names of columns that must be there.

    Returns
    -------
    list of dict
        The values of each row by the name of the column; empty lines are left out.

    Raises
    ------
    MissingContentError, DatasetError
        As for `read_text`; also if the file is separated otherwise, lacks a column, or has a
        row of another length than its first line.
    """
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    lines = csv.reader(io.StringIO(read_text(path)), delimiter=separator)
    header, *rows = [row for row in lines if row] or [[]]
    names = [name.strip() for name in header]
    check_separator(names, separator, path)
    lacking = [name for name in columns if name not in names]
    if lacking:
        raise DatasetError(
            f"{path} has no column {' or '.join(lacking)}: its columns are {', '.join(names)}."
        )
    odd = next((row for row in rows if len(row) != len(names)), None)
    if odd is not None:
        raise DatasetError(
            f"{path} has a row of {len(odd)} values below {len(names)} columns: {odd[0]!r} ..."
        )
    return [dict(zip(names, row, strict=True)) for row in rows]


def check_separator(names: Sequence[str], separator: str, path: Path) -> None:
    """Check that a header of one column is not one of several, separated otherwise.

    Parameters
    ----------
    names
        The columns as they were read with `separator`.
    separator
        A tab or a comma.
    path
        The file, for the message.

    Raises
    ------
    DatasetError
        The only column holds another separator.
    """
    if len(names) != 1:
        return
    found = next((one for one in "\t;,|" if one != separator and one in names[0]), "")
    if found:
        raise DatasetError(
            f"{path} is separated by {_NAMES[found]}: save it with {_NAMES[separator]} "
            f"between the values."
        )


def composed(name: str) -> str:
    """A name with its letters composed (NFC), so that names of all systems can be compared."""
    return unicodedata.normalize("NFC", name)


def existing(path: Path) -> Path:
    """The path as it is on the disk, where its letters may be composed or decomposed.

    A path that exists in neither form is returned as it is.
    """
    if path.exists() or path.is_symlink():
        return path
    place = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        place = _child(place, part)
    return place if place.exists() or place.is_symlink() else path


def _child(folder: Path, name: str) -> Path:
    forms = (name, composed(name), unicodedata.normalize("NFD", name))
    return next((folder / one for one in forms if _is_there(folder / one)), folder / name)


def _is_there(path: Path) -> bool:
    try:
        return path.exists() or path.is_symlink()
    except OSError:
        return False


def _utf16_without_mark(content: bytes) -> str:
    """UTF-16 in the byte order in which the high bytes of Latin letters are zero."""
    even, odd = content[::2].count(0), content[1::2].count(0)
    return "utf-16-le" if odd > even else "utf-16-be"
