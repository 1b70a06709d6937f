"""Every task has one result, whatever befalls the worker processes."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from batches import pool_options

from sct_deepseg_general.batch import pool
from sct_deepseg_general.batch.messages import Failure, Outcome, Task, WorkerSettings
from sct_deepseg_general.batch.pool import PoolOptions, TaskResult, WorkerPool
from sct_deepseg_general.errors import BackendError


def tasks(folder: Path, texts: list[str]) -> list[Task]:
    made = []
    for number, text in enumerate(texts):
        image = folder / f"{number}.nii"
        image.write_text(text)
        outputs = (str(folder / f"{number}_{end}") for end in ("seg", "json", "csv", "soft"))
        made.append(Task(str(number), str(image), *outputs))
    return made


def results(
    options: PoolOptions, work: list[Task], started: list[str] | None = None
) -> dict[str, TaskResult]:
    one = WorkerPool(options, WorkerSettings())
    begun = [] if started is None else started
    found = list(one.work(work, lambda task: begun.append(task.key)))
    assert len(found) == len({result.task.key for result in found})
    return {result.task.key: result for result in found}


@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_is_started_once_and_has_one_result(workers: int, tmp_path: Path) -> None:
    started: list[str] = []
    found = results(pool_options(workers), tasks(tmp_path, ["ok"] * 8), started)
    assert set(found) == {str(n) for n in range(8)}
    assert Counter(started) == Counter(found.keys())
    assert all(isinstance(one.result, Outcome) for one in found.values())


def test_a_killed_worker_loses_the_image_it_was_at_and_no_other(tmp_path: Path) -> None:
    found = results(pool_options(1), tasks(tmp_path, ["ok", "kill", "ok", "ok"]))
    failed = {key: one.result for key, one in found.items() if isinstance(one.result, Failure)}
    assert list(failed) == ["1"]
    assert failed["1"].kind == "machine"
    assert "SIGKILL" in failed["1"].sentence


def test_an_image_over_its_time_is_ended_and_the_next_is_done(tmp_path: Path) -> None:
    found = results(pool_options(1, timeout=1.5), tasks(tmp_path, ["sleep 60", "ok"]))
    assert found["0"].result == Failure("time", "It took longer than -timeout allows.", "")
    assert isinstance(found["1"].result, Outcome)


def test_workers_that_cannot_load_the_model_end_the_work(tmp_path: Path) -> None:
    one = WorkerPool(pool_options(2), WorkerSettings(model="broken"))
    with pytest.raises(BackendError, match="fetch it again"):
        list(one.work(tasks(tmp_path, ["ok"] * 3), lambda _: None))


def test_no_task_starts_no_process(tmp_path: Path) -> None:
    options = PoolOptions(2, {}, None, "no_such_module:made")
    assert results(options, []) == {}


def test_a_pool_that_is_closed_early_leaves_no_process(tmp_path: Path) -> None:
    one = WorkerPool(pool_options(2), WorkerSettings())
    running = one.work(tasks(tmp_path, ["ok", "sleep 60", "sleep 60"]), lambda _: None)
    next(running)
    processes = [worker.process for worker in one._workers]
    assert len(processes) == 2
    running.close()
    assert all(process.poll() is not None for process in processes)


@pytest.mark.parametrize(("images", "workers"), [(1, None), (1000, None), (0, None), (5, 2)])
def test_the_pool_for_this_machine_keeps_to_its_cores(images: int, workers: int | None) -> None:
    options = pool.pool_options(images, workers=workers, timeout=5)
    threads = int(options.environment["OMP_NUM_THREADS"])
    assert options.timeout == 5
    assert options.workers >= 1
    assert threads >= 1
    if workers is None:
        assert options.workers * threads <= (os.cpu_count() or 1)
        assert options.workers <= max(1, images)
    else:
        assert options.workers == workers
