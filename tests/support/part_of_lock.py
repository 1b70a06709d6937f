"""The lines of a lock file for some packages: part_of_lock.py FILE PACKAGE ..."""

from __future__ import annotations

import re
import sys
from pathlib import Path


def part_of_lock(text: str, names: list[str]) -> str:
    """The pinned versions and hashes of the packages `names` in the text of a lock file."""
    blocks = re.split(r"\n(?=[\w])", text)
    return "\n".join(block for block in blocks if re.split(r"==", block)[0].strip() in names)


if __name__ == "__main__":
    sys.stdout.write(part_of_lock(Path(sys.argv[1]).read_text("utf-8"), sys.argv[2:]) + "\n")
