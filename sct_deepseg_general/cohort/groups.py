"""The groups of a batch compared: a table, and a picture for each contrast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.compare_groups import (
    FEWEST,
    Difference,
    differences,
    write_differences,
)
from sct_deepseg_general.norms.group import GroupRow
from sct_deepseg_general.norms.group_plot import save_group_plot

__all__ = ["compare"]


def compare(rows: Sequence[GroupRow], table: Path) -> tuple[list[Difference], list[Path]]:
    """Compare every two groups, and write the table and the pictures.

    Parameters
    ----------
    rows
        The people of a batch, with their groups.
    table
        The table to write (TSV); the pictures lie beside it, `STEM_CONTRAST.png`.

    Returns
    -------
    tuple
        The differences, and the files that were written.

    Raises
    ------
    NormsError
        No two groups have `FEWEST` people at a level.
    OutputError
        A file cannot be written.
    """
    found = differences(rows)
    if not found:
        names = sorted({row.group for row in rows if row.group})
        raise NormsError(
            f"No two groups have at least {FEWEST} people with a level in common; the groups are: "
            f"{', '.join(names) or 'none'}."
        )
    write_differences(table, found)
    written = [table]
    for contrast in sorted({one.contrast for one in found}):
        path = table.with_name(f"{table.stem}_{contrast}.png")
        save_group_plot(path, found, contrast)
        written.append(path)
    return found, written
