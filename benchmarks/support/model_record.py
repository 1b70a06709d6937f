"""Measured fields put into a model's record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sct_deepseg_general.zoo.archive import seal
from sct_deepseg_general.zoo.model import RECORD

__all__ = ["write_fields"]


def write_fields(folder: Path, fields: Mapping[str, Any]) -> None:
    """Put fields into the record of the model in a folder, and seal it again."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    seal(folder, {**{k: v for k, v in record.items() if k != "files"}, **fields})
    print(f"Written into {folder} and sealed: {', '.join(fields)}.")
