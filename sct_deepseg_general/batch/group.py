"""The tables of a whole dataset, made from the journals of all runs, whoever ran what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from sct_deepseg_general.batch.journal import History, journals, read
from sct_deepseg_general.batch.naming import DESCRIPTION
from sct_deepseg_general.batch.plan import STATE
from sct_deepseg_general.batch.summary import MergedTables, check_tables, close, counted
from sct_deepseg_general.batch.tables import ImageResult
from sct_deepseg_general.batch.worklist import Worklist, item_named
from sct_deepseg_general.errors import OutputError

__all__ = ["gathered"]


def gathered(folder: Path, worklist: Worklist | None = None) -> MergedTables:
    """Write the tables of all images that were ever run in an output folder and are not excluded.

    Parameters
    ----------
    folder
        The output folder; the tables are written there.
    worklist
        The images that should have a result; by default those that were begun.

    Returns
    -------
    MergedTables
        The number of images and rows, and the images that have no result.

    Raises
    ------
    OutputError
        Nothing was run in the folder yet, the dataset is not known, or a file cannot be read or
        written.
    """
    history = read(journals(folder / STATE))
    if not history.ended:
        raise OutputError(f"There is no result to join in {folder}: run the participants first.")
    check_tables(folder)
    root = _dataset(folder) if worklist is None else worklist.root
    results = [
        ImageResult(item_named(root, key), history.ended[key])
        for key in sorted(set(history.ended) - history.excluded)
    ]
    summary = counted({one.item.key: one.record for one in results})
    if worklist is not None:
        summary = replace(
            summary, left_out=tuple((one.key, one.reason) for one in worklist.left_out)
        )
    csa = any(one.csa for one in results)
    rows = close(folder, folder, results, summary, csa=csa)
    missing = _missing(history, worklist)
    return MergedTables(len(results), rows, missing, summary.error + summary.missing)


def _missing(history: History, worklist: Worklist | None) -> tuple[str, ...]:
    """The images that were begun and not finished, or never begun."""
    wanted = set() if worklist is None else {item.key for item in worklist.items}
    return tuple(sorted(((wanted - set(history.ended)) | history.open) - history.excluded))


def _dataset(folder: Path) -> Path:
    """The folder of the dataset, from the description of its derivative."""
    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return Path(url2pathname(urlparse(described["DatasetLinks"]["raw"]).path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{folder / DESCRIPTION} does not name the dataset: give it with -bids."
        ) from error
