"""Many images: what is missing or changed is worked on by a crew of processes, and every step
is in a journal, so that a run that was cut off goes on where it stopped.

    FOLDER/sub-01/anat/...          masks, sidecars, areas
    FOLDER/images.tsv, csa.tsv      the tables (a shard's own lie in its folder)
    FOLDER/batch/0001-of-0001/      journal, progress, logs of failures: a folder a shard
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from sct_deepseg_general.batch.journal import History, Record, journals, read
from sct_deepseg_general.batch.naming import describe, places
from sct_deepseg_general.batch.plan import STATE, BatchPlan, Listener
from sct_deepseg_general.batch.pool import PoolOptions
from sct_deepseg_general.batch.resume import Decision, decided
from sct_deepseg_general.batch.runner import BatchRunner
from sct_deepseg_general.batch.summary import BatchSummary, MergedTables, close, merge
from sct_deepseg_general.batch.tables import ImageResult
from sct_deepseg_general.batch.worklist import item_named
from sct_deepseg_general.cluster.claim import claimed
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.job.outputs import Outputs
from sct_deepseg_general.qc.folder import refresh

__all__ = ["decisions", "join", "run"]

_OLD = 600.0  # seconds after which a temporary file is nobody's


def decisions(plan: BatchPlan) -> tuple[Decision, ...]:
    """What a run would do with each image of its shard, and why; nothing is written.

    Raises:
        DatasetError: two images would be written to one file.
        OutputError: a journal cannot be read.
    """
    return _decisions(plan, _outputs(plan), read(journals(plan.state, plan.shard)))


def run(
    plan: BatchPlan, pool_options: PoolOptions, listener: Listener | None = None
) -> BatchSummary:
    """Work on what is missing or changed, and write the tables of all.

    An image that fails is recorded and the run goes on. One whose worker died, or that had too
    little memory, is tried once more at the end, alone.

    Raises:
        DatasetError: two images would be written to one file.
        OutputError: another batch works there, or nothing can be written any more (a full
            disk); what is done so far is kept, and the same call goes on from there.
        BackendError: no worker can be started, or none can load the model.
    """
    listener = listener or Listener()
    started = time.monotonic()
    outputs = _outputs(plan)
    describe(plan.folder, plan.worklist, plan.naming)
    with claimed(plan.state, plan.shard) as held:
        if not held:
            listener.warned("This file system knows no locks: run one batch at a time here.")
        history = read(journals(plan.state, plan.shard))
        decided_on = _decisions(plan, outputs, history)
        listener.planned(decided_on)
        _remove_temporary_files(plan, outputs, history)
        runner = BatchRunner(plan, pool_options, listener, history)
        try:
            runner.work([one.item for one in decided_on if one.act == "do"], outputs)
        finally:
            if plan.settings.qc:
                refresh(Path(plan.settings.qc))
        summary = _summary(plan, decided_on, runner, time.monotonic() - started)
        lines = _lines(plan, runner.records)
        close(plan.folder, plan.tables, lines, summary, csa=plan.settings.csa)
        runner.write_progress_file("finished")
    return summary


def join(folder: Path, sources: Iterable[Path] = ()) -> MergedTables:
    """Join in `folder` the tables of its shards, or those in the folders `sources`.

    Raises:
        OutputError: there is nothing to join, or it cannot be read or written.
    """
    given = list(sources)
    if given:
        return merge(given, folder)
    alone = Shard().label
    parts = [path.parent for path in journals(folder / STATE) if path.parent.name != alone]
    counts = {int(part.name.rpartition("-")[2]) for part in parts}
    expected: list[str] = []
    if len(counts) == 1:
        count = counts.pop()
        expected = [Shard(index, count).label for index in range(1, count + 1)]
    return merge(parts, folder, expected)


def _outputs(plan: BatchPlan) -> dict[str, Outputs]:
    """The outputs of all images, those of other shards too: no two may have one name."""
    return places(plan.worklist.items, plan.folder, plan.naming)


def _decisions(
    plan: BatchPlan, outputs: Mapping[str, Outputs], history: History
) -> tuple[Decision, ...]:
    wanted = plan.wanted
    return tuple(decided(item, outputs[item.key], history, wanted) for item in plan.items)


def _remove_temporary_files(
    plan: BatchPlan, outputs: Mapping[str, Outputs], history: History
) -> None:
    """Remove temporary files that a killed run has left where nobody else writes now."""
    single = plan.shard.count == 1
    folders = {plan.shard_folder: True, plan.folder: single}
    for item in plan.items:
        if item.key in history.open:
            folders[outputs[item.key].segmentation.parent] = single or bool(item.participant)
    for folder, mine in folders.items():
        for path in folder.glob(".part-*"):
            with suppress(OSError):
                if path.is_file() and (mine or time.time() - path.stat().st_mtime > _OLD):
                    path.unlink()


def _lines(plan: BatchPlan, records: Mapping[str, Record]) -> list[ImageResult]:
    """A line for every image of this shard ever ended, those of earlier worklists too."""
    items = {item.key: item for item in plan.items}
    for key in records:
        if key not in items:
            item = item_named(plan.worklist.root, key)
            if plan.shard.holds(item.owner):
                items[key] = item
    return [ImageResult(items[key], records[key]) for key in sorted(items) if key in records]


def _summary(
    plan: BatchPlan, decided_on: tuple[Decision, ...], runner: BatchRunner, seconds: float
) -> BatchSummary:
    ended = {one.item.key: runner.records.get(one.item.key) for one in decided_on}
    status = Counter(record.status for record in ended.values() if record)
    failed = [
        (key, "; ".join(record.reasons))
        for key, record in ended.items()
        if record and record.status == "error"
    ]
    return BatchSummary(
        images=len(decided_on),
        ok=status["ok"],
        warn=status["warn"],
        fail=status["fail"],
        error=status["error"],
        done=runner.done,
        kept=sum(one.act == "keep" for one in decided_on),
        blocked=tuple((o.item.key, o.reason) for o in decided_on if o.act == "blocked"),
        failed=tuple(failed),
        seconds=round(seconds, 1),
        model=plan.digest,
    )
