"""Tables of an evaluation: measurements, contrast bias and training curves, as files and text.

Measurements are written as CSV, and as lines of JSON that keep the CSA profiles.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from sct_deepseg_general.datasets.manifest import write_rows
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.measurement import METRICS, Measurement
from sct_deepseg_general.evaluation.statistics import ContrastBias, Summary, summary
from sct_deepseg_general.schema import as_json, from_json
from sct_deepseg_general.words import counted

__all__ = [
    "SHOWN",
    "append",
    "grouped",
    "read_bias",
    "read_csv",
    "read_curves",
    "read_lines",
    "spread",
    "text",
    "write_bias",
    "write_csv",
    "write_curves",
]

SHOWN: Mapping[str, tuple[str, int, bool]] = {
    "dice": ("Dice", 3, True),
    "hausdorff95": ("HD95 mm", 2, False),
    "average_symmetric": ("ASSD mm", 2, False),
    "volume_error": ("vol. %", 1, False),
    "volume_error_abs": ("|vol.| %", 1, False),
    "csa_error": ("CSA mm²", 2, False),
    "csa_error_abs": ("|CSA| mm²", 2, False),
}
"""Metrics of the printed table: heading, digits, and whether larger is better."""
_COLUMNS = tuple(field.name for field in fields(Measurement) if field.name != "profile")
_BIAS = tuple(field.name for field in fields(ContrastBias))
_CURVES = ("model", "epoch", "loss", "dice")


def write_csv(rows: Iterable[Measurement], path: Path, *, timed: bool = True) -> None:
    """One line an image and model, whole; without the CSA profiles, and without times if asked."""
    columns = _COLUMNS if timed else tuple(name for name in _COLUMNS if name != "seconds")
    table = ({name: _cell(getattr(row, name)) for name in columns} for row in rows)
    write_rows(path, columns, table)


def read_csv(path: Path) -> tuple[Measurement, ...]:
    """What `write_csv` wrote.

    Raises
    ------
    DatasetError
        The file is missing or has other columns.
    """
    numbers = {*METRICS, "seconds"}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return tuple(
                Measurement(**{k: float(v) if k in numbers else v for k, v in row.items()})  # type: ignore[arg-type]
                for row in csv.DictReader(stream)
            )
    except OSError as error:
        why = error.strerror or error
        raise DatasetError(f"Cannot read the table of measurements {path}: {why}.") from error
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path} is not a table of measurements: {error}.") from error


def append(row: Measurement, path: Path) -> None:
    """One more line of JSON at the end of a journal, on disk when this returns."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(as_json(row)) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_lines(path: Path) -> tuple[Measurement, ...]:
    """The measurements of a journal; a last line cut short by a kill is cut off the file."""
    if not path.is_file():
        return ()
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    lines = whole.decode("utf-8").splitlines()
    return tuple(from_json(Measurement, json.loads(line), str(path)) for line in lines)


def write_bias(biases: Iterable[ContrastBias], path: Path) -> None:
    """One line for each model, person, session and contrast."""
    write_rows(path, _BIAS, ({k: _cell(v) for k, v in asdict(one).items()} for one in biases))


def read_bias(path: Path) -> tuple[ContrastBias, ...]:
    """What `write_bias` wrote."""
    return tuple(
        ContrastBias(
            row["model"], row["person"], row["session"], row["contrast"], int(row["slices"]),
            float(row["csa"]), float(row["bias"]), float(row["reference"]),
        )
        for row in _rows(path)
    )  # fmt: skip


def write_curves(records: Mapping[str, Mapping[str, Sequence[float]]], path: Path) -> None:
    """One line for each model and epoch."""
    rows = (
        {
            "model": model,
            **{name: _cell(record[name][i]) for name in _CURVES[1:] if name in record},
        }
        for model, record in records.items()
        for i in range(len(record["epoch"]))
    )
    write_rows(path, _CURVES, rows)


def read_curves(path: Path) -> dict[str, dict[str, list[float]]]:
    """The columns that `write_curves` wrote, by model: loss and Dice (0 to 1) of each epoch."""
    records: dict[str, dict[str, list[float]]] = {}
    for row in _rows(path):
        record = records.setdefault(row["model"], {})
        for name in _CURVES[1:]:
            if row[name]:
                record.setdefault(name, []).append(float(row[name]))
    return records


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}.") from error


def grouped(rows: Iterable[Measurement], *keys: str) -> dict[tuple[str, ...], list[Measurement]]:
    """Rows by the values of some columns, in the order of their first appearance."""
    groups: dict[tuple[str, ...], list[Measurement]] = {}
    for row in rows:
        groups.setdefault(tuple(str(getattr(row, key)) for key in keys), []).append(row)
    return groups


def spread(summary: Summary, digits: int) -> str:
    """Mean ± SD; the mean alone where there is one person."""
    if summary.people < 2:
        return f"{summary.mean:.{digits}f}"
    return f"{summary.mean:.{digits}f} ± {summary.sd:.{digits}f}"


def text(rows: Sequence[Measurement]) -> str:
    """The printed table: every image, then mean ± SD over people by contrast and in all."""
    lines = []
    for (model,), mine in grouped(rows, "model").items():
        heading = [model, *(name for name, _, _ in SHOWN.values())]
        body = [[row.name + _remark(row), *_values(row)] for row in mine]
        for keys, some in grouped(mine, "test_set", "contrast").items():
            body.append([f"{' '.join(keys)}: {_count(some)}", *_spreads(some)])
        body.append([f"all: {_count(mine)}", *_spreads(mine)])
        lines += [*_aligned([heading, *body]), ""]
    return "\n".join(lines)


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


def _values(row: Measurement) -> list[str]:
    return [f"{getattr(row, name):.{digits}f}" for name, (_, digits, _) in SHOWN.items()]


def _spreads(rows: Sequence[Measurement]) -> list[str]:
    return [spread(summary(rows, name), digits) for name, (_, digits, _) in SHOWN.items()]


def _count(rows: Sequence[Measurement]) -> str:
    people, images = len({row.person for row in rows}), len(rows)
    return f"{counted(images, 'image')}, {counted(people, 'person', 'people')}"


def _remark(row: Measurement) -> str:
    return "" if row.status == "ok" else f" ({row.status})"


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
