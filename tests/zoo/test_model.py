"""A model folder is what its hashes say, or it is not loaded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from placeholders import lfs
from toy_models import RECORD, dataset_json, plans, toy_model, write_parts

from sct_deepseg_general import files
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.archive import seal
from sct_deepseg_general.zoo.model import Model, sorted_version, split_key
from sct_deepseg_general.zoo.record import Locator


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files hashed from now on, by the real hash."""
    seen: list[str] = []

    def watched(path: Path) -> str:
        seen.append(path.name)
        return files.sha256(path)

    monkeypatch.setattr("sct_deepseg_general.zoo.model.sha256", watched)
    return seen


def test_record_is_read_typed(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "toy")
    assert model.key == "toy@0.1.0"
    assert model.spacing == (0.8, 0.8, 1.5)
    assert model.patch == (64, 64, 32)
    assert model.labels == {"background": 0, "sc": 1}
    assert model.locator == Locator(spacing=(2.0, 2.0, 4.0), patch=(48, 48, 32), threshold=0.4)
    assert model.folds == ("fold_0.safetensors",)
    assert model.margin == 12.0
    assert not model.averaging  # older records lack the field
    assert toy_model(tmp_path / "averaging", averaging=True).averaging
    assert model.replaces is None
    assert model.path("network.xml") == tmp_path / "toy" / "network.xml"
    assert model.size == sum(p.stat().st_size for p in (tmp_path / "toy").iterdir()) - sum(
        (tmp_path / "toy" / name).stat().st_size for name in ("model.json", "MANIFEST")
    )
    assert Model.load(tmp_path / "toy") == model


def test_a_model_without_locator_needs_no_locator_files(tmp_path: Path) -> None:
    write_parts(tmp_path / "toy")
    for name in ("locator.xml", "locator.bin", "locator.safetensors"):
        (tmp_path / "toy" / name).unlink()
    assert seal(tmp_path / "toy", {**RECORD, "locator": None}).locator is None
    with pytest.raises(ModelError, match=r"lacks locator.xml, locator.bin"):
        seal(tmp_path / "toy", RECORD)


