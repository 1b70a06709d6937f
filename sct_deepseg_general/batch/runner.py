"""One run of a batch: the worker pool works, the journal and the progress file are written."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, replace
from pathlib import Path

from sct_deepseg_general import __version__
from sct_deepseg_general.batch.journal import JOURNAL, History, Journal, Record, now
from sct_deepseg_general.batch.messages import Failure, Outcome, Task
from sct_deepseg_general.batch.plan import BatchPlan, Decision, Listener
from sct_deepseg_general.batch.pool import PoolOptions, TaskResult, WorkerPool
from sct_deepseg_general.cluster.progress import PROGRESS, Meter, State, write_progress
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import FileStamp, digest_of, write_whole
from sct_deepseg_general.job.outputs import Outputs
from sct_deepseg_general.job.overwrite import EDITED

__all__ = ["BatchRunner"]

_PROGRESS_SECONDS = 2.0  # between two writings of the progress file
_RETRIED = ("machine", "memory")  # failures that other processes may have caused


class BatchRunner:
    """Runs the images of one batch plan, and keeps the record of each.

    Parameters
    ----------
    plan
        The batch.
    pool_options
        How the worker processes are started.
    listener
        Called when an image is done or has failed.
    history
        What the journals say of earlier runs.
    """

    records: dict[str, Record]
    """The last record of each image ever run, by its key; it grows during the run."""

    def __init__(
        self, plan: BatchPlan, pool_options: PoolOptions, listener: Listener, history: History
    ) -> None:
        self.records = dict(history.ended)
        self._plan, self._pool_options, self._listener = plan, pool_options, listener
        self._turn = history.turn + 1
        self._items = {item.key: item for item in plan.items}
        self._journals: dict[Path, Journal] = {}
        self._meter = Meter(0)
        self._progress_time = 0.0

    def work(self, decisions: list[Decision], outputs: Mapping[str, Outputs]) -> None:
        """Work on all items; then retry, one at a time, those that others may have made fail.

        Parameters
        ----------
        decisions
            The images to segment, and the edited masks to measure.
        outputs
            The paths of the outputs by the key of the image.

        Raises
        ------
        OutputError
            The disk is full, or the journal cannot be written.
        BackendError
            No worker can be started, or none can load the model.
        """
        self._meter = Meter(len(decisions), len(self._items) - len(decisions))
        raw = "bids:raw:" if self._plan.naming == "bids" else ""
        levels = self._plan.settings.levels
        tasks = [_task(one, outputs[one.item.key], raw, levels=levels) for one in decisions]
        try:
            self.write_progress("running")
            with ExitStack() as stack:
                for place in self._plan.places:
                    self._journals[place] = stack.enter_context(Journal(place / JOURNAL))
                failed = self._round(tasks, self._pool_options, last=False)
                self._round(failed, replace(self._pool_options, workers=1), last=True)
        except BaseException:
            with suppress(OutputError):
                self.write_progress("stopped")
            raise

    def write_progress(self, state: State) -> None:
        """Write the progress file of this part."""
        progress = replace(self._meter.progress, state=state)
        write_progress(self._plan.places[0] / PROGRESS, progress)
        self._progress_time = time.monotonic()

    def _round(self, tasks: list[Task], options: PoolOptions, *, last: bool) -> list[Task]:
        """Work on the tasks; returns those that are to be tried once more."""
        retried: list[Task] = []

        def record_start(task: Task) -> None:
            self._meter.begin()
            self._note(Record("begun", task.key, self._turn, now()))

        pool = WorkerPool(options, self._plan.settings)
        with closing(pool.work(tasks, record_start)) as results:
            for result in results:
                if _may_succeed_alone(result) and not last:
                    retried.append(result.task)
                else:
                    self._finish(result)
        return retried

    def _finish(self, ended: TaskResult) -> None:
        """Write the log, the record and the progress of an image."""
        key, result = ended.task.key, ended.result
        if isinstance(result, Failure) and result.kind == "space":
            raise OutputError(f"{result.sentence} Make room, then give the same command again.")
        self._write_log(key, result)
        record = self._record(key, result)
        if isinstance(result, Outcome):
            self._remove_outdated(self.records.get(key), record)
        self._note(record)
        self.records[key] = record
        self._listener.on_image(self._items[key], record, self._meter.count(record.status))
        if time.monotonic() - self._progress_time > _PROGRESS_SECONDS:
            self.write_progress("running")

    def _note(self, record: Record) -> None:
        """Add a record to the journal of its image."""
        self._journals[self._plan.place_of(self._items[record.key])].add(record)

    def _record(self, key: str, result: Outcome | Failure) -> Record:
        plan = self._plan
        base = Record(
            "failed",
            key,
            self._turn,
            now(),
            version=__version__,
            model=plan.digest,
            parameters=plan.settings.parameters,
        )
        if isinstance(result, Failure):
            stamp = FileStamp.if_present(self._items[key].image)
            status = "missing" if result.kind == "missing" else "error"
            reasons = (result.sentence,)
            failed = replace(base, status=status, reasons=reasons, discs=self._discs(key))
            return replace(failed, kind=result.kind, **asdict(stamp))
        return replace(
            base,
            event="done",
            status=result.status,
            reasons=result.reasons,
            seconds=result.seconds,
            mean_area=result.mean_area,
            slices=result.slices,
            area_lower=result.interval[0],
            area_upper=result.interval[1],
            region_area=result.region[0],
            region_lower=result.region[1],
            region_upper=result.region[2],
            c2c3_area=result.c2c3[0],
            c2c3_lower=result.c2c3[1],
            c2c3_upper=result.c2c3[2],
            levels=result.levels,
            outputs=_below(plan.folder, result.outputs),
            qc=result.qc,
            sha256=result.sha256,
            discs=result.discs,
            **asdict(result.image),
        )

    def _discs(self, key: str) -> str:
        """The hash of an image's labelled discs, with which it failed."""
        return digest_of(self._items[key].discs) if self._plan.settings.levels else ""

    def _remove_outdated(self, before: Record | None, now: Record) -> None:
        """Remove what an earlier run wrote with the same mask file, and this one not, such as the
        areas of the mask that was there before; files that were edited stay.
        """
        if before is None or next(iter(before.outputs), "") not in now.outputs:
            return
        for name in set(before.outputs) - set(now.outputs):
            path = self._plan.folder / name
            ours = digest_of(path) == before.outputs[name]
            if ours and (now.status != EDITED or name.endswith("_csa.csv")):
                path.unlink(missing_ok=True)

    def _write_log(self, key: str, result: Outcome | Failure) -> None:
        """Write the log of a failure; remove that of an image which has succeeded now."""
        place = self._plan.place_of(self._items[key])
        path = place / "logs" / f"{key.replace('/', '__')[-200:]}.txt"
        if isinstance(result, Outcome):
            path.unlink(missing_ok=True)
            return
        with suppress(OSError):  # write_whole reports it
            path.parent.mkdir(exist_ok=True)
        text = f"{self._items[key].image}\n{now()}\n{result.sentence}\n\n{result.details}\n"
        with write_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="replace")


def _may_succeed_alone(ended: TaskResult) -> bool:
    return isinstance(ended.result, Failure) and ended.result.kind in _RETRIED


def _task(decision: Decision, outputs: Outputs, raw: str, *, levels: bool) -> Task:
    item = decision.item
    return Task(
        key=item.key,
        image=str(item.image),
        segmentation=str(outputs.segmentation),
        sidecar=str(outputs.sidecar),
        csa=str(outputs.csa),
        soft=str(outputs.soft),
        discs=str(outputs.discs or ""),
        given_discs=str(item.discs or "") if levels else "",
        participant=item.participant,
        session=item.session,
        contrast=item.contrast,
        source=f"{raw}{item.key}" if raw else "",
        edited=decision.act == "measure",
    )


def _below(folder: Path, outputs: Mapping[str, str]) -> dict[str, str]:
    return {Path(path).relative_to(folder).as_posix(): sha for path, sha in outputs.items()}
