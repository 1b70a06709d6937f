"""A name means one model, and only if it is what it must be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from index_entries import ENTRY, write_index
from toy_models import toy_model

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.zoo import zoo as zoos
from sct_deepseg_general.zoo.archive import pack
from sct_deepseg_general.zoo.cache import ModelCache, clear, standard_cache
from sct_deepseg_general.zoo.index import read_index
from sct_deepseg_general.zoo.install import FetchOptions
from sct_deepseg_general.zoo.zoo import Zoo, is_offline, resolve, standard_zoo


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCT_DEEPSEG_GENERAL_MODELS", "SCT_DEEPSEG_GENERAL_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_INDEX", str(tmp_path / "index.json"))
    for number in ("0.1.0", "0.2.0"):
        toy_model(tmp_path / "models" / f"toy@{number}", version=number)
    toy_model(tmp_path / "package" / "inner", id="inner")
    write(tmp_path)


def write(folder: Path, **changes: Any) -> None:
    """An index of three versions of the toy, the newest not installed, and the embedded model."""
    entries = [{**ENTRY, "version": version} for version in ("0.1.0", "0.2.0", "0.10.0")]
    entries[0].update(changes)
    inner = {**ENTRY, "id": "inner", "urls": [], "embedded": True, "sha256": None, "size": None}
    write_index(folder / "index.json", *entries, inner, default="inner@0.1.0")


def zoo(folder: Path) -> Zoo:
    cache = ModelCache(folder / "package", (folder / "models", folder / "more"))
    return Zoo(read_index(folder / "index.json"), cache)


def test_a_bare_name_is_the_newest_known_version(tmp_path: Path) -> None:
    assert zoo(tmp_path).find("toy") == "toy@0.10.0"
    assert zoo(tmp_path).find("toy@0.1.0") == "toy@0.1.0"
    assert zoo(tmp_path).find() == "inner@0.1.0"
    toy_model(tmp_path / "more" / "toy@1.0", version="1.0")
    assert zoo(tmp_path).find("toy") == "toy@1.0"


def test_an_unknown_name_lists_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="known are inner, toy"):
        zoo(tmp_path).find("other")
    with pytest.raises(ModelError, match=r"known versions are 0\.1\.0, 0\.2\.0, 0\.10\.0"):
        zoo(tmp_path).find("toy@7")
    with pytest.raises(ModelError, match="not a model's name"):
        zoo(tmp_path).find("../toy")


def test_what_is_not_here_is_not_replaced_by_an_older_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"toy@0\.10\.0 is not installed"):
        zoo(tmp_path).here("toy")
    with pytest.raises(ModelError, match=r"toy@0\.10\.0.*network is forbidden"):
        zoo(tmp_path).obtain("toy", FetchOptions(offline=True))


def test_models_here_are_found_without_the_network(tmp_path: Path) -> None:
    assert zoo(tmp_path).obtain("toy@0.2.0").key == "toy@0.2.0"
    assert zoo(tmp_path).obtain().key == "inner@0.1.0"


def test_the_index_pins_what_is_here(tmp_path: Path) -> None:
    digest = zoo(tmp_path).here("toy@0.1.0").digest
    write(tmp_path, digest=digest)
    assert zoo(tmp_path).here("toy@0.1.0").digest == digest
    write(tmp_path, digest="0" * 64)
    mended = "remove it and fetch it again"
    with pytest.raises(ModelError, match=rf"is not the toy@0\.1\.0 of the index: {mended}\.$"):
        zoo(tmp_path).here("toy@0.1.0")


def test_a_folder_must_hold_the_model_it_is_named_after(tmp_path: Path) -> None:
    (tmp_path / "models" / "toy@0.1.0").rename(tmp_path / "models" / "toy@0.3.0")
    with pytest.raises(ModelError, match=r"holds toy@0\.1\.0, not toy@0\.3\.0"):
        zoo(tmp_path).here("toy@0.3.0")


def test_the_listing_tells_all_states(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "models" / "toy@0.1.0" / "network.bin").write_bytes(b"damaged")
    lines = {line.key: line for line in zoo(tmp_path).statuses()}
    assert list(lines) == ["inner@0.1.0", "toy@0.10.0", "toy@0.2.0", "toy@0.1.0"]
    assert [line.state for line in lines.values()] == [
        *("embedded", "available", "installed", "installed")
    ]
    assert lines["toy@0.10.0"].check == "pinned"
    assert lines["toy@0.2.0"].check == "verified"
    assert "network.bin" in lines["toy@0.1.0"].check
    assert lines["toy@0.10.0"].size == 10
    write(tmp_path, version="0.11.0", sha256=None, size=None)
    assert zoo(tmp_path).statuses()[1].check == "not pinned"


def test_verify_hashes_every_byte(tmp_path: Path) -> None:
    assert all(line.check == "verified" for line in zoo(tmp_path).verify())
    network = tmp_path / "models" / "toy@0.2.0" / "network.bin"
    status = network.stat()
    network.write_bytes(network.read_bytes()[::-1])
    os.utime(network, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert all(line.check == "verified" for line in zoo(tmp_path).statuses() if line.folder)
    checks = {line.key: line.check for line in zoo(tmp_path).verify()}
    assert checks.pop("toy@0.2.0").startswith("damaged")
    assert set(checks.values()) == {"verified"}
    (line,) = zoo(tmp_path).verify("toy@0.1.0")
    assert line.key == "toy@0.1.0"
    with pytest.raises(ModelError, match="not installed"):
        zoo(tmp_path).verify("toy")


def test_removing_takes_one_version(tmp_path: Path) -> None:
    assert zoo(tmp_path).remove("toy@0.1.0") == tmp_path / "models" / "toy@0.1.0"
    assert not (tmp_path / "models" / "toy@0.1.0").exists()
    assert zoo(tmp_path).here("toy@0.2.0").key == "toy@0.2.0"
    assert not list((tmp_path / "models").glob("*.removed"))
    with pytest.raises(ModelError, match="not installed"):
        zoo(tmp_path).remove("toy@0.1.0")
    with pytest.raises(ModelError, match="belongs to the package"):
        zoo(tmp_path).remove("inner")


def test_what_a_killed_removal_left_goes_at_the_next_call(tmp_path: Path) -> None:
    found = zoo(tmp_path)
    left = tmp_path / "models" / ".toy@0.1.0.removed"
    found.cache.load("toy@0.1.0")
    (tmp_path / "models" / "toy@0.1.0").rename(left)
    (left / "MANIFEST").unlink()
    (tmp_path / "models" / ".toy@0.2.0.part").write_text("to be resumed")
    found.cache.sweep()
    assert not left.exists()
    assert {path.name for path in (tmp_path / "models").iterdir()} == {
        "toy@0.2.0", ".toy@0.2.0.part"}  # fmt: skip


def test_half_removed_folders_are_never_seen(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "toy@0.1.0"
    folder.rename(folder.with_name(".toy@0.1.0.removed"))
    assert "toy@0.1.0" not in {place.key for place in zoo(tmp_path).cache.places()}
    toy_model(folder)
    clear(folder)
    assert not folder.with_name(".toy@0.1.0.removed").exists()


def test_resolve_takes_folders_names_and_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_MODELS", str(tmp_path / "models"))
    assert resolve("toy@0.2.0", offline=True).key == "toy@0.2.0"
    assert resolve(str(tmp_path / "package" / "inner")).key == "inner@0.1.0"
    monkeypatch.chdir(tmp_path / "package")
    assert resolve("./inner").key == "inner@0.1.0"
    monkeypatch.chdir(tmp_path / "package" / "inner")
    assert resolve(".").key == "inner@0.1.0"
    (tmp_path / "My Model").symlink_to(tmp_path / "package" / "inner")
    monkeypatch.chdir(tmp_path)
    assert resolve("My Model").key == "inner@0.1.0"
    with pytest.raises(ModelError, match="not a model folder"):
        resolve(str(tmp_path))


def test_the_packages_own_default_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCT_DEEPSEG_GENERAL_INDEX")
    index = standard_zoo().index
    model = resolve(offline=True)
    assert model.key == index.default
    assert resolve(model.id, offline=True) == model


@pytest.mark.parametrize(("value", "expected"), [("", False), ("0", False), ("1", True)])
def test_a_variable_forbids_the_network(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_OFFLINE", value)
    assert is_offline() is expected
    assert is_offline(flag=True)


def test_the_variable_holds_for_resolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_OFFLINE", "1")
    monkeypatch.setattr(zoos, "fetch", lambda _e, _s, options: pytest.fail(str(options.offline)))
    with pytest.raises(pytest.fail.Exception, match="True"):
        resolve("toy")


def test_the_cache_is_the_users_or_the_named_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert standard_cache().caches == (tmp_path / "cache" / "sct_deepseg_general" / "models",)
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_MODELS", f"/a{os.pathsep}{os.pathsep}~/b")
    assert standard_cache().caches == (Path("/a"), Path.home() / "b")
    assert (standard_cache().package / "index.json").exists()


def test_the_first_cache_that_can_be_made_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ModelCache(
        tmp_path / "package", (tmp_path / "file" / "models", tmp_path / "new" / "deep")
    )
    assert cache.writable() == tmp_path / "new" / "deep"
    with pytest.raises(ModelError, match="SCT_DEEPSEG_GENERAL_MODELS"):
        ModelCache(tmp_path / "package", (tmp_path / "file" / "models",)).writable()


def test_what_is_no_model_on_the_shelf_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "models" / "notes@x").mkdir()
    (tmp_path / "models" / "notes@x" / "MANIFEST").write_text("")
    (tmp_path / "package" / "broken").mkdir()
    (tmp_path / "package" / "broken" / "model.json").write_text(json.dumps({"id": 3}))
    keys = {place.key for place in zoo(tmp_path).cache.places()}
    assert keys == {"inner@0.1.0", "toy@0.1.0", "toy@0.2.0"}


def packed(folder: Path, version: str) -> Path:
    """The archive of a toy model of its own."""
    made = toy_model(folder / f"made-{version}", version=version)
    archive = folder / f"toy-{version}.zip"
    pack({path.name: path for path in made.folder.iterdir()}, archive)
    return archive


def test_an_archive_brought_by_hand_is_installed_under_its_name(tmp_path: Path) -> None:
    archive = packed(tmp_path, "0.10.0")
    write(tmp_path, version="0.9.0")
    entry = {"sha256": sha256(archive), "size": archive.stat().st_size}
    entries = [{**ENTRY, "version": "0.10.0", **entry}]
    write_index(tmp_path / "index.json", *entries, default="toy@0.10.0")
    for name in ("toy@0.10.0", None):
        model = zoo(tmp_path).install((archive,), name, FetchOptions(offline=True))
        assert model.key == "toy@0.10.0"
        zoo(tmp_path).remove("toy@0.10.0")
    with pytest.raises(ModelError, match="no model 'other'"):
        zoo(tmp_path).install((archive,), "other", FetchOptions(offline=True))


def test_an_archive_that_no_index_knows_needs_trust(tmp_path: Path) -> None:
    archive = packed(tmp_path, "0.7.0")
    with pytest.raises(ModelError, match="trust"):
        zoo(tmp_path).install((archive,), None, FetchOptions(offline=True))
    model = zoo(tmp_path).install((archive,), None, FetchOptions(offline=True, trust=True))
    assert model.key == "toy@0.7.0"


def test_a_model_that_no_index_knows_is_used_where_it_lies(tmp_path: Path) -> None:
    toy_model(tmp_path / "models" / "mine@1.0", id="mine", version="1.0")
    assert zoo(tmp_path).obtain("mine").key == "mine@1.0"
    assert zoo(tmp_path).obtain("inner").key == "inner@0.1.0"


def test_an_embedded_model_that_is_published_too_is_fetched_where_it_is_lost(
    tmp_path: Path,
) -> None:
    entry = {**ENTRY, "id": "lost", "embedded": True, "urls": ["https://example.org/lost.zip"]}
    write_index(tmp_path / "index.json", entry, default="lost@0.1.0")
    with pytest.raises(ModelError, match="network is forbidden"):
        zoo(tmp_path).obtain("lost", FetchOptions(offline=True))


def test_a_line_tells_all_of_a_model(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "models" / "toy@0.1.0" / "network.bin").write_bytes(b"damaged")
    lines = {line.key: line for line in zoo(tmp_path).statuses()}
    model = zoo(tmp_path).here("toy@0.2.0")
    good, bad, there = (lines[f"toy@{version}"] for version in ("0.2.0", "0.1.0", "0.10.0"))
    assert (good.size, good.folder) == (model.size, model.folder)
    assert (good.title, good.contrasts) == ("Toy", ("T1w", "T2w"))
    assert (bad.title, bad.contrasts, bad.size) == ("", (), None)
    assert (there.title, there.contrasts, there.folder) == ("Toy", ("T2w",), None)
    clear(tmp_path / "package" / "inner")
    lines = {line.key: line for line in zoo(tmp_path).statuses()}
    assert lines["inner@0.1.0"].check == "missing from the package"


def test_what_there_is_not_is_named_with_its_version(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model 'toy@7': known versions"):
        zoo(tmp_path).find("toy@7")
    with pytest.raises(ModelError, match=r"no model 'other': known are"):
        zoo(tmp_path).find("other")


def test_the_network_is_allowed_unless_it_is_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[FetchOptions] = []

    def remembered(_self: Zoo, name: str | None, options: FetchOptions) -> str:
        seen.append(options)
        return name or ""

    monkeypatch.setattr(Zoo, "obtain", remembered)
    resolve("toy")
    resolve("toy", offline=True)
    assert [options.offline for options in seen] == [False, True]
    assert is_offline() is False
    assert is_offline(flag=True) is True
    monkeypatch.chdir(tmp_path)
    for name in ("a/b", "..", "/none"):
        with pytest.raises(ModelError):
            resolve(name)
    assert len(seen) == 2


def test_an_entry_of_ones_own_takes_the_place_of_the_lists(tmp_path: Path) -> None:
    elsewhere = "https://example.org/elsewhere.zip"
    (tmp_path / "own.json").write_text(
        json.dumps({**ENTRY, "version": "0.10.0", "urls": [elsewhere], "task": "toy"})
    )
    assert zoos.add_entries(tmp_path / "own.json") == ("toy@0.10.0",)
    index = standard_zoo().index
    assert [one.key for one in index.entries].count("toy@0.10.0") == 1
    changed = index.find("toy@0.10.0")
    assert changed is not None
    assert changed.urls == (elsewhere,)
    assert index.versions("toy") == read_index(tmp_path / "index.json").versions("toy")
    assert zoos.task_key("toy") == "toy@0.10.0"
