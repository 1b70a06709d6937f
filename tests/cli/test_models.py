"""The `models` command says in words, or in JSON, what the zoo knows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from faulty_server import Server, faulty_server
from index_entries import entry
from samples import ANAT
from toy_models import toy_model

from sct_deepseg_general.cli.models import command
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.archive import pack
from sct_deepseg_general.zoo.cache import ModelCache
from sct_deepseg_general.zoo.index import read_index


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_INDEX", str(tmp_path / "index.json"))
    monkeypatch.delenv("SCT_DEEPSEG_GENERAL_OFFLINE", raising=False)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    model = toy_model(tmp_path / "published")
    pack({path.name: path for path in model.folder.iterdir()}, tmp_path / "toy.zip")
    return tmp_path / "toy.zip"


@pytest.fixture(autouse=True)
def server(tmp_path: Path, archive: Path) -> Iterator[Server]:
    with faulty_server(archive.read_bytes()) as one:
        entries = [
            entry(archive, one.url),
            entry(archive, one.url, id="loose", sha256=None, size=None, kind="nnunet"),
        ]
        content = {"format": 1, "default": "sc-general@0.1.0", "models": entries}
        (tmp_path / "index.json").write_text(json.dumps(content))
        yield one


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


def said(*words: str | Path) -> str:
    result = call(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_fetch_list_path_verify_remove(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "toy@0.1.0"
    assert "available" in next(one for one in said("list").splitlines() if "toy@" in one)
    assert f"toy@0.1.0 is in {folder}" in said("fetch", "-m", "toy")
    line = next(one for one in said("list").splitlines() if "toy@" in one)
    assert "installed" in line
    assert "verified" in line
    assert said("path", "-m", "toy") == f"{folder}\n"
    assert "verified" in said("verify", "-m", "toy")
    assert said("remove", "-m", "toy@0.1.0") == f"Removed {folder}\n"
    assert "available" in next(one for one in said("list").splitlines() if "toy@" in one)


REMOVING = (
    "import os, sys; from pathlib import Path; from sct_deepseg_general.zoo.cache import clear\n"
    "begun = []\n"
    "def die_within(event, _words):\n"
    "    if event == 'shutil.rmtree': begun.append(event)\n"
    "    if event == 'os.remove' and begun: os.kill(os.getpid(), 9)\n"
    "sys.addaudithook(die_within)\n"
    "clear(Path(sys.argv[1]))"
)


@pytest.mark.parametrize("words", [["list"], ["fetch", "-m", "toy"], ["verify"]])
def test_what_a_killed_removal_left_goes_at_the_next_call(tmp_path: Path, words: list[str]) -> None:
    said("fetch", "-m", "toy")
    removing = [sys.executable, "-c", REMOVING, tmp_path / "models" / "toy@0.1.0"]
    assert subprocess.run(removing, check=False).returncode == -signal.SIGKILL
    left = tmp_path / "models" / ".toy@0.1.0.removed"
    assert left.exists()
    assert not (tmp_path / "models" / "toy@0.1.0").exists()
    said(*words)
    assert not left.exists()


def test_embedded_models_are_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    model = toy_model(package / "inner", id="inner")
    alone = {"urls": [], "sha256": None, "size": None, "embedded": True}
    content = {"format": 1, "default": "inner@0.1.0"}
    content["models"] = [entry(tmp_path / "toy.zip", id="inner", **alone)]
    (package / "index.json").write_text(json.dumps(content))
    cache = ModelCache(package, (tmp_path / "models",))
    monkeypatch.setattr("sct_deepseg_general.zoo.zoo.standard_cache", lambda: cache)
    assert json.loads(said("pin", "-json"))["pinned"] == ["inner@0.1.0"]
    assert read_index(package / "index.json").entries[0].digest == model.digest
    assert "nothing changed" in said("pin")


def test_the_same_in_json(tmp_path: Path) -> None:
    place = json.loads(said("fetch", "-m", "toy", "-json"))
    assert place["id"] == "toy@0.1.0"
    lines = {line["key"]: line for line in json.loads(said("list", "--json"))}
    assert lines["toy@0.1.0"]["folder"] == str(tmp_path / "models" / "toy@0.1.0")
    assert lines["loose@0.1.0"]["check"] == "not pinned"
    assert json.loads(said("path", "-m", "toy", "-json")) == place
    assert json.loads(said("verify", "-m", "toy", "-json"))[0]["check"] == "verified"
    shown = json.loads(said("info", "-m", "toy", "-json"))
    assert shown["digest"] == place["digest"]
    assert shown["card"].startswith("# Toy")
    assert json.loads(said("remove", "-m", "toy", "-json")) == {"removed": place["folder"]}
    assert json.loads(said("info", "-m", "toy", "-json"))["version"] == "0.1.0"


def test_info_prints_the_card_or_the_entry() -> None:
    assert "not installed" in said("info", "-m", "toy")
    said("fetch", "-m", "toy")
    assert "# Toy" in said("info", "-m", "toy")


def test_info_says_that_nobody_published_a_hash() -> None:
    shown = said("info", "-m", "loose")
    assert "not published" in shown
    assert "-trust" in shown
    assert "None" not in shown
    assert "not published" not in said("info", "-m", "toy")


def test_a_card_cannot_steer_the_terminal(tmp_path: Path) -> None:
    from toy_models import RECORD, write_parts

    from sct_deepseg_general.zoo.archive import seal

    folder = write_parts(tmp_path / "models" / "toy@0.1.0")
    (folder / "card.md").write_bytes(b"# Toy\x1b]0;owned\x07\x1b[2J\r\n")
    seal(folder, RECORD)
    shown = said("info", "-m", "toy")
    assert "# Toy]0;owned" in shown
    assert not set(shown) & {"\x1b", "\x07", "\r"}


def test_verify_ends_with_1_when_something_is_damaged(tmp_path: Path) -> None:
    said("fetch", "-m", "toy")
    (tmp_path / "models" / "toy@0.1.0" / "network.bin").write_bytes(b"damaged")
    result = call("verify", "-m", "toy")
    assert result.exit_code in {0, 1}
    assert "damaged" in result.stdout
    done = _run("models", "verify", "-m", "toy")
    assert done.returncode == 1
    assert "damaged" in done.stdout


def test_a_file_is_installed_offline(archive: Path, server: Server) -> None:
    with pytest.raises(ModelError, match="-from FILE"):
        call("fetch", "-m", "toy", "-offline")
    assert "toy@0.1.0" in said("fetch", "-from", archive, "-offline")
    assert server.ranges == []


def test_what_is_not_pinned_needs_trust(server: Server) -> None:
    with pytest.raises(ModelError, match="-trust"):
        call("fetch", "-m", "loose")
    assert server.ranges == []


@pytest.mark.parametrize(
    "words",
    [["fetch"], ["remove"], ["diff", "-m", "toy", "-bids", "x"], ["nothing"], ["list", "x"]],
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    assert call(*words).exit_code == 2


def test_a_missing_model_is_one_sentence_and_1() -> None:
    done = _run("models", "path", "-m", "absent")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: There is no model 'absent'")
    assert done.stderr.count("\n") == 1


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['x', 'models', 'fetch', '-h']\n"
        "from sct_deepseg_general.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'nnunetv2', 'openvino', 'matplotlib', 'pandas', 'requests', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_model_does_not_drift_from_itself(tmp_path: Path) -> None:
    (tmp_path / "index.json").unlink()
    os.environ.pop("SCT_DEEPSEG_GENERAL_INDEX")  # monkeypatch puts it back
    words = ["-m", "sc-general", "sc-general", "-bids", str(ANAT.parents[1])]
    shown = said("diff", *words, "-contrast", "T2star", "-o", tmp_path / "drift", "-json")
    drifts = json.loads(shown)
    assert [one["contrast"] for one in drifts] == ["T2star", "all"]
    assert drifts[0]["dice"] == 1
    assert drifts[0]["bias"] == 0
    assert drifts[0]["scale"] == 1
    assert drifts[0]["scale_low"] is None
    assert "nan" not in said("diff", *words, "-contrast", "T2star")
    assert {path.name for path in (tmp_path / "drift").iterdir()} == {
        "drift.csv", "bland_altman.png"
    }  # fmt: skip


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    code = "from sct_deepseg_general.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )


def test_an_import_needs_a_version(tmp_path: Path) -> None:
    ended = call("import", "-i", tmp_path, "-id", "mine", "-o", tmp_path / "new")
    assert ended.exit_code == 2
    assert "mine@1.0" in ended.output
    assert not (tmp_path / "new").exists()
