"""A run writes the journal, the logs and the progress of its images."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import batch_plan, phantom_dataset, pool_options

from sct_deepseg_general.batch.journal import JOURNAL, History, Record, read
from sct_deepseg_general.batch.naming import places
from sct_deepseg_general.batch.plan import BatchPlan, Decision, Listener
from sct_deepseg_general.batch.runner import BatchRunner
from sct_deepseg_general.cluster.progress import PROGRESS, read_progress
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import sha256

TEXTS = {"sub-01_T2w": "ok", "sub-02_T2w": "refuse", "sub-03_T2w": "kill-once warn"}
KEYS = [f"sub-{n:02}/anat/sub-{n:02}_T2w.nii.gz" for n in (1, 2, 3)]


@pytest.fixture
def plan(tmp_path: Path) -> BatchPlan:
    plan = batch_plan(phantom_dataset(tmp_path / "data", TEXTS), tmp_path / "out")
    plan.places[0].mkdir(parents=True)
    return plan


def worked(plan: BatchPlan, history: History, listener: Listener | None = None) -> BatchRunner:
    runner = BatchRunner(plan, pool_options(1), listener or Listener(), history)
    outputs = places(plan.items, plan.folder, plan.naming)
    runner.work([Decision(item, "do", "new") for item in plan.items], outputs)
    return runner


def test_each_image_is_recorded_with_what_was_made_of_it(plan: BatchPlan) -> None:
    heard: list[str] = []
    listener = Listener(
        on_image=lambda item, record, _: heard.append(f"{item.key} {record.status}")
    )
    runner = worked(plan, History({}, frozenset(), turn=4), listener)
    assert sorted(heard) == [f"{KEYS[0]} ok", f"{KEYS[1]} error", f"{KEYS[2]} warn"]
    history = read([plan.places[0] / JOURNAL])
    assert history.ended == runner.records
    assert (history.turn, history.open) == (5, frozenset())
    done = history.ended[KEYS[0]]
    image = plan.worklist.root / KEYS[0]
    assert (done.size, done.sha256) == (image.stat().st_size, sha256(image))
    assert all(sha256(plan.folder / name) == digest for name, digest in done.outputs.items())


def test_a_failure_has_a_log_and_what_succeeds_alone_has_none(plan: BatchPlan) -> None:
    worked(plan, History({}, frozenset()))
    (log,) = (plan.places[0] / "logs").iterdir()
    assert log.name.startswith("sub-02__anat")
    assert "is no image" in log.read_text()
    assert "Traceback" in log.read_text()


def test_records_of_earlier_runs_are_kept(plan: BatchPlan) -> None:
    earlier = Record("done", "sub-09/anat/sub-09_T2w.nii.gz", status="ok")
    runner = worked(plan, History({earlier.key: earlier}, frozenset()))
    assert runner.records[earlier.key] == earlier


def test_the_progress_file_says_where_the_run_stopped(plan: BatchPlan) -> None:
    (plan.worklist.root / KEYS[1]).write_text("full")
    with pytest.raises(OutputError, match="Make room"):
        worked(plan, History({}, frozenset()))
    progress = read_progress(plan.places[0] / PROGRESS)
    assert progress is not None
    assert (progress.state, progress.total, progress.done) == ("stopped", 3, 1)
