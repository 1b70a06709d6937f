"""The command `compare`: its words, and the lines it shows."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from sct_deepseg_general.cli import compare
from sct_deepseg_general.cli.compare import command


def call(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.parametrize("words", [(), ("-recipe", "r.json"), ("-data", "d")])
def test_a_study_needs_a_recipe_and_data(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = call("-o", tmp_path / "study", *words)
    assert ended.exit_code == 2
    assert "-recipe and -data" in ended.output
    assert not (tmp_path / "study").exists()


def test_a_log_gets_the_end_of_each_stage_alone(capsys: pytest.CaptureFixture[str]) -> None:
    compare._tell("evaluate", 1, 2)
    compare._tell("evaluate", 2, 2)
    compare._tell_training("general", "cascade", 0.5)
    compare._tell_training("general", "cascade", 1.0)
    assert capsys.readouterr().err.splitlines() == [
        "evaluate: 2 of 2", "train: general, cascade, 100%"
    ]  # fmt: skip


def test_a_terminal_sees_a_stage_advance_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(compare, "sys", SimpleNamespace(stderr=terminal))
    compare._tell("evaluate", 1, 2)
    assert "\n" not in terminal.getvalue()
    compare._tell("evaluate", 2, 2)
    assert [part.strip() for part in terminal.getvalue().split("\r")] == [
        "", "evaluate: 1 of 2", "evaluate: 2 of 2"
    ]  # fmt: skip
    assert terminal.getvalue().endswith("\n")
