"""What is installed here, as a record and for people."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from sct_deepseg_general import __version__, cli
from sct_deepseg_general.provenance.info import info_record


def test_versions_are_those_of_the_libraries() -> None:
    record = info_record()
    assert record["Version"] == __version__
    assert record["Libraries"]["numpy"] == version("numpy")


def test_sct_is_found_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCT_DIR", raising=False)
    assert info_record()["SCT"] is None
    (tmp_path / "spinalcordtoolbox").mkdir()
    (tmp_path / "spinalcordtoolbox" / "version.txt").write_text("7.4\n", encoding="utf-8")
    monkeypatch.setenv("SCT_DIR", str(tmp_path))
    assert info_record()["SCT"] == {"Folder": str(tmp_path), "Version": "7.4"}


@pytest.mark.parametrize("flag", ["-json", "--json"])
def test_json_is_one_line_and_nothing_else(
    flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["x", "info", flag])
    with pytest.raises(SystemExit):
        cli.main()
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out)["Schema"] == "info-1"


def test_people_see_the_default_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["x", "info"])
    with pytest.raises(SystemExit):
        cli.main()
    out = capsys.readouterr().out
    assert "embedded, verified, the default" in out
    assert "Device cpu" in out
