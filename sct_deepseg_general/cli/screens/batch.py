"""The output of a batch at the terminal: its plan, its progress and its summary."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from sct_deepseg_general.batch.journal import Record
from sct_deepseg_general.batch.plan import Decision, Listener
from sct_deepseg_general.batch.pool import PoolOptions
from sct_deepseg_general.batch.summary import CSA, FAILED, IMAGES, BatchSummary
from sct_deepseg_general.batch.worklist import Item, Worklist
from sct_deepseg_general.cli._click import printable
from sct_deepseg_general.cluster.progress import Progress, spelled
from sct_deepseg_general.words import counted

__all__ = ["Bar", "Screen", "print_left_out", "print_summary", "workers_text"]

_WIDTH = 24
_LISTED = 20  # lines of a list that are shown; the files hold all
_LOG_SECONDS = 60.0  # between two lines in a log file


class Bar:
    """A progress bar on a terminal; one line per minute in a log file."""

    def __init__(self, verbose: int) -> None:
        self._on = verbose > 0
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Show the progress."""
        if not self._on:
            return
        if self._terminal:
            print(f"\r{_line(progress)}\033[K", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._last > _LOG_SECONDS:
            self._last = time.monotonic()
            print(_line(progress), file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the bar from the terminal."""
        if self._on and self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Screen:
    """Prints what happens in a batch; `listener` is passed to `run.run`."""

    def __init__(self, verbose: int) -> None:
        self._verbose = verbose
        self._bar = Bar(verbose)
        self.listener = Listener(self._print_plan, self._print_image, self._print_warning)

    def clear(self) -> None:
        """Remove the progress bar."""
        self._bar.clear()

    def _print_plan(self, decisions: tuple[Decision, ...]) -> None:
        if not self._verbose:
            return
        counts = Counter(f"{_VERBS[one.act]}: {_kind(one.reason)}" for one in decisions)
        print(counted(len(decisions), "image"), flush=True)
        for text, count in counts.most_common():
            print(f"  {count} {printable(text)}", flush=True)
        if self._verbose > 1:
            for one in decisions:
                print(f"  {one.act:<8} {printable(f'{one.item.key}: {one.reason}')}", flush=True)
        if to_do := sum(one.act in ("do", "measure") for one in decisions):
            self._bar.show(Progress(to_do))

    def _print_image(self, item: Item, record: Record, progress: Progress) -> None:
        if self._verbose > 1:
            self._bar.clear()
            area = f", mean CSA {record.mean_area:.1f} mm²" if record.mean_area else ""
            why = f" ({'; '.join(record.reasons)})" if record.reasons else ""
            line = f"{item.key}: {record.status}{area}, {record.seconds:.1f} s{why}"
            print(printable(line), flush=True)
        self._bar.show(progress)

    def _print_warning(self, sentence: str) -> None:
        print(f"Warning: {printable(sentence)}", file=sys.stderr)


_VERBS = {"do": "to do", "measure": "to measure", "keep": "kept", "blocked": "left out"}


def print_summary(summary: BatchSummary, folder: Path, qc: str, verbose: int) -> None:
    """Print the number of images by status, the paths of the results, and what failed."""
    if verbose:
        missing = f", {summary.missing} without content" if summary.missing else ""
        edited = f", {summary.edited} edited" if summary.edited else ""
        print(
            f"{counted(summary.images, 'image')}: {summary.ok} ok, {summary.warn} warn, "
            f"{summary.fail} fail{edited}, {summary.error} could not be segmented{missing} "
            f"({summary.done} done now in {spelled(summary.seconds)}, {summary.kept} before)"
        )
        tables = [path for path in (folder / IMAGES, folder / CSA) if path.exists()]
        print(f"Tables: {', '.join(map(printable, tables))}")
        if qc and (page := Path(qc) / "index.html").exists():
            print(f"QC page: {printable(page)}")
    _list(
        f"Left out ({len(summary.blocked)}, -overwrite replaces them, an edited mask if named):",
        summary.blocked,
    )
    _list(f"Failed ({len(summary.failed)}, listed in {folder / FAILED}):", summary.failed)


def print_left_out(worklist: Worklist) -> None:
    """Print the files that were found but are no images to segment, and why."""
    files = tuple((one.key, one.reason) for one in worklist.left_out)
    _list(f"Not segmented ({len(files)}):", files)


def workers_text(pool_options: PoolOptions) -> str:
    """The worker processes as text: "4 workers of 2 threads"."""
    threads = pool_options.environment.get("OMP_NUM_THREADS", "?")
    return (
        f"{pool_options.workers} worker{'s' * (pool_options.workers > 1)} of {threads} thread"
        + "s" * (threads != "1")
    )


def _list(title: str, lines: tuple[tuple[str, str], ...]) -> None:
    if not lines:
        return
    print(printable(title), file=sys.stderr)
    for key, reason in lines[:_LISTED]:
        print(f"  {printable(f'{key}: {reason}')}", file=sys.stderr)
    if len(lines) > _LISTED:
        print(f"  and {len(lines) - _LISTED} more", file=sys.stderr)


def _line(progress: Progress) -> str:
    share = progress.done / progress.total if progress.total else 1.0
    full = round(share * _WIDTH)
    failures = progress.error + progress.missing
    failed = f", {failures} failed" if failures else ""
    pace = f"{_rate(progress.rate)}, {spelled(progress.left)} left"
    return (
        f"[{'#' * full}{'-' * (_WIDTH - full)}] {progress.done}/{progress.total}, "
        f"{pace if progress.done else 'started'}{failed}"
    )


def _rate(rate: float) -> str:
    if rate >= 1 or rate == 0:
        return f"{rate:.1f} images/s"
    return f"{1 / rate:.1f} s/image"


def _kind(reason: str) -> str:
    """A reason without the details of one image, so that equal reasons can be counted."""
    return reason.partition(": ")[0] if reason.startswith("failed before: ") else _plain(reason)


def _plain(reason: str) -> str:
    for ending in ("is missing", "exists and is not in the journal"):
        if reason.endswith(ending):
            return f"an output {ending}"
    return "an output was edited since" if " was edited since" in reason else reason
