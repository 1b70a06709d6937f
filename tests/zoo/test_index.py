"""The index says where models are, and nothing that could lead elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from index_entries import ENTRY, PACKAGED, write_index

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.cache import embedded_folders
from sct_deepseg_general.zoo.index import as_json, read_index


def test_versions_stand_newest_first(tmp_path: Path) -> None:
    entries = [{**ENTRY, "version": version} for version in ("0.2", "0.10", "0.9.1")]
    index = read_index(write_index(tmp_path / "index.json", *entries))
    assert index.versions("toy") == ("0.10", "0.9.1", "0.2")
    assert index.versions("other") == ()
    found = index.find("toy@0.9.1")
    assert found is not None
    assert found.key == "toy@0.9.1"
    assert index.find("toy@7") is None


def test_an_entry_reads_back_as_it_was(tmp_path: Path) -> None:
    (entry,) = read_index(write_index(tmp_path / "a", ENTRY)).entries
    (again,) = read_index(write_index(tmp_path / "b", json.loads(as_json(entry)))).entries
    assert again == entry


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "../toy"),
        ("version", "new"),
        ("kind", "pickle"),
        ("contrasts", None),
        ("orientation", "XYZ"),
        ("spacing", [1, 1]),
        ("labels", {}),
        ("size", 0),
        ("size", None),
        ("urls", ["file:///etc/passwd"]),
        ("urls", ["https://example.org/a b"]),
        ("urls", []),
        ("sha256", "abc"),
        ("sha256", None),
        ("digest", 3),
        ("date", "soon"),
        ("embedded", "yes"),
        ("embedded", 1),
        ("surprise", 1),
    ],
)
def test_a_wrong_entry_names_its_field(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(ModelError, match=name):
        read_index(write_index(tmp_path / "index.json", {**ENTRY, name: value}))


@pytest.mark.parametrize("name", list(ENTRY))
def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    entry = {key: value for key, value in ENTRY.items() if key != name}
    with pytest.raises(ModelError, match=f"'{name}' is missing"):
        read_index(write_index(tmp_path / "index.json", entry))


def test_a_version_is_listed_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="twice"):
        read_index(write_index(tmp_path / "index.json", ENTRY, ENTRY))


def test_the_packaged_index_is_sound() -> None:
    index = read_index(PACKAGED)
    default = index.find(index.default)
    assert default is not None
    assert default.embedded
    assert default.version == index.versions(default.id)[0]
    for entry in index.entries:
        assert all(url.startswith("https://") for url in entry.urls)
        assert entry.kind == "nnunet" or entry.embedded or entry.sha256


def test_the_packaged_index_has_a_line_for_every_embedded_model() -> None:
    index = read_index(PACKAGED)
    for folder in embedded_folders(PACKAGED.parent):
        record = folder / "model.json"
        content = json.loads(record.read_text())
        entry = index.find(f"{content['id']}@{content['version']}")
        assert entry is not None
        assert entry.embedded
        assert record.parent.name == entry.id
        assert list(entry.contrasts) == content["contrasts"]
        assert entry.orientation == content["orientation"]
        assert list(entry.spacing or ()) == content["spacing"]
        assert dict(entry.labels) == content["labels"]
        assert entry.date == content["date"]
