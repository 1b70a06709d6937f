"""The index says what the embedded models are, after one command and to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from index_entries import ENTRY, PACKAGED, write_index
from toy_models import toy_model

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.cache import ModelCache, clear, embedded_folders
from sct_deepseg_general.zoo.index import as_json, read_index
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.pin import embed, pin
from sct_deepseg_general.zoo.zoo import Zoo


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An embedded model that nobody has pinned, and another that is only to be had."""
    toy_model(tmp_path / "package" / "toy")
    write(tmp_path / "package")
    return tmp_path / "package"


def write(package: Path, **changes: Any) -> None:
    alone = {"urls": [], "sha256": None, "size": None, "digest": None}
    entry = {**ENTRY, "id": "toy", "version": "0.1.0", **alone, "embedded": True, **changes}
    write_index(package / "index.json", entry, {**ENTRY, "id": "other"}, default="toy@0.1.0")


def test_the_packages_embedded_models_are_pinned() -> None:
    """If this fails, a model was put into the package: run `models pin` and commit the index."""
    index = read_index(PACKAGED)
    for folder in embedded_folders(PACKAGED.parent):
        model = Model.load(folder, full=True)
        entry = index.find(model.key)
        assert entry is not None
        assert entry.digest == model.digest


def test_pinning_writes_what_the_model_says(package: Path) -> None:
    assert pin(package) == ("toy@0.1.0",)
    model, entry = Model.load(package / "toy"), read_index(package / "index.json").find("toy@0.1.0")
    assert entry is not None
    assert entry.digest == model.digest
    assert (entry.title, entry.contrasts, entry.spacing) == (
        model.title, model.contrasts, model.spacing)  # fmt: skip
    assert [one["id"] for one in listed(package)] == ["toy", "other"]


def test_what_is_pinned_stays_as_it_is(package: Path) -> None:
    pin(package)
    before = (package / "index.json").stat().st_mtime_ns, (package / "index.json").read_bytes()
    assert pin(package) == ()
    after = (package / "index.json").stat().st_mtime_ns, (package / "index.json").read_bytes()
    assert before == after


def test_a_model_that_is_not_the_pinned_one_is_not_used(package: Path, tmp_path: Path) -> None:
    pin(package)
    clear(package / "toy")
    toy_model(package / "toy", seed=b"another")
    found = Zoo(read_index(package / "index.json"), ModelCache(package, (tmp_path / "models",)))
    mended = "install the package again, or run 'models pin' if you put it there"
    with pytest.raises(ModelError, match=rf"not the toy@0\.1\.0 of the index: {mended}\.$"):
        found.here("toy")
    pin(package)
    found = Zoo(read_index(package / "index.json"), ModelCache(package, (tmp_path / "models",)))
    assert found.here("toy").key == "toy@0.1.0"


def test_a_new_version_takes_the_place_of_the_old_one(package: Path, tmp_path: Path) -> None:
    new = toy_model(tmp_path / "new", seed=b"new", version="0.2.0", replaces="toy@0.1.0")
    assert embed(new, package).digest == new.digest
    index = read_index(package / "index.json")
    assert index.default == "toy@0.2.0"
    assert index.versions("toy") == ("0.2.0",)
    assert index.find("toy@0.2.0").digest == new.digest  # type: ignore[union-attr]
    assert {path.name for path in package.iterdir()} == {"index.json", "toy"}


def test_an_old_version_that_can_be_fetched_stays_listed(package: Path, tmp_path: Path) -> None:
    write(package, urls=["https://example.org/toy.zip"], sha256="a" * 64, size=5)
    embed(toy_model(tmp_path / "new", version="0.2.0"), package)
    index = read_index(package / "index.json")
    assert index.versions("toy") == ("0.2.0", "0.1.0")
    assert not index.find("toy@0.1.0").embedded  # type: ignore[union-attr]
    assert [one["version"] for one in listed(package)][:2] == ["0.2.0", "0.1.0"]


def test_what_is_known_of_its_archive_stays_known(package: Path) -> None:
    write(package, urls=["https://example.org/toy.zip"], sha256="a" * 64, size=5)
    pin(package)
    entry = read_index(package / "index.json").find("toy@0.1.0")
    assert entry is not None
    assert (entry.urls, entry.sha256, entry.size) == (("https://example.org/toy.zip",), "a" * 64, 5)
    assert entry.embedded
    assert json.loads(as_json(entry)) == listed(package)[0]


def test_a_damaged_model_is_not_pinned(package: Path) -> None:
    before = (package / "index.json").read_bytes()
    (package / "toy" / "network.bin").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"network\.bin"):
        pin(package)
    assert (package / "index.json").read_bytes() == before


def test_a_folder_without_an_index_gets_no_model(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "new")
    (tmp_path / "package").mkdir()
    with pytest.raises(ModelError, match="index"):
        embed(model, tmp_path / "package")
    assert list((tmp_path / "package").iterdir()) == []


def listed(package: Path) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = json.loads((package / "index.json").read_text())["models"]
    return models
