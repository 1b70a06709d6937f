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

from sct_deepseg_general.csa.aggregate import Table
from sct_deepseg_general.csa.c2c3 import C2C3
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.job.labels import labels_record
from sct_deepseg_general.job.levels import levels_record
from sct_deepseg_general.job.mask_table import MaskStatus, status_record
from sct_deepseg_general.job.values import Done
from sct_deepseg_general.job.writing import area_record
from sct_deepseg_general.norms.assess import Assessment
from sct_deepseg_general.norms.model import NoNorm, Norms, Subject
from sct_deepseg_general.provenance.schemas import schema
from sct_deepseg_general.qc.entry import QcEntry
from sct_deepseg_general.quality.uncertainty import IntervalFactors
from sct_deepseg_general.text_files import read_text
from sct_deepseg_general.zoo.model import Model

__all__ = [
    "area_line",
    "as_line",
    "error_record",
    "evaluation_record",
    "norm_record",
    "norms_file_record",
    "qc_record",
    "result_record",
    "table_records",
]


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
        **_among_norms(done.norms),
        "Warnings": list(_warnings(done)),
        "Files": {what: str(path) for what, path in files.items()},
        "Seconds": round(done.seconds, 3),
    }


def error_record(image: Path, sentence: str) -> dict[str, Any]:
    """The record of the schema "result-1" of an image without a result."""
    return {"Schema": "result-1", "Image": str(image), "Status": "error", "Error": sentence}


def area_line(
    mask: Path,
    measured: tuple[Table, MaskStatus],
    c2c3: C2C3 | None,
    norms: Assessment | None,
    files: Mapping[str, Path | None],
) -> dict[str, Any]:
    """The record of the schema "area-1" of a mask that was measured.

    Parameters
    ----------
    mask : Path
        The mask.
    measured : tuple of Table and MaskStatus
        Its areas, and whether it is plausible.
    c2c3, norms : optional
        The area of C2-C3 and the place among the norms, where they were asked for.
    files : mapping of str to Path or None
        The files that were written, by what they are; None for those that were not asked for.
    """
    record = status_record(mask, *measured)
    del record["GeneratedBy"]
    return {
        "Schema": "area-1",
        **record,
        **levels_record(None, c2c3),
        **_among_norms(norms),
        "Files": {what: str(path) for what, path in files.items() if path is not None},
    }


def _among_norms(norms: Assessment | None) -> dict[str, Any]:
    return {} if norms is None else {"AmongNorms": norms.summary()}


def evaluation_record(row: Measurement) -> dict[str, Any]:
    """The record of the schema "evaluation-1" of a mask and its reference; None for no number."""
    values = {one.name: getattr(row, one.name) for one in fields(row) if one.name != "profile"}
    numbers = {name: v for name, v in values.items() if isinstance(v, float)}
    missing = {name: None for name, v in numbers.items() if not math.isfinite(v)}
    return {"Schema": "evaluation-1", **values, **missing}


def qc_record(files: Mapping[str, Path | None], entry: QcEntry, page: Path) -> dict[str, Any]:
    """The record of the schema "qc-1" of a mask on a QC page.

    `files` are image, mask and, where there is one, the other mask, by the names of the schema.
    """
    return {
        "Schema": "qc-1",
        **{what: str(path) for what, path in files.items() if path is not None},
        "Status": entry.status,
        "Reasons": list(entry.reasons),
        "Files": {"QC page": str(page)},
    }


def norm_record(
    norms: Norms, measure: str, level: str, subject: Subject, contrast: str
) -> dict[str, Any]:
    """The record of the schema "norm-values-1" of a measure at a level in people of one age and
    sex: centiles in mm² (area) or mm, or the reason why there are none.
    """
    record = {
        "Schema": "norm-values-1",
        "Norms": norms.source.name,
        "Age": subject.age,
        "Sex": subject.sex,
        "Contrast": contrast,
        "Measure": measure,
        "Level": level,
    }
    found = norms.distribution(measure, level, subject, contrast)
    if isinstance(found, NoNorm):
        return {**record, "Reason": found.reason}
    values = [round(value, 3) for value in found.centiles()]
    people = found.family.people[subject.sex]
    return {**record, **dict(zip(("P5", "Median", "P95"), values, strict=True)), "People": people}


def norms_file_record(norms: Norms, path: Path, size: int) -> dict[str, Any]:
    """The record of the schema "norms-file-1" of a file of norms with `size` bytes."""
    return {
        "Schema": "norms-file-1",
        "Norms": norms.source.name,
        "Cells": len(norms.cells),
        "Bytes": size,
        "Files": {"Norms": str(path)},
    }


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
