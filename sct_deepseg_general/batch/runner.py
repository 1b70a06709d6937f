"""One run's work: the crew works, the journal is written, the progress is told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path

from sct_deepseg_general import __version__
from sct_deepseg_general.batch.journal import JOURNAL, History, Journal, Record, now
from sct_deepseg_general.batch.messages import Failure, Outcome, Stamp, Task
from sct_deepseg_general.batch.plan import BatchPlan, Listener
from sct_deepseg_general.batch.pool import PoolOptions, TaskResult, WorkerPool
from sct_deepseg_general.batch.worklist import Item
from sct_deepseg_general.cluster.progress import PROGRESS, Meter, State, write_progress
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.job.outputs import Outputs

__all__ = ["BatchRunner"]

_PAUSE = 2.0  # seconds between two writings of the progress file
_AGAIN = ("machine", "memory")  # failures that may be due to what ran beside


class BatchRunner:
    """The images of one run, from the first begun to the last ended; `records` grows with it."""

    def __init__(
        self, plan: BatchPlan, pool_options: PoolOptions, listener: Listener, history: History
    ) -> None:
        self.records = dict(history.ended)
        self.done = 0
        self._plan, self._pool_options, self._listener = plan, pool_options, listener
        self._turn = history.turn + 1
        self._items = {item.key: item for item in plan.items}
        self._meter = Meter(0)
        self._written_at = 0.0

    def work(self, items: list[Item], outputs: Mapping[str, Outputs]) -> None:
        """All items, then once more, alone, those that may have failed for what ran beside.

        Raises:
            OutputError: nothing can be written any more.
            BackendError, ModelError: no worker can be started.
        """
        self._meter = Meter(len(items), len(self._items) - len(items))
        raw = "bids:raw:" if self._plan.naming == "bids" else ""
        tasks = [_task(item, outputs[item.key], raw) for item in items]
        try:
            self.write_progress_file("running")
            with Journal(self._plan.shard_folder / JOURNAL) as journal:
                again = self._round(tasks, self._pool_options, journal, last=False)
                self._round(again, replace(self._pool_options, workers=1), journal, last=True)
        except BaseException:
            with suppress(OutputError):
                self.write_progress_file("stopped")
            raise

    def write_progress_file(self, state: State) -> None:
        """Write the progress file."""
        progress = replace(self._meter.progress, state=state)
        write_progress(self._plan.shard_folder / PROGRESS, progress)
        self._written_at = time.monotonic()

    def _round(
        self, tasks: list[Task], pool_options: PoolOptions, journal: Journal, *, last: bool
    ) -> list[Task]:
        """Work on the tasks; gives back those to be tried once more."""
        again: list[Task] = []

        def announce(task: Task) -> None:
            self._meter.begin()
            journal.add(Record("begun", task.key, self._turn, now()))

        crew = WorkerPool(pool_options, self._plan.settings)
        with closing(crew.work(tasks, announce)) as reports:
            for report in reports:
                if _may_succeed_alone(report) and not last:
                    again.append(report.task)
                else:
                    self._end(report, journal)
        return again

    def _end(self, report: TaskResult, journal: Journal) -> None:
        """An image's end: its log, its record, and the progress."""
        key, result = report.task.key, report.result
        if isinstance(result, Failure) and result.kind == "space":
            raise OutputError(f"{result.sentence} Make room, then give the same command again.")
        self._log(key, result)
        record = self._record(key, result)
        journal.add(record)
        self.records[key] = record
        self.done += 1
        self._listener.ended(self._items[key], record, self._meter.count(record.status))
        if time.monotonic() - self._written_at > _PAUSE:
            self.write_progress_file("running")

    def _record(self, key: str, result: Outcome | Failure) -> Record:
        made = self._plan
        base = Record(
            "failed",
            key,
            self._turn,
            now(),
            version=__version__,
            model=made.digest,
            parameters=made.settings.parameters,
        )
        if isinstance(result, Failure):
            stamp = asdict(_stamp(self._items[key].image))
            reasons = (result.sentence,)
            return replace(base, status="error", reasons=reasons, kind=result.kind, **stamp)
        return replace(
            base,
            event="done",
            status=result.status,
            reasons=result.reasons,
            seconds=result.seconds,
            mean_area=result.mean_area,
            slices=result.slices,
            c2c3_area=result.c2c3[0],
            c2c3_lower=result.c2c3[1],
            c2c3_upper=result.c2c3[2],
            levels=result.levels,
            outputs=_below(made.folder, result.outputs),
            qc=result.qc,
            **asdict(result.image),
        )

    def _log(self, key: str, result: Outcome | Failure) -> None:
        """The log of a failure; gone when the image is done after all."""
        path = self._plan.shard_folder / "logs" / f"{key.replace('/', '__')[-200:]}.txt"
        if isinstance(result, Outcome):
            path.unlink(missing_ok=True)
            return
        with suppress(OSError):  # what follows says so
            path.parent.mkdir(exist_ok=True)
        text = f"{self._items[key].image}\n{now()}\n{result.sentence}\n\n{result.details}\n"
        with write_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")


def _may_succeed_alone(report: TaskResult) -> bool:
    return isinstance(report.result, Failure) and report.result.kind in _AGAIN


def _task(item: Item, outputs: Outputs, raw: str) -> Task:
    return Task(
        key=item.key,
        image=str(item.image),
        segmentation=str(outputs.segmentation),
        sidecar=str(outputs.sidecar),
        csa=str(outputs.csa),
        soft=str(outputs.soft),
        discs=str(outputs.discs or ""),
        given_discs=str(item.discs or ""),
        participant=item.participant,
        session=item.session,
        contrast=item.contrast,
        source=f"{raw}{item.key}" if raw else "",
    )


def _stamp(image: Path) -> Stamp:
    try:
        found = image.stat()
    except OSError:
        return Stamp()
    return Stamp(found.st_size, found.st_mtime_ns)


def _below(folder: Path, outputs: Mapping[str, str]) -> dict[str, str]:
    return {Path(path).relative_to(folder).as_posix(): sha for path, sha in outputs.items()}
