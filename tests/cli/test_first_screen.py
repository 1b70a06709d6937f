"""The first screen of help fits a terminal; every flag is in one group; words are understood."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import image_path

from sct_deepseg_general import __version__, cli
from sct_deepseg_general.cli.about.first_screen import GROUPS
from sct_deepseg_general.cli.segment import command


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr("sys.argv", ["sct_deepseg_sc_general", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code in (0, None)
    return capsys.readouterr().out


def test_the_first_screen_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = told(monkeypatch, capsys, "-h").splitlines()
    assert 24 <= len(lines) <= 40
    assert max(map(len, lines)) <= 80
    flags = [line.split()[0] for line in lines if line.startswith("  -")]
    assert flags == ["-i", "-o", "-qc", "-c2c3", "-perlevel"]


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",), ("-help",), ("help",)])
def test_help_has_many_names(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch, capsys, *words) == told(monkeypatch, capsys, "-h")


def test_help_of_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch, capsys, "help", "csa") == told(monkeypatch, capsys, "csa", "-h")
    assert told(monkeypatch, capsys, "help", "all") == told(monkeypatch, capsys, "-help-all")


@pytest.mark.parametrize("word", ["-version", "--version"])
def test_the_version(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch, capsys, word) == f"sct_deepseg_sc_general {__version__}\n"


def test_every_flag_is_in_one_group() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert len(set(names)) == len(names)
    with command.make_context("x", ["-i", "a.nii"]) as ctx:
        flags = {option.opts[0] for option in command.get_params(ctx)}
    assert set(names) == flags


def test_all_flags_are_shown_within_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = told(monkeypatch, capsys, "-help-all")
    assert max(map(len, text.splitlines())) <= 80
    assert all(heading in text for heading in GROUPS)
    assert "RANGE" not in text


def test_an_image_without_a_flag_is_segmented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "t2.nii.gz"
    image.write_bytes(image_path("T2w").read_bytes())
    assert "t2.nii.gz: ok" in told(monkeypatch, capsys, str(image))
    assert (tmp_path / "t2_seg.nii.gz").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("segment", ["-h"])),
        (["csa", "-h"], ("csa", ["-h"])),
        (["help", "qc"], ("qc", ["-h"])),
        (["a.nii.gz", "b.nii"], ("segment", ["-i", "a.nii.gz", "b.nii"])),
        (["rootlets", "-i", "a"], ("segment", [cli.TASK, "rootlets", "-i", "a"])),
        (["nonsense"], ("nonsense", [])),
        (["-i", "a"], ("segment", ["-i", "a"])),
    ],
)
def test_first_words(words: list[str], expected: tuple[str, list[str]]) -> None:
    assert cli.understood(words) == expected


def test_help_takes_little_time() -> None:
    words = [sys.executable, "-c", "from sct_deepseg_general.cli import main; main()", "-h"]
    best = min(_cpu(words) for _ in range(3))
    assert best < 0.3


def _cpu(words: list[str]) -> float:
    """CPU seconds of a process, which another program's load does not change."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert time.monotonic() > started
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
