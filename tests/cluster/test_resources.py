"""Workers and threads stay within the cores and the memory of the machine."""

from __future__ import annotations

import pytest

from sct_deepseg_general.cluster import resources as machine
from sct_deepseg_general.cluster.resources import (
    MEMORY_A_WORKER,
    Allotment,
    Machine,
    allotted,
    this_machine,
)


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
