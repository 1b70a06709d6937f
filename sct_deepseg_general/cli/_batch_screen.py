"""What a batch shows at the terminal: what it will do, how far it is, how it ended."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from sct_deepseg_general.batch.journal import Record
from sct_deepseg_general.batch.plan import Listener
from sct_deepseg_general.batch.pool import PoolOptions
from sct_deepseg_general.batch.resume import Decision
from sct_deepseg_general.batch.summary import CSA, FAILED, IMAGES, BatchSummary
from sct_deepseg_general.batch.worklist import Item
from sct_deepseg_general.cli._click import printable
from sct_deepseg_general.cluster.progress import Progress, spelled

__all__ = ["Bar", "Screen", "ended", "workers"]

_WIDTH = 24
_MOST = 20  # lines of a list on the screen; the files hold all
_QUIET = 60.0  # seconds between two lines in a log file


class Bar:
    """A bar on a terminal; in a log file a line a minute."""

    def __init__(self, verbose: int) -> None:
        self._on = verbose > 0
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()

    def show(self, progress: Progress) -> None:
        if not self._on:
            return
        if self._terminal:
            print(f"\r{_line(progress)}\033[K", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._last > _QUIET:
            self._last = time.monotonic()
            print(_line(progress), file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for a line."""
        if self._on and self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    end = clear


class Screen:
    """A batch's listener at the terminal."""

    def __init__(self, verbose: int) -> None:
        self._verbose = verbose
        self._bar = Bar(verbose)
        self.listener = Listener(self._planned, self._ended, self._warned)

    def clear(self) -> None:
        self._bar.clear()

    def _planned(self, decisions: tuple[Decision, ...]) -> None:
        if not self._verbose:
            return
        counts = Counter(f"{_VERBS[one.act]}: {_kind(one.reason)}" for one in decisions)
        print(f"{len(decisions)} images", flush=True)
        for text, count in counts.most_common():
            print(f"  {count} {printable(text)}", flush=True)
        if self._verbose > 1:
            for one in decisions:
                print(f"  {one.act:<8} {printable(f'{one.item.key}: {one.reason}')}", flush=True)
        if to_do := sum(one.act == "do" for one in decisions):
            self._bar.show(Progress(to_do))

    def _ended(self, item: Item, record: Record, progress: Progress) -> None:
        if self._verbose > 1:
            self._bar.clear()
            area = f", mean CSA {record.mean_area:.1f} mm²" if record.mean_area else ""
            why = f" ({'; '.join(record.reasons)})" if record.reasons else ""
            line = f"{item.key}: {record.status}{area}, {record.seconds:.1f} s{why}"
            print(printable(line), flush=True)
        self._bar.show(progress)

    def _warned(self, sentence: str) -> None:
        print(f"Warning: {printable(sentence)}", file=sys.stderr)


_VERBS = {"do": "to do", "keep": "left alone", "blocked": "left out"}


def ended(summary: BatchSummary, folder: Path, qc: str, verbose: int) -> None:
    """The numbers, where to look, and what failed, with its reasons."""
    if verbose:
        print(
            f"{summary.images} images: {summary.ok} ok, {summary.warn} warn, {summary.fail} fail, "
            f"{summary.error} could not be segmented ({summary.done} done now in "
            f"{spelled(summary.seconds)}, {summary.kept} before)"
        )
        tables = [path for path in (folder / IMAGES, folder / CSA) if path.exists()]
        print(f"Tables: {', '.join(map(printable, tables))}")
        if qc and (page := Path(qc) / "index.html").exists():
            print(f"QC page: {printable(page)}")
    _list(f"Left out ({len(summary.blocked)}, -overwrite replaces):", summary.blocked)
    _list(f"Failed ({summary.error}, as a list in {folder / FAILED}):", summary.failed)


def workers(pool_options: PoolOptions) -> str:
    """The crew in words, like 4 workers of 2 threads."""
    threads = pool_options.environment.get("OMP_NUM_THREADS", "?")
    return (
        f"{pool_options.workers} worker{'s' * (pool_options.workers > 1)} of {threads} thread"
        + "s" * (threads != "1")
    )


def _list(title: str, lines: tuple[tuple[str, str], ...]) -> None:
    if not lines:
        return
    print(printable(title), file=sys.stderr)
    for key, reason in lines[:_MOST]:
        print(f"  {printable(f'{key}: {reason}')}", file=sys.stderr)
    if len(lines) > _MOST:
        print(f"  and {len(lines) - _MOST} more", file=sys.stderr)


def _line(progress: Progress) -> str:
    share = progress.done / progress.total if progress.total else 1.0
    full = round(share * _WIDTH)
    bad = f", {progress.error} failed" if progress.error else ""
    pace = f"{_rate(progress.rate)}, {spelled(progress.left)} left"
    return (
        f"[{'#' * full}{'-' * (_WIDTH - full)}] {progress.done}/{progress.total}, "
        f"{pace if progress.done else 'begun'}{bad}"
    )


def _rate(rate: float) -> str:
    if rate >= 1 or rate == 0:
        return f"{rate:.1f} images/s"
    return f"{1 / rate:.1f} s/image"


def _kind(reason: str) -> str:
    """A reason without what is special to one image."""
    return reason.partition(": ")[0] if reason.startswith("failed before: ") else _plain(reason)


def _plain(reason: str) -> str:
    for ending in ("is missing", "exists and is not in the journal"):
        if reason.endswith(ending):
            return f"an output {ending}"
    return "an output was edited since" if " was edited since" in reason else reason
