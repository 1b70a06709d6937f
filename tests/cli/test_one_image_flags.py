"""Each flag of the main command is taken by `batch`, or refused with what to do instead."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from sct_deepseg_general import cli
from sct_deepseg_general.cli.batch import command as batch_command
from sct_deepseg_general.cli.options.one_image import INSTEAD, ONE_IMAGE_FLAGS
from sct_deepseg_general.cli.segment import command as segment_command

PAGE = Path(__file__).resolve().parents[2] / "docs" / "batch.md"


def flags(command: click.Command) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)}


def test_no_flag_is_left_without_an_answer() -> None:
    assert flags(segment_command) - flags(batch_command) == set(ONE_IMAGE_FLAGS)


def test_the_page_has_the_table() -> None:
    _, section = PAGE.read_text(encoding="utf-8").split("## Flags of the main command\n")
    rows = [line.strip("|").split("|") for line in section.split("\n## ")[0].splitlines()
            if line.startswith("| `")]  # fmt: skip
    table = {says.strip(): tuple(re.findall(r"`([^`]+)`", names)) for names, says in rows}
    assert table == dict(INSTEAD)


@pytest.mark.parametrize("name", sorted(ONE_IMAGE_FLAGS))
def test_each_is_refused_with_one_sentence(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["batch", "-bids", str(tmp_path), "-o", str(tmp_path / "out"), name, "1"]
    monkeypatch.setattr("sys.argv", ["sct_deepseg_sc_general", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith(f"Error: batch has no {name}: ")
    assert not any(tmp_path.iterdir())
