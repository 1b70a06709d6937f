"""The progress of a batch: counts, rate and time left, also as a file for other programs."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from sct_deepseg_general.files import write_whole

__all__ = ["PROGRESS", "Meter", "Progress", "State", "read_progress", "spelled", "write_progress"]

PROGRESS = "progress.json"
"""The name of the file that holds a shard's progress."""

State = Literal["running", "finished", "stopped"]
_WINDOW = 200  # images that the rate is taken over


@dataclass(frozen=True)
class Progress:
    """The progress of a run at one moment."""

    total: int
    """Images to work on in this run."""
    kept: int = 0
    """Images that are not worked on because their results are up to date."""
    done: int = 0
    """Images of this run that have ended, with any status."""
    ok: int = 0
    warn: int = 0
    fail: int = 0
    error: int = 0
    missing: int = 0
    edited: int = 0
    elapsed: float = 0.0
    """Seconds since the start."""
    rate: float = 0.0
    """Images per second, over the last 200 images."""
    left: float | None = None
    """Seconds that remain; None while unknown."""
    state: State = "running"


class Meter:
    """Counts images as they end."""

    def __init__(
        self, total: int, kept: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._start = clock()
        self._ends: deque[float] = deque(maxlen=_WINDOW)
        self.progress = Progress(total, kept)

    def begin(self) -> None:
        """Note that the first image has started; time before that does not count for the rate."""
        if not self._ends:
            self._ends.append(self._clock())

    def count(self, status: str) -> Progress:
        """Count an image by its status: "ok", "warn", "fail", "error" or "missing"."""
        self.begin()
        at, before = self._clock(), self.progress
        self._ends.append(at)
        span = at - self._ends[0]
        rate = (len(self._ends) - 1) / span if span > 0 else 0.0
        done = before.done + 1
        counted = {status: getattr(before, status) + 1}
        self.progress = replace(
            before,
            done=done,
            elapsed=round(at - self._start, 3),
            rate=round(rate, 6),
            left=round((before.total - done) / rate, 1) if rate else None,
            **counted,
        )
        return self.progress


def spelled(seconds: float | None) -> str:
    """A duration as text.

    Examples
    --------
    >>> [spelled(seconds) for seconds in (45, 720, 12_000, 367_200, None)]
    ['45 s', '12 min', '3 h 20 min', '4 days 6 h', 'unknown']
    """
    if seconds is None:
        return "unknown"
    minutes, hours = seconds / 60, seconds / 3600
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 99.5:
        return f"{minutes:.0f} min"
    if hours < 48:
        return f"{int(hours)} h {int(minutes) % 60} min"
    return f"{int(hours / 24)} days {int(hours) % 24} h"


def write_progress(path: Path, progress: Progress) -> None:
    """Write the progress as JSON.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")


def read_progress(path: Path) -> Progress | None:
    """The progress in a file; None if there is no such file yet."""
    try:
        return Progress(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
