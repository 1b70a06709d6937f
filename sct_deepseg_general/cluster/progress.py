"""How far a batch is: counts, rate, time left; the same as a file for other programs."""

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
    """A batch at one moment; `done` counts images of this run, whatever their status."""

    total: int
    """Images to work on in this run."""
    kept: int = 0
    """Images left alone because their results hold."""
    done: int = 0
    ok: int = 0
    warn: int = 0
    fail: int = 0
    error: int = 0
    elapsed: float = 0.0
    """Seconds."""
    rate: float = 0.0
    """Images a second, of late."""
    left: float | None = None
    """Seconds to go, None while unknown."""
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
        """The first image begins: what came before is no part of the rate."""
        if not self._ends:
            self._ends.append(self._clock())

    def count(self, status: str) -> Progress:
        """One image more, with its status ("ok", "warn", "fail" or "error")."""
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
    """A time as people say it: "45 s", "12 min", "3 h 20 min", "4 days 6 h"."""
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
    """The progress as JSON, written whole."""
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")


def read_progress(path: Path) -> Progress | None:
    """The progress that a batch left at `path`; None where there is none yet."""
    try:
        return Progress(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
