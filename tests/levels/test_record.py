"""The disc network's record and files: complete, small, and refused when they were changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.levels.record import (
    RECORD,
    Certainty,
    DiscModel,
    Limits,
    embedded_model,
    embedded_status,
    load_model,
)
from sct_deepseg_general.levels.responses import OUTPUTS, DiscNetwork, decoded
from sct_deepseg_general.zoo.model import read_manifest

MOST_BYTES = 1_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded_model().folder, tmp_path / "discs"))


def test_the_embedded_network_is_small_and_complete() -> None:
    model = embedded_model()
    assert model.outputs == OUTPUTS
    names = ("network.xml", "network.bin", "network.safetensors")
    assert sum((model.folder / name).stat().st_size for name in names) < MOST_BYTES
    for name in ("card.md", "recipe.json"):
        assert (model.folder / name).is_file()


def test_the_manifest_lists_every_file() -> None:
    folder = embedded_model().folder
    listed = read_manifest(folder, RECORD)
    found = {path.name for path in folder.iterdir() if path.is_file()} - {"MANIFEST"}
    assert set(listed) == found
    embedded_model().verify()


def test_the_list_of_models_has_it_with_every_byte_checked() -> None:
    status = embedded_status()
    assert (status.key, status.state, status.check) == (
        embedded_model().key,
        "embedded",
        "verified",
    )
    assert status.size == sum(one.stat().st_size for one in embedded_model().folder.iterdir())


def test_a_changed_card_is_noticed(folder: Path) -> None:
    (folder / "card.md").write_text("For everything.", encoding="utf-8")
    with pytest.raises(ModelError, match="missing or damaged"):
        load_model(folder).verify()


def test_a_copy_is_loaded(folder: Path) -> None:
    assert isinstance(load_model(folder), DiscModel)


@pytest.mark.parametrize("name", ["network.xml", "network.bin", "network.safetensors"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(ModelError, match="missing or damaged"):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": {}, "limits": 3}'])
def test_what_is_no_record_is_refused(folder: Path, text: str) -> None:
    (folder / "discs.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError):
        load_model(folder)


def test_limits_are_data_of_the_record(folder: Path) -> None:
    path = folder / "discs.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["limits"] = {"certain": 0.5}
    record["certainty"] = {"margin": 2.0}
    path.write_text(json.dumps(record), encoding="utf-8")
    assert load_model(folder).limits == Limits(certain=0.5)
    assert load_model(folder).certainty == Certainty(margin=2.0)


def test_a_network_may_know_the_junction() -> None:
    values = {name: np.zeros(4) for name in OUTPUTS}
    assert decoded(values, np.ones(4, np.bool_)).pmj is None
    known = decoded({**values, "pmj": np.full(4, 2.0)}, np.ones(4, np.bool_)).pmj
    np.testing.assert_allclose(known, 1 / (1 + np.exp(-2.0)))


def test_a_record_of_other_outputs_is_noticed(folder: Path) -> None:
    from necks import cord, neck

    from sct_deepseg_general.levels.course import course_of
    from sct_deepseg_general.levels.strip import strip_of

    path = folder / "discs.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["outputs"] = [*OUTPUTS, "pmj"]
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ModelError, match="expected"):
        DiscNetwork(load_model(folder)).responses(strip_of(neck(), course_of(cord())))
