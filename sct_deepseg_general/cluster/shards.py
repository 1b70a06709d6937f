"""A part of the work, for one of many machines: which images are whose, without a word between
them.

An image belongs to the shard that the SHA-256 of its name says, so the parts are the same on
every machine and do not move when images are added to the dataset.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sct_deepseg_general.errors import DatasetError

__all__ = ["Shard", "from_environment", "parse"]

_TEXT = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, counted from 1."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise DatasetError(
                f"There is no shard {self.index}/{self.count}: shards count from 1/N to N/N."
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def label(self) -> str:
        """The shard in the name of a file; names sort by number."""
        return f"{self.index:04}-of-{self.count:04}"

    def holds(self, name: str) -> bool:
        """Whether what is called `name` (a participant, an image) belongs to this shard."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


def parse(text: str) -> Shard:
    """The shard that "3/16" names.

    Raises:
        DatasetError: the text is no such pair.
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise DatasetError(f"'{text}' is no shard: write 3/16 for the third of sixteen.")
    return Shard(int(match[1]), int(match[2]))


def from_environment(environment: Mapping[str, str]) -> Shard:
    """This task's part of a SLURM array (0-15, 1-16, with or without a step); 1/1 outside one."""
    try:
        task = int(environment["SLURM_ARRAY_TASK_ID"])
        count = int(environment["SLURM_ARRAY_TASK_COUNT"])
        first = int(environment["SLURM_ARRAY_TASK_MIN"])
    except (KeyError, ValueError):
        return Shard()
    step = int(environment.get("SLURM_ARRAY_TASK_STEP") or 1)
    return Shard((task - first) // step + 1, count)
