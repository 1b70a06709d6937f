"""Filter files of BIDS Apps: queries by entity that select images of a dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sct_deepseg_general.bids.cases import Case
from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.errors import DatasetError

__all__ = ["ENTITIES", "matches", "read_filter", "selected"]

ENTITIES = {
    "subject": "sub",
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "direction": "dir",
    "echo": "echo",
    "flip": "flip",
    "inversion": "inv",
    "mtransfer": "mt",
    "mt": "mt",
    "part": "part",
    "reconstruction": "rec",
    "run": "run",
    "task": "task",
}
"""Long names of entities, as filter files use them, and their short ones, as in file names."""

Query = Mapping[str, Any]


def read_filter(path: Path) -> dict[str, Query]:
    """Read the queries of a filter file.

    Parameters
    ----------
    path : Path
        A JSON file with one object that holds a query under each name. A query gives values of
        entities: one, a list of which one must match, or null for an entity that must be absent.

    Returns
    -------
    dict
        The queries by name.

    Raises
    ------
    DatasetError
        The file cannot be read, is not of this form, or names an unknown entity.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"The filter file {path} cannot be read: {error}.") from error
    if not isinstance(content, dict) or not all(isinstance(one, dict) for one in content.values()):
        raise DatasetError(
            f"The filter file {path} must hold one object of queries, such as "
            '{"t2w": {"suffix": "T2w"}}.'
        )
    known = {"suffix", "datatype", "extension", *ENTITIES}
    for name, query in content.items():
        unknown = sorted(set(query) - known)
        if unknown:
            raise DatasetError(
                f"The filter file {path} asks for '{unknown[0]}' in '{name}', which is not an "
                f"entity; known are {', '.join(sorted(known))}."
            )
    return content


def matches(case: Case, query: Query) -> bool:
    """Whether an image has all the values that a query gives."""
    return all(_allowed(_value(case, name), wanted) for name, wanted in query.items())


def selected(dataset: Path, path: Path) -> list[str]:
    """The images of a dataset that at least one query of a filter file selects.

    Parameters
    ----------
    dataset : Path
        The folder of the BIDS dataset.
    path : Path
        The filter file.

    Returns
    -------
    list of str
        Paths below the dataset, sorted; also of images whose content is not on this machine.

    Raises
    ------
    DatasetError
        The file or the dataset cannot be read, or no image matches.

    Examples
    --------
    >>> import json
    >>> from pathlib import Path
    >>> from sct_deepseg_general.bids.filter import selected
    >>> anat = Path("filtered/sub-01/anat")
    >>> anat.mkdir(parents=True)
    >>> for name in ("sub-01_T1w.nii.gz", "sub-01_T2w.nii.gz"):
    ...     _ = (anat / name).write_bytes(b"an image")
    >>> _ = Path("filter.json").write_text(json.dumps({"t2w": {"suffix": "T2w"}}))
    >>> selected(Path("filtered"), Path("filter.json"))
    ['sub-01/anat/sub-01_T2w.nii.gz']
    """
    queries = read_filter(path)
    found_in = index(dataset)
    found = sorted(
        case.image.relative_to(dataset).as_posix()
        for case in (*found_in.cases, *found_in.missing)
        if any(matches(case, query) for query in queries.values())
    )
    if not found:
        raise DatasetError(f"No image of {dataset} matches a query of {path}.")
    return found


def _value(case: Case, name: str) -> str | None:
    if name == "suffix":
        return case.suffix
    if name == "datatype":
        return case.image.parent.name
    if name == "extension":
        return ".nii.gz" if case.image.name.endswith(".gz") else ".nii"
    return case.entities.get(ENTITIES[name])


def _allowed(value: str | None, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(_allowed(value, one) for one in wanted)
    if value is None or wanted is None:
        return value is wanted
    bare = str(wanted).rpartition("-")[2]
    return value == bare or (value.isdecimal() and bare.isdecimal() and int(value) == int(bare))