def test_path_gives_listed_files_only(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "toy")
    (tmp_path / "toy" / "stray.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"no file 'stray.bin'"):
        model.path("stray.bin")


def test_digest_follows_every_byte(tmp_path: Path) -> None:
    one = toy_model(tmp_path / "a")
    assert toy_model(tmp_path / "b").digest == one.digest
    assert toy_model(tmp_path / "c", seed=b"!").digest != one.digest
    assert toy_model(tmp_path / "d", threshold=0.6).digest != one.digest


WRONG: list[tuple[str, Any]] = [
    ("format", 2),
    ("format", True),
    ("id", "Toy Model"),
    ("id", "../toy"),
    ("version", "1.x"),
    ("version", "01"),
    ("title", None),
    ("contrasts", "T2w"),
    ("contrasts", [1]),
    ("orientation", "LRI"),
    ("orientation", "lpi"),
    ("spacing", [1.0, 1.0]),
    ("spacing", [1.0, 1.0, 0.0]),
    ("spacing", [1.0, 1.0, True]),
    ("patch", [64, 64, 32.5]),
    ("patch", [0, 64, 32]),
    ("normalisation", "ct"),
    ("averaging", 1),
    ("labels", {"sc": 1}),
    ("labels", {"background": 0, "sc": 2}),
    ("labels", {"background": 0, "sc": [1, 3]}),
    ("region_order", [1, "2"]),
    ("cord", "gm"),
    ("crop", {"superior": 10}),
    ("preprocessing", {"configuration": "3d_lowres"}),
    ("labels", {"background": 0}),
    ("threshold", 1.5),
    ("threshold", "0.5"),
    ("margin", -1),
    ("locator", {"spacing": [1, 1, 1], "patch": [8, 8, 8]}),
    ("locator", []),
    ("folds", []),
    ("folds", ["../fold_0.safetensors"]),
    ("folds", ["fold_7.safetensors"]),
    ("intervals", 3),
    ("typical", 3),
    ("typical", {"evenness": [0.5]}),
    ("typical", {"evenness": [0.5, 0.1]}),
    ("typical", {"evenness": ["low", 0.1]}),
    ("licence", 3),
    ("date", "yesterday"),
    ("replaces", "toy"),
    ("surprise", 1),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_field_is_named(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(ModelError, match=f"{name}|lacks (weights|fold_7)"):
        toy_model(tmp_path / "toy", **{name: value})


@pytest.mark.parametrize("name", [name for name in RECORD if name != "files"])
def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    record = {key: value for key, value in RECORD.items() if key != name}
    with pytest.raises(ModelError, match=f"'{name}' is missing"):
        seal(write_parts(tmp_path / "toy"), record)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(tmp_path: Path, number: str) -> None:
    toy_model(tmp_path / "toy")
    _rewrite_record(
        tmp_path / "toy", lambda text: text.replace('"margin": 12.0', f'"margin": {number}')
    )
    with pytest.raises(ModelError, match=r"JSON|margin"):
        Model.load(tmp_path / "toy")


def test_a_field_given_twice_is_refused(tmp_path: Path) -> None:
    toy_model(tmp_path / "toy")
    _rewrite_record(tmp_path / "toy", lambda text: text.replace("{", '{"id": "other",', 1))
    with pytest.raises(ModelError, match="given twice"):
        Model.load(tmp_path / "toy")


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"format": 1}', "null", "\xff"])
def test_a_broken_record_is_one_sentence(tmp_path: Path, text: str) -> None:
    toy_model(tmp_path / "toy")
    _rewrite_record(tmp_path / "toy", lambda _old: text)
    with pytest.raises(ModelError, match=r"model.json|MANIFEST"):
        Model.load(tmp_path / "toy")


def test_weights_that_are_a_pointer_say_how_to_get_them(tmp_path: Path) -> None:
    weights = toy_model(tmp_path / "toy").folder / "network.bin"
    weights.unlink()
    lfs(weights)
    with pytest.raises(ModelError, match="git lfs pull"):
        Model.load(tmp_path / "toy")


@pytest.mark.parametrize("lost", ["MANIFEST", "model.json", "plans.json", "network.bin", "card.md"])
def test_a_lost_file_is_named(tmp_path: Path, lost: str) -> None:
    toy_model(tmp_path / "toy")
    (tmp_path / "toy" / lost).unlink()
    with pytest.raises(ModelError, match=lost):
        Model.load(tmp_path / "toy")


@pytest.mark.parametrize(
    "line", ["0" * 64 + "  ../evil", "0" * 63 + "  a", "x", "0" * 64 + " *a", ""]
)
def test_a_manifest_holds_hashes_and_plain_names(tmp_path: Path, line: str) -> None:
    toy_model(tmp_path / "toy")
    with (tmp_path / "toy" / "MANIFEST").open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(ModelError, match="MANIFEST"):
        Model.load(tmp_path / "toy")


def test_manifest_and_record_must_agree(tmp_path: Path) -> None:
    toy_model(tmp_path / "toy")
    manifest = tmp_path / "toy" / "MANIFEST"
    kept = [line for line in manifest.read_text().splitlines() if "recipe" not in line]
    manifest.write_text("\n".join(kept) + "\n")
    with pytest.raises(ModelError, match="different files"):
        Model.load(tmp_path / "toy")


@pytest.mark.parametrize("name", ["model.json", "network.bin", "fold_0.safetensors", "card.md"])
@pytest.mark.parametrize("full", [False, True])
def test_a_changed_byte_is_found(tmp_path: Path, name: str, full: bool) -> None:
    toy_model(tmp_path / "toy")
    content = bytearray((tmp_path / "toy" / name).read_bytes())
    content[-2] ^= 1
    (tmp_path / "toy" / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name} is not the file it was"):
        Model.load(tmp_path / "toy", full=full)


def test_files_are_hashed_on_the_first_load_and_when_they_look_changed(
    tmp_path: Path, cache: Path, hashed: list[str]
) -> None:
    toy_model(tmp_path / "toy")
    (stamp,) = (cache / "sct_deepseg_general" / "hashes").iterdir()
    stamp.unlink()
    hashed.clear()
    Model.load(tmp_path / "toy")
    assert "network.bin" in hashed
    hashed.clear()
    Model.load(tmp_path / "toy")
    assert set(hashed) == {"model.json", "MANIFEST"}
    os.utime(tmp_path / "toy" / "network.bin")
    hashed.clear()
    Model.load(tmp_path / "toy")
    assert "network.bin" in hashed


def test_only_a_full_check_sees_a_change_that_hides_its_time(tmp_path: Path) -> None:
    toy_model(tmp_path / "toy")
    network = tmp_path / "toy" / "network.bin"
    status = network.stat()
    network.write_bytes(network.read_bytes()[::-1])
    os.utime(network, ns=(status.st_atime_ns, status.st_mtime_ns))
    Model.load(tmp_path / "toy")
    with pytest.raises(ModelError, match="not the file it was"):
        Model.load(tmp_path / "toy", full=True)
    with pytest.raises(ModelError, match="not the file it was"):
        Model.load(tmp_path / "toy")  # the failed check withdrew the stamp


def test_without_a_writable_cache_files_are_hashed_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    toy_model(tmp_path / "toy")
    for _ in range(2):
        hashed.clear()
        Model.load(tmp_path / "toy")
        assert "network.bin" in hashed


@pytest.mark.parametrize("stamp", ["", "[]", "{}", '{"digest": 1}', "\x00" * 99])
def test_a_broken_stamp_means_hashing(tmp_path: Path, cache: Path, stamp: str) -> None:
    toy_model(tmp_path / "toy")
    network = tmp_path / "toy" / "network.bin"
    network.write_bytes(network.read_bytes()[::-1])
    (found,) = (cache / "sct_deepseg_general" / "hashes").iterdir()
    found.write_text(stamp)
    with pytest.raises(ModelError, match="not the file it was"):
        Model.load(tmp_path / "toy")


def test_a_plan_may_name_known_networks_only(tmp_path: Path) -> None:
    for where, name in [
        (("architecture", "network_class_name"), "os.system"),
        (("architecture", "arch_kwargs", "conv_op"), "os.system"),
        (("architecture", "arch_kwargs", "nonlin"), "builtins.eval"),
        (("architecture", "_kw_requires_import"), ["conv_op", "n_stages"]),
        (("architecture", "arch_kwargs", "features_per_stage"), [4, 1 << 30]),
    ]:
        folder = write_parts(tmp_path / str(abs(hash((*where, str(name))))))
        plan = plans()
        inner = plan["configurations"]["3d_fullres"]
        for step in where[:-1]:
            inner = inner[step]
        inner[where[-1]] = name
        (folder / "plans.json").write_text(json.dumps(plan))
        with pytest.raises(ModelError, match=r"may be built|features"):
            seal(folder, RECORD)


@pytest.mark.parametrize("content", [dataset_json(), {}, {"configurations": []}])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    folder = write_parts(tmp_path / "toy")
    (folder / "plans.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="not an nnU-Net plan"):
        seal(folder, RECORD)


def test_names_pin_or_do_not() -> None:
    assert split_key("sc-general") == ("sc-general", None)
    assert split_key("sc-general@0.1.0") == ("sc-general", "0.1.0")
    for wrong in ("", "a@", "@1", "a@1@2", "a b", "../a", "a@1.", "a@latest", "-a"):
        with pytest.raises(ModelError, match="not a model's name"):
            split_key(wrong)


def test_versions_compare_as_numbers() -> None:
    shuffled = ["20240101", "1", "0.10", "1.0.1", "0.9"]
    assert sorted(shuffled, key=sorted_version) == ["0.9", "0.10", "1", "1.0.1", "20240101"]
    assert sorted_version("1") == sorted_version("1.0.0")


def _rewrite_record(folder: Path, change: Any) -> None:
    """Change `model.json` and have the manifest vouch for it."""
    record = folder / "model.json"
    old = files.sha256(record)
    record.write_text(change(record.read_text()), encoding="latin-1")
    manifest = folder / "MANIFEST"
    manifest.write_text(manifest.read_text().replace(old, files.sha256(record)))
