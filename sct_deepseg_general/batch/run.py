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
from sct_deepseg_general.batch.plan import STATE, Assignment, Listener
from sct_deepseg_general.batch.pool import Hiring
from sct_deepseg_general.batch.resume import Decision, decided
from sct_deepseg_general.batch.runner import Shift
from sct_deepseg_general.batch.summary import Merged, Summary, close, merge
from sct_deepseg_general.batch.tables import Line
from sct_deepseg_general.batch.worklist import item_named
from sct_deepseg_general.cluster.claim import claimed
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.job.outputs import Outputs
from sct_deepseg_general.qc.folder import refresh

__all__ = ["decisions", "join", "run"]

_OLD = 600.0  # seconds after which a temporary file is nobody's


def decisions(asked: Assignment) -> tuple[Decision, ...]:
    """What a run would do with each image of its shard, and why; nothing is written.

    Raises:
        DatasetError: two images would be written to one file.
        OutputError: a journal cannot be read.
    """
    return _decisions(asked, _outputs(asked), read(journals(asked.state, asked.shard)))


def run(asked: Assignment, hiring: Hiring, listener: Listener | None = None) -> Summary:
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
    outputs = _outputs(asked)
    describe(asked.folder, asked.worklist, asked.naming)
    with claimed(asked.state, asked.shard) as held:
        if not held:
            listener.warned("This file system knows no locks: run one batch at a time here.")
        history = read(journals(asked.state, asked.shard))
        decided_on = _decisions(asked, outputs, history)
        listener.planned(decided_on)
        _sweep(asked, outputs, history)
        shift = Shift(asked, hiring, listener, history)
        try:
            shift.work([one.item for one in decided_on if one.act == "do"], outputs)
        finally:
            if asked.settings.qc:
                refresh(Path(asked.settings.qc))
        summary = _summary(asked, decided_on, shift, time.monotonic() - started)
        lines = _lines(asked, shift.records)
        close(asked.folder, asked.tables, lines, summary, csa=asked.settings.csa)
        shift.tell_progress("finished")
    return summary


def join(folder: Path, sources: Iterable[Path] = ()) -> Merged:
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


def _outputs(asked: Assignment) -> dict[str, Outputs]:
    """The outputs of all images, those of other shards too: no two may have one name."""
    return places(asked.worklist.items, asked.folder, asked.naming)


def _decisions(
    asked: Assignment, outputs: Mapping[str, Outputs], history: History
) -> tuple[Decision, ...]:
    wanted = asked.wanted
    return tuple(decided(item, outputs[item.key], history, wanted) for item in asked.items)


def _sweep(asked: Assignment, outputs: Mapping[str, Outputs], history: History) -> None:
    """Remove temporary files that a killed run has left where nobody else writes now."""
    single = asked.shard.count == 1
    folders = {asked.desk: True, asked.folder: single}
    for item in asked.items:
        if item.key in history.open:
            folders[outputs[item.key].segmentation.parent] = single or bool(item.participant)
    for folder, mine in folders.items():
        for path in folder.glob(".part-*"):
            with suppress(OSError):
                if path.is_file() and (mine or time.time() - path.stat().st_mtime > _OLD):
                    path.unlink()


def _lines(asked: Assignment, records: Mapping[str, Record]) -> list[Line]:
    """A line for every image of this shard ever ended, those of earlier worklists too."""
    items = {item.key: item for item in asked.items}
    for key in records:
        if key not in items:
            item = item_named(asked.worklist.root, key)
            if asked.shard.holds(item.owner):
                items[key] = item
    return [Line(items[key], records[key]) for key in sorted(items) if key in records]


def _summary(
    asked: Assignment, decided_on: tuple[Decision, ...], shift: Shift, seconds: float
) -> Summary:
    ended = {one.item.key: shift.records.get(one.item.key) for one in decided_on}
    status = Counter(record.status for record in ended.values() if record)
    failed = [
        (key, "; ".join(record.reasons))
        for key, record in ended.items()
        if record and record.status == "error"
    ]
    return Summary(
        images=len(decided_on),
        ok=status["ok"],
        warn=status["warn"],
        fail=status["fail"],
        error=status["error"],
        done=shift.done,
        kept=sum(one.act == "keep" for one in decided_on),
        blocked=tuple((o.item.key, o.reason) for o in decided_on if o.act == "blocked"),
        failed=tuple(failed),
        seconds=round(seconds, 1),
        model=asked.digest,
    )
