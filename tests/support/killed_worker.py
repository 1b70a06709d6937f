"""Makes a release or an import again and again, killed by SIGKILL at one step after another.

    killed_worker.py release|import SOURCE FOLDER EVERY

A step is a file or folder that would be written, renamed or removed beside or below FOLDER. Each
attempt is a fork of this process, which has imported everything and used nothing. For each
killed attempt a line says what it left and whether the next call made the model.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from killed_command import die_at
from nnunet_results import ENTRY

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.release.nnunet_results import import_results
from sct_deepseg_general.release.release import release
from sct_deepseg_general.zoo.model import Model


def forked(make: Callable[[], object], step: int, folder: Path) -> int:
    """How an attempt ended; 0 is well."""
    child = os.fork()
    if child == 0:
        if step:
            die_at(step, folder, signal.SIGKILL)
        make()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state(folder: Path, model: Path) -> str:
    """What there is under the name that was asked for."""
    if not folder.exists():
        return ""
    try:
        return Model.load(model, full=True).digest
    except ModelError as error:
        return f"half: {error}"


def main() -> None:
    kind, source, folder, every = sys.argv[1], *map(Path, sys.argv[2:4]), int(sys.argv[4])
    model = folder / "toy@1.0" if kind == "release" else folder

    def make() -> object:
        if kind == "release":
            return release(source, "toy@1.0", folder)
        return import_results((source,), folder, ENTRY)

    step, code = 1, -1
    while code:
        code = forked(make, step, folder.parent)
        left = state(folder, model)
        again = 0 if left else forked(make, 0, folder.parent)
        beside = sorted(path.name for path in folder.parent.iterdir() if path != folder)
        line = {"step": step, "code": code, "left": left, "again": again, "beside": beside}
        sys.stdout.write(json.dumps({**line, "made": state(folder, model)}) + "\n")
        sys.stdout.flush()
        shutil.rmtree(folder)
        step += every


if __name__ == "__main__":
    main()
