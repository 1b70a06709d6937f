"""Tables of areas as Python programs want them: a row is a dict, a table pandas' if installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from sct_deepseg_general.csa.aggregate import Row, Table
from sct_deepseg_general.csa.selection import number_list

__all__ = ["By", "Rows", "as_rows", "framed"]

By: TypeAlias = Literal["slice", "level", "region"]
"""What a row of a table is about."""

Rows: TypeAlias = Any
"""A `pandas.DataFrame` where pandas is installed, or else a list of dicts."""

_SUFFIX = {"MEAN": "", "STD": "_std", "SUM": ""}


def as_rows(table: Table, by: By, *, with_levels: bool) -> list[dict[str, Any]]:
    """The rows of a table as dicts: where they are, then the measures under short names.

    Parameters
    ----------
    table : Table
        The rows, with columns such as "MEAN(area)".
    by : {"slice", "level", "region"}
        What a row is about; of slices, only those with cord have a row, and no standard deviation.
    with_levels : bool
        Whether the vertebral levels are known.
    """
    columns = _columns(table.columns, deviation=by != "slice")
    shown = [row for row in table.rows if by != "slice" or any(v is not None for v in row.values)]
    return [
        {**_where(row, by, with_levels=with_levels), **_values(row, table.columns, columns)}
        for row in shown
    ]


def framed(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """The rows as a `pandas.DataFrame`, or as they are where pandas is not installed."""
    if importlib.util.find_spec("pandas") is None:
        return list(rows)
    import pandas as pd

    return pd.DataFrame(list(rows))


def _columns(names: Sequence[str], *, deviation: bool) -> dict[str, str]:
    """The short name of each column: "area" for "MEAN(area)", "area_std" for "STD(area)"."""
    short = {}
    for name in names:
        statistic, _, measure = name.rstrip(")").partition("(")
        if deviation or statistic != "STD":
            short[name] = measure + _SUFFIX.get(statistic, f"_{statistic.lower()}")
    return short


def _values(row: Row, names: Sequence[str], short: Mapping[str, str]) -> dict[str, Any]:
    pairs = zip(names, row.values, strict=True)
    return {short[name]: value for name, value in pairs if name in short}


def _where(row: Row, by: By, *, with_levels: bool) -> dict[str, Any]:
    distance = {} if row.pmj_distance is None else {"pmj_distance": row.pmj_distance}
    if by == "slice":
        level = {"level": row.levels[0] if row.levels else None} if with_levels else {}
        return {"slice": row.slices[0], **level, **distance}
    several = {"slices": number_list(row.slices), **distance, "remarks": "; ".join(row.remarks)}
    if by == "level":
        return {"level": row.levels[0], **several}
    return {**({"levels": row.levels} if with_levels else {}), **several}
