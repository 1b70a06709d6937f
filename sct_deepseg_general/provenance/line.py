"""A result as one line of JSON, for programs that call the command."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from sct_deepseg_general.evaluation.evaluate import Measurement
from sct_deepseg_general.job.labels import labels_record
from sct_deepseg_general.job.levels import levels_record
from sct_deepseg_general.job.values import Done
from sct_deepseg_general.job.writing import area_record
from sct_deepseg_general.provenance.schemas import schema
from sct_deepseg_general.quality.uncertainty import IntervalFactors
from sct_deepseg_general.text_files import read_text
from sct_deepseg_general.zoo.model import Model

__all__ = ["as_line", "error_record", "evaluation_record", "result_record", "table_records"]


def result_record(
    done: Done, model: Model, label: str | None, files: Mapping[str, Path]
) -> dict[str, Any]:
    """The record of the schema "result-1" of an image that was segmented.

    Parameters
    ----------
    done : Done
        The result.
    model : Model
        The model that made it.
    label : str, optional
        The one label that was asked for.
    files : mapping of str to Path
        The files that were written, by what they are.
    """
    labels = labels_record(done.result, model, label, done.job.outputs).get("labels", {})
    return {
        "Schema": "result-1",
        "Image": str(done.job.image),
        "Status": done.quality.status,
        "Reasons": [
            {"Status": status, "Reason": reason} for status, reason in done.quality.findings
        ],
        "Model": model.key,
        "Area": area_record(done, IntervalFactors.from_record(model.intervals)),
        **levels_record(done.levels, done.c2c3),
        **({"Labels": labels} if labels else {}),
        **({} if done.norms is None else {"AmongNorms": done.norms.summary()}),
        "Warnings": list(_warnings(done)),
        "Files": {what: str(path) for what, path in files.items()},
        "Seconds": round(done.seconds, 3),
    }


def error_record(image: Path, sentence: str) -> dict[str, Any]:
    """The record of the schema "result-1" of an image without a result."""
    return {"Schema": "result-1", "Image": str(image), "Status": "error", "Error": sentence}


def evaluation_record(row: Measurement) -> dict[str, Any]:
    """The record of the schema "evaluation-1" of a mask and its reference; None for no number."""
    values = {one.name: getattr(row, one.name) for one in fields(row) if one.name != "profile"}
    numbers = {name: v for name, v in values.items() if isinstance(v, float)}
    missing = {name: None for name, v in numbers.items() if not math.isfinite(v)}
    return {"Schema": "evaluation-1", **values, **missing}


def table_records(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a batch's table as records of a schema: n/a is None, numbers are numbers.

    Raises
    ------
    DatasetError
        The table cannot be read.
    """
    columns = schema(name)["properties"]
    for row in csv.DictReader(io.StringIO(read_text(path)), delimiter="\t"):
        yield {key: _cell(text, columns.get(key, {}).get("type", ())) for key, text in row.items()}


def _cell(text: str, kinds: str | Sequence[str]) -> str | float | int | None:
    """A cell of a table as the type that its schema has."""
    if text == "n/a":
        return None
    for kind, made in (("integer", int), ("number", float)):
        if kind in kinds:
            try:
                return made(text)
            except ValueError:
                continue
    return text


def as_line(record: Mapping[str, Any]) -> str:
    """A record as JSON on one line."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def _warnings(done: Done) -> Sequence[str]:
    answer = done.levels
    return (*done.sentences, *done.row_remarks, *(answer.warnings if answer else ()))
