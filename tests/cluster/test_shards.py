"""Shards, the machine's share, and the meter."""

from __future__ import annotations

import pytest

from sct_deepseg_general.cluster import resources as machine
from sct_deepseg_general.cluster.progress import (
    Meter,
    Progress,
    read_progress,
    spelled,
    write_progress,
)
from sct_deepseg_general.cluster.resources import (
    MEMORY_A_WORKER,
    Allotment,
    Machine,
    allotted,
    this_machine,
)
from sct_deepseg_general.cluster.shards import Shard, from_environment, parse
from sct_deepseg_general.cluster.slurm import combined, missed, shard_words
from sct_deepseg_general.errors import DatasetError

ARRAY = {"SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0"}


def test_every_name_is_in_one_shard():
    shards = [Shard(index, 7) for index in range(1, 8)]
    names = [f"sub-{number}" for number in range(700)]
    assert all(sum(shard.holds(name) for shard in shards) == 1 for name in names)
    sizes = [sum(shard.holds(name) for name in names) for shard in shards]
    assert min(sizes) > 60


def test_a_shard_is_the_same_on_every_machine():
    assert [Shard(index, 5).holds("sub-01") for index in range(1, 6)].index(True) == 1


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/0", "-1/4", "1/4/2"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(DatasetError):
        parse(text)


@pytest.mark.parametrize(
    ("task", "minimum", "step", "shard"),
    [
        ("0", "0", "1", "1/4"),
        ("3", "0", "1", "4/4"),
        ("1", "1", "1", "1/4"),
        ("30", "0", "10", "4/4"),
    ],
)
def test_a_slurm_array_is_its_own_division(task, minimum, step, shard):
    environment = ARRAY | {
        "SLURM_ARRAY_TASK_ID": task,
        "SLURM_ARRAY_TASK_MIN": minimum,
        "SLURM_ARRAY_TASK_STEP": step,
    }
    assert str(from_environment(environment)) == shard
    assert from_environment({}) == Shard()


@pytest.mark.parametrize(
    ("cores", "gigabytes", "images", "expected"),
    [
        (2, 24, 100, Allotment(2, 1)),
        (128, 512, 100_000, Allotment(128, 1)),
        (128, 64, 100_000, Allotment(32, 4)),
        (128, 512, 4, Allotment(4, 32)),
        (8, 1, 100, Allotment(1, 8)),
        (1, 0, 1, Allotment(1, 1)),
    ],
)
def test_workers_and_threads_never_exceed_the_machine(cores, gigabytes, images, expected):
    machine = Machine(cores, gigabytes << 30)
    found = allotted(machine, images)
    assert found == expected
    assert found.workers * found.threads <= cores
    assert found.workers == 1 or found.workers * MEMORY_A_WORKER <= machine.memory


def test_what_the_user_gives_is_kept():
    large = Machine(16, 64 << 30)
    assert allotted(large, 100, workers=3) == Allotment(3, 5)
    assert allotted(large, 100, threads=4) == Allotment(4, 4)
    assert allotted(large, 100, workers=20, threads=2) == Allotment(20, 2)
    assert allotted(large, 100, gpu=True).workers == 3
    assert Allotment(2, 3).environment["OMP_NUM_THREADS"] == "3"


def test_the_scheduler_grants_less_than_the_machine_has():
    here = this_machine({})
    assert here.cores >= 1
    assert this_machine({"SLURM_CPUS_PER_TASK": "1"}).cores == 1
    assert this_machine({"SLURM_MEM_PER_NODE": "64"}).memory == 64 << 20


def test_the_meter_tells_rate_and_time_left():
    times = iter([0.0, 100.0, 110.0, 120.0])
    meter = Meter(4, kept=7, clock=lambda: next(times))
    meter.begin()
    meter.count("ok")
    progress = meter.count("error")
    assert (progress.done, progress.ok, progress.error, progress.kept) == (2, 1, 1, 7)
    assert progress.rate == pytest.approx(0.1)
    assert progress.left == pytest.approx(20)
    assert progress.elapsed == 120


def test_progress_goes_through_a_file(tmp_path):
    progress = Progress(5, 1, 2, ok=2, rate=0.5, left=6.0)
    write_progress(tmp_path / "progress.json", progress)
    assert read_progress(tmp_path / "progress.json") == progress
    (tmp_path / "progress.json").write_text("{")
    assert read_progress(tmp_path / "progress.json") is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (45, "45 s"),
        (600, "10 min"),
        (12_000, "3 h 20 min"),
        (367_200, "4 days 6 h"),
    ],
)
def test_times_are_spelled(seconds, text):
    assert spelled(seconds) == text


def test_a_submission_becomes_its_shards():
    words = ["batch", "-bids", "d", "-slurm", "2", "-slurm-partition", "cpu", "-o", "out", "-soft"]
    assert shard_words(words, 2) == [
        ["batch", "-bids", "d", "-o", "out", "-soft", "-shard", "1/2"],
        ["batch", "-bids", "d", "-o", "out", "-soft", "-shard", "2/2"],
    ]


def test_shards_progress_adds_up():
    both = combined([Progress(4, done=2, rate=1.0), None, Progress(6, done=1, ok=1, rate=1.0)])
    assert (both.total, both.done, both.ok, both.rate, both.left) == (10, 3, 1, 2.0, 3.5)


def test_a_job_is_missed_only_while_the_queue_is_known_and_without_it():
    once = missed(["7_0", "7_1"], {"7_1"}, {})
    assert once == {"7_0": 1, "7_1": 0}
    assert missed(["7_0", "7_1"], None, once) == once
    assert missed(["7_0"], {"7_0"}, once) == {"7_0": 0}
    assert missed(["7_0"], set(), once) == {"7_0": 2}


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({}, [], []),
        ({"cpu.max": "max 100000", "memory.max": "max", "memory.current": "5"}, [], []),
        ({"cpu.max": "250000 100000"}, [2], []),
        ({"cpu.max": "50000 100000"}, [1], []),
        ({"memory.max": "900", "memory.current": "300"}, [], [600]),
        ({"memory.max": "100", "memory.current": "300"}, [], [0]),
    ],
)
def test_a_control_group_grants_whole_cores_and_what_memory_is_left(files, cores, memory, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    assert machine._quota(tmp_path) == cores
    assert machine._group_memory(tmp_path) == memory
