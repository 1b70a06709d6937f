"""The smaller tables of a comparison: contrast bias and training curves, as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from sct_deepseg_general.datasets.manifest import write_rows
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.statistics import ContrastBias

__all__ = ["read_bias", "read_curves", "write_bias", "write_curves"]

_BIAS = tuple(field.name for field in fields(ContrastBias))
_CURVES = ("model", "epoch", "loss", "dice")


def write_bias(biases: Iterable[ContrastBias], path: Path) -> None:
    """One line for each model, person, session and contrast."""
    write_rows(path, _BIAS, ({k: _short(v) for k, v in asdict(one).items()} for one in biases))


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
            **{name: _short(record[name][i]) for name in _CURVES[1:] if name in record},
        }
        for model, record in records.items()
        for i in range(len(record["epoch"]))
    )
    write_rows(path, _CURVES, rows)


def read_curves(path: Path) -> dict[str, dict[str, list[float]]]:
    """What `write_curves` wrote: the columns of each model."""
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


def _short(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
