"""Models of one's own: installed from a folder, used by name, never in another model's place."""

from __future__ import annotations

from pathlib import Path

import pytest
from index_entries import ENTRY, write_index
from toy_models import toy_model

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.cache import ModelCache
from sct_deepseg_general.zoo.index import read_index
from sct_deepseg_general.zoo.own import check_name, install_folder
from sct_deepseg_general.zoo.zoo import Zoo


@pytest.fixture
def zoo(tmp_path: Path) -> Zoo:
    write_index(tmp_path / "index.json", {**ENTRY, "version": "0.1.0"}, default="toy@0.1.0")
    cache = ModelCache(tmp_path / "package", (tmp_path / "models",))
    return Zoo(read_index(tmp_path / "index.json"), cache)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return toy_model(tmp_path / "trained", id="f", version="0").folder


def test_a_trained_model_is_used_by_its_new_name(zoo: Zoo, trained: Path) -> None:
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    made = install_folder(trained, "our-lab@1.0", zoo)
    assert (made.id, made.version) == ("our-lab", "1.0")
    assert zoo.here("our-lab").digest == made.digest
    assert [one.check for one in zoo.verify("our-lab")] == ["verified"]
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before
    assert zoo.find("our-lab") == "our-lab@1.0"
    install_folder(trained, "our-lab@1.1", zoo)
    assert zoo.find("our-lab") == "our-lab@1.1"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("our-lab", "has no version"),
        ("toy@2.0", "of the package's index"),
        ("a/b@1", "model's name"),
    ],
)
def test_names_that_cannot_be_used(zoo: Zoo, key: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        check_name(key, zoo)


def test_another_model_is_not_replaced_and_a_damaged_one_not_installed(
    zoo: Zoo, trained: Path
) -> None:
    install_folder(trained, "our-lab@1.0", zoo)
    with pytest.raises(ModelError, match=r"our-lab@1\.0 is installed already"):
        install_folder(trained, "our-lab@1.0", zoo)
    file = next(path for path in trained.iterdir() if path.suffix == ".safetensors")
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(ModelError):
        install_folder(trained, "our-lab@2.0", zoo)
    assert [path.name for path in (zoo.cache.writable()).iterdir() if path.is_dir()] == [
        "our-lab@1.0"
    ]
