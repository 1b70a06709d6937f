"""All cells of the norms from a published table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.files import sha256, write_whole
from sct_deepseg_general.norms.fit import Fitted, fitted
from sct_deepseg_general.norms.model import LEVELS, MEASURES, Norms, NormSource
from sct_deepseg_general.norms.table import Observations, read_table

__all__ = ["CITATION", "LICENCE", "NAME", "build_norms", "fit_cells", "write_norms"]

NAME = "PAM50-normalized-metrics, commit 61c5a21cfc8b"
CITATION = (
    "Valosek, Bedard et al., Imaging Neuroscience 2024, doi 10.1162/imag_a_00075, "
    "with the datasets added later"
)
LICENCE = "MIT"

Key = tuple[str, str]


def build_norms(table: Path) -> Norms:
    """Norms fitted to a published table.

    Parameters
    ----------
    table
        The table of levels (see `table.read_table`). The fit draws no random number: the same
        table gives the same norms.

    Returns
    -------
    Norms
        The fitted norms, with their source and the number of people of each.

    Raises
    ------
    NormsError
        The table cannot be read, or no cell can be fitted to it.
    """
    cells = fit_cells(read_table(table))
    if not cells:
        raise NormsError(f"{table} has too few people or datasets for a norm.")
    source = NormSource(NAME, CITATION, LICENCE, sha256(table))
    return Norms(source, {key: one.cell for key, one in cells.items()})


def write_norms(norms: Norms, path: Path) -> None:
    """Norms as a JSON file, written whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with write_whole(path) as temporary:
        temporary.write_text(norms.to_text(), encoding="utf-8")


def fit_cells(observations: Mapping[Key, Observations]) -> dict[Key, Fitted]:
    """The cells by measure and level, in the order of `MEASURES` and `LEVELS`.

    Where a cell has too few datasets, the spread between datasets is the median of the other
    cells of the same measure.
    """
    found: dict[Key, Fitted] = {}
    for measure in MEASURES:
        keys = [(measure, level) for level in LEVELS if (measure, level) in observations]
        own = {key: fitted(observations[key], *key) for key in keys}
        spreads = [one.cell.between for one in own.values() if one]
        shared = float(np.median(spreads)) if spreads else None
        for key in keys:
            one = own[key]
            if one is None and shared is not None:
                one = fitted(observations[key], *key, between=shared)
            if one is not None:
                found[key] = one
    return found
