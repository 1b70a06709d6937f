"""Division of a batch into parts, which are worked on independently.

A part is a shard or some participants by name. The shard of an image follows from the SHA-256 of
its participant's name. The division is therefore the same on every machine, and it does not
change when images are added.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sct_deepseg_general.errors import DatasetError

__all__ = ["Part", "People", "Shard", "from_environment", "parse"]

_TEXT = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, counted from 1."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise DatasetError(
                f"There is no shard {self.index}/{self.count}: shards are numbered from 1/N to N/N."
            )

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def label(self) -> str:
        """The shard as part of a file name, such as "0003-of-0016"."""
        return f"{self.index:04}-of-{self.count:04}"

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the part's state folders: one, the label."""
        return (self.label,)

    @property
    def division(self) -> str:
        """The name of the division: parts of the same one may be worked on at the same time."""
        return f"{self.count:04}"

    @property
    def whole(self) -> bool:
        """Whether the shard is the whole batch."""
        return self.count == 1

    def label_of(self, _owner: str) -> str:
        """The state folder of a participant or image: that of the shard."""
        return self.label

    def holds(self, name: str) -> bool:
        """Whether the participant or image of this name belongs to the shard."""
        if self.count == 1:
            return True
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


@dataclass(frozen=True)
class People:
    """Some participants by name ("sub-01"), each with a state folder of its own.

    Parts that have no participant in common may be worked on at the same time.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise DatasetError("No participant is named: give at least one.")

    def __str__(self) -> str:
        more = len(self.names) - 1
        return f"{self.names[0]} and {more} more" if more else self.names[0]

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the state folders, one for each participant."""
        return tuple(sorted(set(self.names)))

    @property
    def division(self) -> str:
        """The name of the division: parts of the same one may be worked on at the same time."""
        return "participants"

    @property
    def whole(self) -> bool:
        """Whether the part is the whole batch: never."""
        return False

    def label_of(self, owner: str) -> str:
        """The state folder of a participant."""
        return owner

    def holds(self, name: str) -> bool:
        """Whether the participant of this name belongs to the part."""
        return name in self.names


Part = Shard | People
"""What one process works on."""


def parse(text: str) -> Shard:
    """The shard that a text such as "3/16" names.

    Parameters
    ----------
    text
        Index and count, with a slash between them.

    Returns
    -------
    Shard
        The shard; its index counts from 1.

    Raises
    ------
    DatasetError
        The text does not have this form, or the index is out of range.

    Examples
    --------
    >>> parse("3/16")
    Shard(index=3, count=16)
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise DatasetError(f"'{text}' is not a shard: write 3/16 for the third of sixteen.")
    return Shard(int(match[1]), int(match[2]))


def from_environment(environment: Mapping[str, str]) -> Shard:
    """The shard of this task of a SLURM array; 1/1 outside an array."""
    try:
        task = int(environment["SLURM_ARRAY_TASK_ID"])
        count = int(environment["SLURM_ARRAY_TASK_COUNT"])
        first = int(environment["SLURM_ARRAY_TASK_MIN"])
    except (KeyError, ValueError):
        return Shard()
    step = int(environment.get("SLURM_ARRAY_TASK_STEP") or 1)
    return Shard((task - first) // step + 1, count)
