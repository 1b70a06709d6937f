"""The tables of a batch: `images.tsv` has a row for each image, `csa.tsv` for each slice.

Both are made from the journal and the CSV files of the images and are sorted by image, so that
they do not depend on the order of the work, the number of workers or the number of shards.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sct_deepseg_general.batch.journal import Record
from sct_deepseg_general.batch.worklist import Item
from sct_deepseg_general.errors import DatasetError, OutputError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.job.overwrite import EDITED
from sct_deepseg_general.text_files import check_separator, decoded_text

__all__ = ["CSA_COLUMNS", "IMAGE_COLUMNS", "ImageResult", "joined", "write_csa", "write_images"]

_IDENTITY = ("participant_id", "session_id", "contrast", "image")
IMAGE_COLUMNS = {
    "participant_id": "The participant.",
    "session_id": "The session, where there is one.",
    "contrast": "The contrast, the last word of the image's name.",
    "image": "The image, by its path in the dataset.",
    "status": "ok, warn or fail: the quality check. error: the image could not be segmented. "
    "missing: its content is not on this machine. edited: the mask was edited, and its area is "
    "that of the edited mask.",
    "reasons": "Why the status is not ok.",
    "mean_area": "Mean cross-sectional area over the slices with cord, mm2.",
    "area_lower": "Lower end of the interval of that mean, mm2.",
    "area_upper": "Upper end of the interval of that mean, mm2.",
    "slices": "Number of slices with cord.",
    "c2c3_area": "Mean cross-sectional area of the levels C2 and C3, mm2.",
    "c2c3_lower": "Lower end of the interval of that area, mm2.",
    "c2c3_upper": "Upper end of the interval of that area, mm2.",
    "region": "The levels given with -vert when the image was measured, as C2:C4.",
    "region_area": "Mean cross-sectional area of these levels, mm2; n/a where one of them is not "
    "there.",
    "region_lower": "Lower end of the interval of that area, mm2.",
    "region_upper": "Upper end of the interval of that area, mm2.",
    "levels": "How the vertebral levels are known, or why they were withheld.",
    "seconds": "Time from reading to the last file written.",
    "mask": "The mask, by its path below this table.",
    "model": "First digits of the SHA-256 of the model.",
    "version": "Version of the program.",
    "turn": "The run of the batch that made it, counted from 1.",
}
CSA_COLUMNS = {
    **{name: IMAGE_COLUMNS[name] for name in _IDENTITY},
    "slice": "Number of the axial slice, 0 for the lowest.",
    "level": "Vertebral level, where it is known.",
    "area": "Cross-sectional area perpendicular to the cord, mm2.",
    "area_lower": "Lower end of the interval of the area, mm2.",
    "area_upper": "Upper end of the interval of the area, mm2.",
    "diameter_AP": "Diameter from front to back, mm.",
    "diameter_RL": "Diameter from right to left, mm.",
    "status": IMAGE_COLUMNS["status"],
}
_SOURCES = {
    "slice": "Slice (I->S)",
    "level": "VertLevel",
    "area": "MEAN(area)",
    "area_lower": "MEAN(area_lower)",
    "area_upper": "MEAN(area_upper)",
    "diameter_AP": "MEAN(diameter_AP)",
    "diameter_RL": "MEAN(diameter_RL)",
}
_AREA = list(_SOURCES).index("area")
_MOST_OPEN = 128


@dataclass(frozen=True)
class ImageResult:
    """An image of a batch and the record of its last run."""

    item: Item
    record: Record

    @property
    def mask(self) -> str:
        """The path of the mask below the output folder, "" without a result."""
        return next(iter(self.record.outputs), "")

    @property
    def csa(self) -> str:
        """The path of the areas below the output folder, "" without areas."""
        return next((name for name in self.record.outputs if name.endswith("_csa.csv")), "")


def write_images(path: Path, results: Iterable[ImageResult]) -> None:
    """Write the table of images, and its description (`images.json`).

    Raises
    ------
    OutputError
        The table cannot be written.
    """
    with _table(path, IMAGE_COLUMNS) as add:
        for result in results:
            add(_image_row(result))


def write_csa(path: Path, results: Iterable[ImageResult], folder: Path) -> int:
    """Write the table of slices, and its description (`csa.json`); returns its number of rows.

    An image without cord or without a result has one row, without numbers.

    Raises
    ------
    OutputError
        The table cannot be written, or the areas of an image below `folder` cannot be read.
    """
    rows = 0
    with _table(path, CSA_COLUMNS) as add:
        for result in results:
            identity = _identity(result.item)
            measured, status = _measured(result, folder)
            for values in measured:
                add([*identity, *values, status])
            rows += len(measured)
    return rows


def joined(path: Path, parts: Sequence[Path], winners: dict[str, int]) -> int:
    """Join several tables into one that is sorted by image.

    Parameters
    ----------
    path
        The joined table.
    parts
        The tables to join; they have the same columns.
    winners
        For each image, the index in `parts` of the table whose rows are taken.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    OutputError
        A part cannot be read or has other columns, or the table cannot be written.
    """
    spans = [_spans(part) for part in parts]
    heads = {_head(part) for part in parts}
    if len(heads) > 1:
        raise OutputError(f"{parts[0]} and other tables have different columns: rerun all shards.")
    rows = 0
    opened: dict[int, IO[bytes]] = {}
    try:
        with write_whole(path) as temporary, temporary.open("wb") as stream:
            stream.write(heads.pop())
            for key in sorted(winners):
                place = winners[key]
                for start, stop, count in spans[place].get(key, ()):
                    stream.write(_bytes(opened, parts, place, start, stop))
                    rows += count
    finally:
        for handle in opened.values():
            handle.close()
    return rows


@contextmanager
def _table(path: Path, columns: dict[str, str]) -> Iterator[Callable[[Sequence[object]], None]]:
    """A function that adds a row; the table and its description are written at the end."""
    with write_whole(path) as temporary, temporary.open("w", encoding="utf-8") as stream:

        def add(values: Sequence[object]) -> None:
            stream.write("\t".join(map(_cell, values)) + "\n")

        add(list(columns))
        yield add
    described = {name: {"Description": text} for name, text in columns.items()}
    with write_whole(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _image_row(result: ImageResult) -> list[object]:
    record, made = result.record, result.record.event == "done"
    return [
        *_identity(result.item),
        record.status,
        "; ".join(record.reasons),
        record.mean_area,
        record.area_lower,
        record.area_upper,
        record.slices if made else None,
        record.c2c3_area,
        record.c2c3_lower,
        record.c2c3_upper,
        _region(record),
        record.region_area,
        record.region_lower,
        record.region_upper,
        record.levels,
        record.seconds if made else None,
        result.mask,
        record.model[:12],
        record.version,
        record.turn,
    ]


def _region(record: Record) -> str:
    """The levels of the area of the region: earlier runs may have had others."""
    numbers = record.parameters.get("region", ()) if record.event == "done" else ()
    if not numbers:
        return ""
    from sct_deepseg_general.csa.selection import number_list
    from sct_deepseg_general.levels.slices import level_name

    return re.sub(r"\d+", lambda found: level_name(int(found[0])), number_list(numbers))


def _identity(item: Item) -> list[object]:
    return [item.participant, item.session, item.contrast, item.key]


def _measured(result: ImageResult, folder: Path) -> tuple[list[list[str]], str]:
    """The measures of each slice with cord as text, and their status.

    An image without cord has one row, without numbers. A table that is not what was written was
    edited; its numbers are taken, and its status says so.
    """
    nothing = [[""] * len(_SOURCES)]
    if not result.csa:
        return nothing, result.record.status
    path = folder / result.csa
    try:
        content = path.read_bytes()
        rows = csv.reader(io.StringIO(decoded_text(content, str(path))))
        header = next(rows, [])
        check_separator(header, ",", path)
        places = _columns_of(header)
        measured = [[row[place] if place >= 0 else "" for place in places] for row in rows]
    except (OSError, DatasetError, ValueError, IndexError, csv.Error) as error:
        raise OutputError(f"Cannot read the areas in {path}: {error}.") from error
    if places[_AREA] < 0:
        raise OutputError(f"Cannot read the areas in {path}: it has no column MEAN(area).")
    own = hashlib.sha256(content).hexdigest() == result.record.outputs[result.csa]
    kept = [values for values in measured if values[_AREA]]
    return kept or nothing, result.record.status if own else EDITED


def _columns_of(header: list[str]) -> list[int]:
    return [header.index(name) if name in header else -1 for name in _SOURCES.values()]


def _cell(value: object) -> str:
    if value is None or value == "":
        return "n/a"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = " ".join(text.split()) if any(c in text for c in "\t\r\n") else text
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet would run the text as a formula, which a leading quote prevents."""
    return text[:1] in {"=", "@", "'"} or (text[:1] in {"+", "-"} and not _is_number(text))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _head(part: Path) -> bytes:
    with part.open("rb") as stream:
        return stream.readline()


def _spans(part: Path) -> dict[str, list[tuple[int, int, int]]]:
    """Where the rows of each image lie in a table: first byte, end, and number of rows."""
    spans: dict[str, list[tuple[int, int, int]]] = {}
    try:
        with part.open("rb") as stream:
            place = len(stream.readline())
            for line in stream:
                key = line.split(b"\t", 4)[3].decode("utf-8").removeprefix("'")
                runs = spans.setdefault(key, [])
                if runs and runs[-1][1] == place:
                    runs[-1] = (runs[-1][0], place + len(line), runs[-1][2] + 1)
                else:
                    runs.append((place, place + len(line), 1))
                place += len(line)
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise OutputError(f"Cannot read the table {part}: {error}.") from error
    return spans


def _bytes(
    opened: dict[int, IO[bytes]], parts: Sequence[Path], place: int, start: int, stop: int
) -> bytes:
    if place not in opened:
        if len(opened) >= _MOST_OPEN:
            opened.pop(next(iter(opened))).close()
        opened[place] = parts[place].open("rb")
    opened[place].seek(start)
    return opened[place].read(stop - start)
