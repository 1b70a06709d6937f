"""Entries of a model index for tests, and the packaged index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sct_deepseg_general.files import sha256

PACKAGED = Path(__file__).parents[2] / "model_zoo" / "index.json"


ENTRY: dict[str, Any] = {
    "id": "toy",
    "version": "0.1.0",
    "kind": "bundle",
    "title": "Toy",
    "contrasts": ["T2w"],
    "orientation": "LPI",
    "spacing": [1.0, 1.0, 1.0],
    "labels": {"background": 0, "sc": 1},
    "size": 10,
    "urls": ["https://example.org/toy.zip"],
    "sha256": "0" * 64,
    "digest": None,
    "licence": "MIT",
    "citation": "Nobody.",
    "date": "2026-01-31",
    "replaces": None,
    "embedded": False,
}


def write_index(path: Path, *entries: dict[str, Any], default: str = "toy@0.1.0") -> Path:
    path.write_text(json.dumps({"format": 1, "default": default, "models": list(entries)}))
    return path


def entry(archive: Path, *urls: str, **changes: Any) -> dict[str, Any]:
    return {
        **ENTRY,
        "size": archive.stat().st_size,
        "urls": list(urls),
        "sha256": sha256(archive),
        **changes,
    }
