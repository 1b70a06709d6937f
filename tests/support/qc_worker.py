"""A process that adds entries to a report: `qc_worker.py FOLDER COUNT SEED [DIE_AT]`.

Prints the number of each finished entry. With DIE_AT it ends, as if killed, before the
DIE_AT-th time that a file or a folder would be written, renamed or removed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qc_phantoms import entry

from sct_deepseg_general.qc.entry import add_entry

_STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "shutil.rmtree"}


def die_at(step: int, folder: Path) -> None:
    """End without any clean-up before the `step`-th change in `folder`."""
    count = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        reads = event == "open" and not isinstance(arguments[1], str)
        reads = reads or (event == "open" and "w" not in str(arguments[1]))
        if event in _STEPS and not reads and str(arguments[0]).startswith(str(folder)):
            count += 1
            if count == step:
                os._exit(9)

    sys.addaudithook(watch)


def main() -> None:
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if len(sys.argv) > 4:
        die_at(int(sys.argv[4]), folder)
    for number in range(count):
        add_entry(folder, entry(seed, input_name=f"{seed}/{number}.nii.gz"), volume=False)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


main()
