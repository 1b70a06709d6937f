"""The command, sent a signal before the N-th change that it makes in a folder.

killed_command.py SIGNAL N FOLDER WORD ...
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sct_deepseg_general.cli import main

_STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "shutil.rmtree"}


def die_at(step: int, folder: Path, end: int) -> None:
    """Be sent the signal before the `step`-th change in `folder`."""
    count = 0

    def watch(event: str, words: tuple[object, ...]) -> None:
        nonlocal count
        if event not in _STEPS or not str(words[0]).startswith(str(folder)):
            return
        if event == "open" and not _writes(words[1], words[2]):
            return
        count += 1
        if count == step:
            os.kill(os.getpid(), end)

    sys.addaudithook(watch)


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


if __name__ == "__main__":
    end, step, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    die_at(step, folder, end)
    sys.argv[1:] = sys.argv[4:]
    sys.exit(main())
