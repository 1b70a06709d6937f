"""Completion in the real shells: words are typed at a terminal and completed by the tab key."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tools import tool

from sct_deepseg_general.cli.about.completion import script, words_of

MAIN = [sys.executable, "-c", "from sct_deepseg_general.cli import main; main()"]
PROGRAM = "sct_deepseg_sc_general"
TYPED = [
    (f"{PROGRAM} bat\t-rerun wa\t", "batch -rerun warn"),
    (f"{PROGRAM} models ver\t", "models verify"),
    (f"{PROGRAM} batch mer\t-bid\t", "batch merge -bids"),
    (f"{PROGRAM} -uncert\t", "-uncertainty"),
    (f"{PROGRAM} csa -i imag\t", "csa -i image.nii.gz"),
    ("sct-deepseg-general in out parti\t--bids-fil\t", "in out participant --bids-filter-file"),
]


def at_terminal(words: list[str], lines: list[str], folder: Path) -> str:
    """What a shell shows for lines typed at a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ.update(PS1="$ ", TERM="dumb", HOME=str(folder))
        os.execvp(words[0], words)  # noqa: S606 - a shell at a terminal is what is tested
    shown = b""
    try:
        for line in [*lines, "exit\r"]:
            os.write(terminal, line.encode())
            shown += _until_quiet(terminal, b"GOT:" if "\t" in line else b"")
        return shown.decode(errors="replace")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def _until_quiet(terminal: int, wanted: bytes) -> bytes:
    """What is shown until `wanted` and then nothing for a moment, for ten seconds at most."""
    shown, end = b"", time.monotonic() + 10
    while time.monotonic() < end:
        ready, _, _ = select.select([terminal], [], [], 0.7)
        if ready:
            try:
                shown += os.read(terminal, 65536)
            except OSError:
                break
        elif wanted in shown:
            break
    return shown


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tabs_complete_what_is_typed(shell: str, tmp_path: Path) -> None:
    program = tool(shell)
    (tmp_path / "image.nii.gz").touch()
    (tmp_path / "script").write_text(script(shell))
    bare = [program, "--norc", "-i"] if shell == "bash" else [program, "-f", "-i"]
    heard = tmp_path / "heard"
    say = f'{{ echo "$@" >> {heard}; echo GOT: ; }}'
    lines = [f"source ./script; {PROGRAM}() {say}; sct-deepseg-general() {say}\r"]
    at_terminal(bare, [*lines, *(f"{keys}\r" for keys, _ in TYPED)], tmp_path)
    assert heard.exists()
    got = [" ".join(line.split()) for line in heard.read_text().splitlines()]
    assert got == [expected for _, expected in TYPED]


def test_fish_offers_words_with_their_help(tmp_path: Path) -> None:
    program = tool("fish")
    (tmp_path / "s.fish").write_text(script("fish"))

    def offered(line: str) -> dict[str, str]:
        asked = f"source {tmp_path}/s.fish; complete -C '{line}'"
        environment = {**os.environ, "HOME": str(tmp_path)}
        said = subprocess.run(
            [program, "--no-config", "-c", asked],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        return dict(line.partition("\t")[::2] for line in said.stdout.splitlines())

    assert "batch" in offered(f"{PROGRAM} ba")
    assert set(offered(f"{PROGRAM} batch -rerun ")) == {"failed", "warn", "all"}
    assert offered(f"{PROGRAM} batch -per")["-per-participant"].startswith("Keep a state")
    assert "verify" in offered(f"{PROGRAM} models ver")
    assert "-uncertainty" in offered(f"{PROGRAM} -uncer")
    assert "--bids-filter-file" in offered("sct-deepseg-general in out --bids")


def test_every_subcommand_has_its_flags() -> None:
    from sct_deepseg_general.cli import SUBCOMMANDS

    words = words_of()
    assert set(words[""].subcommands) == set(SUBCOMMANDS)
    assert "-bids" in words["batch"].flags
    assert words["batch"].values["-rerun"] == ("failed", "warn", "all")
    assert "-o" in words["batch merge"].flags


def test_the_command_prints_the_script() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from sct_deepseg_general.cli import main; main()",
            "completion",
            "zsh",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == script("zsh")
