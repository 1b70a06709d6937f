"""Columns of a table of areas that say where each level's area lies among the norms."""

from __future__ import annotations

from sct_deepseg_general.csa.aggregate import Row, Table, Value
from sct_deepseg_general.norms.assess import Assessment
from sct_deepseg_general.norms.centile import Place
from sct_deepseg_general.norms.model import level_key

__all__ = ["COLUMNS", "with_norms"]

COLUMNS = (
    "CENTILE(area)",
    "CENTILE_LOWER(area)",
    "CENTILE_UPPER(area)",
    "ZSCORE(area)",
    "NORM_MEDIAN(area)",
    "NORM_P5(area)",
    "INTERVAL_AGAINST_P5(area)",
)


def with_norms(table: Table, assessment: Assessment) -> Table:
    """A table of levels or regions with `COLUMNS`, filled in the rows of one level or of C2 and
    C3 together.

    The last one says whether the interval of the area is "below" the 5th centile, "crosses" it or
    is "above" it.
    """
    for index, name in enumerate(COLUMNS):
        values = [_values(row, assessment)[index] for row in table.rows]
        table = table.with_column(name, values)
    return table


def _values(row: Row, assessment: Assessment) -> tuple[Value, ...]:
    key = level_key(tuple(sorted(row.levels)))
    place = assessment.find("area", key) if key else None
    return _cells(place) if place else (None,) * len(COLUMNS)


def _cells(place: Place) -> tuple[Value, ...]:
    return (
        place.centile,
        place.centile_lower,
        place.centile_upper,
        place.z_score,
        place.median,
        place.fifth,
        place.against_fifth,
    )
