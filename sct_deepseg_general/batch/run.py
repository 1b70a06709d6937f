"""A batch from its plan to its tables: images that are missing or out of date are segmented.

The output folder gets::

    sub-01/anat/...          masks, sidecars, areas
    images.tsv, csa.tsv      the tables (those of a shard lie in its folder)
    batch/0001-of-0001/      journal, progress, logs of failures: one folder for each shard;
                             for participants by name, batch/sub-01/
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sct_deepseg_general import words
from sct_deepseg_general.batch.group import gathered
from sct_deepseg_general.batch.journal import (
    JOURNAL,
    Event,
    History,
    Journal,
    Record,
    journals,
    now,
    read,
)
from sct_deepseg_general.batch.naming import describe, places
from sct_deepseg_general.batch.plan import STATE, BatchPlan, Decision, Listener, decided
from sct_deepseg_general.batch.pool import PoolOptions
from sct_deepseg_general.batch.runner import BatchRunner
from sct_deepseg_general.batch.summary import (
    BatchSummary,
    MergedTables,
    check_tables,
    close,
    counted,
    merge,
)
from sct_deepseg_general.batch.tables import ImageResult
from sct_deepseg_general.batch.worklist import Worklist, item_named
from sct_deepseg_general.cluster.claim import claimed
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.job.outputs import Outputs
from sct_deepseg_general.qc.folder import refresh

__all__ = ["decisions", "join", "run"]

_LISTED = 5  # names in one line
_ABANDONED = 600.0  # seconds after which a temporary file of another process is removed


def decisions(plan: BatchPlan) -> tuple[Decision, ...]:
    """What a run would do with each image of its part, and why; nothing is written.

    Raises
    ------
    DatasetError
        Two images would be written to one file.
    OutputError
        A journal cannot be read.
    """
    history = read(journals(plan.state, plan.part))
    return _decisions(plan, _outputs(plan), history)


def run(plan: BatchPlan, options: PoolOptions, listener: Listener | None = None) -> BatchSummary:
    """Segment the images that are missing or out of date, and write the tables of all.

    An image that fails is recorded, and the run continues. An image whose worker process was
    killed, or that had too little memory, is tried once more at the end, without others beside
    it.

    Parameters
    ----------
    plan
        The images, the settings and the output folder.
    options
        Number, environment and time limit of the worker processes.
    listener
        Functions that are called with the plan, with each image's end and with warnings.

    Returns
    -------
    BatchSummary
        The number of images by status, and what failed or was left out.

    Raises
    ------
    DatasetError
        Two images would be written to one file.
    OutputError
        Another batch works in the output folder, a table there is of another program, or
        nothing can be written any more (a full disk). What is done so far is kept, and the
        same call continues from there.
    BackendError
        No worker can be started, or none can load the model.

    Examples
    --------
    >>> from sct_deepseg_general.batch.messages import WorkerSettings
    >>> from sct_deepseg_general.batch.worklist import from_list
    >>> images = from_list([Path("t2.nii.gz")])
    >>> plan = BatchPlan(images, Path("out").absolute(), WorkerSettings(), "", naming="sct")
    >>> summary = run(plan, PoolOptions(workers=1))
    >>> summary.images, summary.ok
    (1, 1)
    >>> sorted(path.name for path in Path("out").glob("*.tsv"))
    ['csa.tsv', 'images.tsv']
    """
    listener = listener or Listener()
    started = time.monotonic()
    outputs = _outputs(plan)
    for place in plan.tables:
        check_tables(place)
    describe(plan.folder, plan.worklist, plan.naming)
    with claimed(plan.state, plan.part) as locked:
        if not locked:
            listener.on_warning("This file system has no locks: run one batch at a time here.")
        history = read(journals(plan.state, plan.part))
        made = _decisions(plan, outputs, history)
        listener.on_plan(made)
        _remove_temporary_files(plan, outputs, history)
        excluded = _excluded(plan, history, listener)
        runner = BatchRunner(plan, options, listener, history)
        try:
            runner.work([one for one in made if one.act in ("do", "measure")], outputs)
        finally:
            if plan.settings.qc:
                refresh(Path(plan.settings.qc))
        summary = _summary(plan, made, runner, time.monotonic() - started)
        _close(plan, made, runner, summary, excluded)
        runner.write_progress("finished")
    return summary


def join(
    folder: Path, sources: Iterable[Path] = (), worklist: Worklist | None = None
) -> MergedTables:
    """Join the tables of all parts of an output folder, or those in the folders `sources`.

    Where participants were run by name, or all images in one part, the tables are made from the
    journals of all runs.

    Parameters
    ----------
    folder
        The output folder; the joined tables are written there.
    sources
        Folders that hold tables; by default the folders of the parts in `folder`.
    worklist
        The images that the tables should hold; by default those that were run.

    Returns
    -------
    MergedTables
        The number of images and rows, and what has no result yet.

    Raises
    ------
    OutputError
        There is nothing to join, or it cannot be read or written.
    """
    given = list(sources)
    if given:
        return merge(given, folder)
    alone = Shard().label
    found = [path.parent for path in journals(folder / STATE)]
    parts = [part for part in found if part.name != alone]
    by_name = any((folder / STATE).glob(f"sub-*/{JOURNAL}"))
    if worklist is not None or by_name or (found and not parts):
        return gathered(folder, worklist)
    counts = {int(part.name.rpartition("-")[2]) for part in parts}
    expected: list[str] = []
    if len(counts) == 1:
        count = counts.pop()
        expected = [Shard(index, count).label for index in range(1, count + 1)]
    excluded = read(journals(folder / STATE), exclusions=True).excluded
    return merge(parts, folder, expected, excluded)


def _outputs(plan: BatchPlan) -> dict[str, Outputs]:
    """The outputs of the images of all shards, so that no two have one name."""
    return places(plan.worklist.items, plan.folder, plan.naming)


def _decisions(
    plan: BatchPlan, outputs: Mapping[str, Outputs], history: History
) -> tuple[Decision, ...]:
    return tuple(decided(item, outputs[item.key], history, plan) for item in plan.items)


def _remove_temporary_files(
    plan: BatchPlan, outputs: Mapping[str, Outputs], history: History
) -> None:
    """Remove the temporary files that a killed run left where no other process writes now."""
    single = plan.part.whole
    folders = {**dict.fromkeys(plan.places, True), plan.folder: single}
    for item in plan.items:
        if item.key in history.open:
            folders[outputs[item.key].segmentation.parent] = single or bool(item.participant)
    for folder, ours in folders.items():
        for path in folder.glob(".part-*"):
            with suppress(OSError):
                if path.is_file() and (ours or time.time() - path.stat().st_mtime > _ABANDONED):
                    path.unlink()


def _excluded(plan: BatchPlan, history: History, listener: Listener) -> frozenset[str]:
    """The images with earlier results that this run or an earlier one leaves out by name.

    What this run changes of it is written to the journals, so that it holds when tables are
    joined, and is said.
    """
    asked = {item.key for item in plan.items}
    known = history.open.union(history.ended) - asked - history.excluded
    left = {key for key in known if plan.worklist.excludes(key) and plan.part.holds(_owner(key))}
    _note(plan, "excluded", left, history.turn + 1)
    _note(plan, "included", history.excluded & asked, history.turn + 1)
    if left:
        names = ", ".join(sorted(left)[:_LISTED]) + (", ..." if len(left) > _LISTED else "")
        listener.on_warning(
            f"{words.counted(len(left), 'image')} of earlier runs left out by -exclude, taken out "
            f"of the tables: {names}."
        )
    return (history.excluded | left) - asked


def _note(plan: BatchPlan, event: Event, keys: Set[str], turn: int) -> None:
    by_place: dict[Path, list[Record]] = {}
    for key in sorted(keys):
        place = plan.state / plan.part.label_of(_owner(key))
        by_place.setdefault(place, []).append(Record(event, key, turn, now()))
    for place, records in by_place.items():
        with Journal(place / JOURNAL) as journal:
            journal.add(*records)


def _owner(key: str) -> str:
    return item_named(Path(), key).owner


def _results(
    plan: BatchPlan, records: Mapping[str, Record], excluded: Set[str]
) -> list[ImageResult]:
    """The result of every image of this part that was ever run and is not excluded, in this
    worklist or not.
    """
    items = {item.key: item for item in plan.items}
    for key in records:
        if key not in items and key not in excluded:
            item = item_named(plan.worklist.root, key)
            if plan.part.holds(item.owner):
                items[key] = item
    return [ImageResult(items[key], records[key]) for key in sorted(items) if key in records]


def _close(
    plan: BatchPlan,
    made: tuple[Decision, ...],
    runner: BatchRunner,
    summary: BatchSummary,
    excluded: Set[str],
) -> None:
    """Write the tables: one set, or one for each participant by name."""
    results, csa = _results(plan, runner.records, excluded), plan.settings.csa
    if len(plan.tables) == 1:
        close(plan.folder, plan.tables[0], results, summary, csa=csa)
        return
    for place in plan.tables:
        own = tuple(one for one in made if plan.place_of(one.item) == place)
        ours = [one for one in results if plan.place_of(one.item) == place]
        close(plan.folder, place, ours, _summary(plan, own, runner, summary.seconds), csa=csa)


def _summary(
    plan: BatchPlan, made: tuple[Decision, ...], runner: BatchRunner, seconds: float
) -> BatchSummary:
    records = ((one.item.key, runner.records.get(one.item.key)) for one in made)
    return replace(
        counted({key: record for key, record in records if record}),
        images=len(made),
        done=sum(one.act in ("do", "measure") for one in made),
        kept=sum(one.act == "keep" for one in made),
        blocked=tuple((one.item.key, one.reason) for one in made if one.act == "blocked"),
        left_out=tuple((one.key, one.reason) for one in plan.worklist.left_out),
        seconds=round(seconds, 1),
        model=plan.digest,
    )
