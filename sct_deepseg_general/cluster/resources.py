"""How many workers, of how many threads, this machine carries: never more threads than cores,
never more workers than the memory holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "MEMORY_A_WORKER",
    "THREAD_VARIABLES",
    "Allotment",
    "Machine",
    "allotted",
    "this_machine",
]

MEMORY_A_WORKER = 2 << 30
"""Bytes a worker is given: a loaded model and a full-neck image at 0.5 mm peak below this."""
GPU_WORKERS = 3
"""Workers that share one GPU: while one computes, the others read, measure and write."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """What this process may use: cores, and bytes of memory that are free."""

    cores: int
    memory: int


@dataclass(frozen=True)
class Allotment:
    """Worker processes and the threads of each."""

    workers: int
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        """What keeps every numerical library of a worker to its threads."""
        return dict.fromkeys(THREAD_VARIABLES, str(self.threads))


def allotted(
    machine: Machine,
    images: int,
    *,
    workers: int | None = None,
    threads: int | None = None,
    gpu: bool = False,
) -> Allotment:
    """The workers and threads for so many images; what the user gives is kept.

    Many workers of one thread do more than few of many: reading and writing of one fall into
    the computing of another. Where memory or images are few, the workers left get more threads.
    """
    if workers is None:
        fit = max(1, machine.memory // MEMORY_A_WORKER)
        most = GPU_WORKERS if gpu else machine.cores // (threads or 1)
        workers = max(1, min(most, fit, machine.cores, images))
    return Allotment(workers, threads or max(1, machine.cores // workers))


def this_machine(environment: Mapping[str, str]) -> Machine:
    """Cores and free memory after affinity, control groups and the scheduler's grant."""
    cores = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0]
    cores = [cores[0] or os.cpu_count() or 1, *_quota(_CGROUP)]
    cores += _number(environment.get("SLURM_CPUS_PER_TASK"))
    memory = [*_free_memory(), *_group_memory(_CGROUP)]
    memory += [megabytes << 20 for megabytes in _number(environment.get("SLURM_MEM_PER_NODE"))]
    return Machine(max(1, min(cores)), min(memory, default=MEMORY_A_WORKER * max(cores)))


def _quota(group: Path) -> list[int]:
    """Whole cores that `cpu.max` ("200000 100000") allows."""
    words = _text(group / "cpu.max").split()
    if len(words) != 2 or words[0] == "max":
        return []
    return [max(1, int(words[0]) // int(words[1]))]


def _group_memory(group: Path) -> list[int]:
    most, used = _text(group / "memory.max"), _text(group / "memory.current")
    return [max(0, int(most) - int(used))] if most.isdigit() and used.isdigit() else []


def _free_memory() -> list[int]:
    for line in _text(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            return [int(line.split()[1]) << 10]
    return []


def _number(text: str | None) -> list[int]:
    return [int(text)] if text and text.isdigit() and int(text) else []


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""
