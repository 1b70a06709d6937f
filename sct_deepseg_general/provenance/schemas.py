"""The JSON Schemas of what this program writes; each has a version in its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

from sct_deepseg_general.errors import SchemaError

__all__ = ["SCHEMAS", "schema"]

SCHEMAS = (
    "area-1",
    "change-1",
    "correction-1",
    "csa-1",
    "evaluation-1",
    "images-1",
    "info-1",
    "norm-values-1",
    "norms-1",
    "norms-file-1",
    "qc-1",
    "result-1",
    "sidecar-1",
    "status-1",
)
"""The names of the schemas. A number changes where a program that reads the older form would fail:
where a field is taken away or has another meaning. A new field keeps the number."""


def schema(name: str) -> Mapping[str, Any]:
    """The JSON Schema (draft 2020-12) of a name.

    Parameters
    ----------
    name : str
        One of `SCHEMAS`, as the field "Schema" of a record says it.

    Returns
    -------
    mapping
        The schema, for a validator such as the library jsonschema.

    Raises
    ------
    SchemaError
        There is no such schema.

    Examples
    --------
    >>> schema("sidecar-1")["title"]
    'The JSON file beside a mask'
    """
    if name not in SCHEMAS:
        raise SchemaError(f"There is no schema '{name}': there are {', '.join(SCHEMAS)}.")
    folder = resources.files("sct_deepseg_general") / "schemas"
    content: Mapping[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return content
