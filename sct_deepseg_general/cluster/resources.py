"""Number of worker processes and threads for a machine, from its cores and its free memory."""

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
"""Bytes per worker; a loaded model with a whole-neck image at 0.5 mm needs less."""
GPU_WORKERS = 3
"""Workers that share one GPU: one computes while the others read, measure and write."""
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
    """The resources that this process may use."""

    cores: int
    memory: int
    """Bytes that are free."""


@dataclass(frozen=True)
class Allotment:
    """A number of worker processes, and of threads in each."""

    workers: int
    threads: int
    """Threads of each worker."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that limit the numerical libraries to these threads."""
        return dict.fromkeys(THREAD_VARIABLES, str(self.threads))


def allotted(
    machine: Machine,
    images: int,
    *,
    workers: int | None = None,
    threads: int | None = None,
    gpu: bool = False,
) -> Allotment:
    """Choose the number of workers and threads; values that are given are kept.

    Many workers of one thread are faster than few of many threads, because one reads and writes
    while another computes. If memory or images are few, there are fewer workers, with more
    threads each.

    Parameters
    ----------
    machine
        Cores and free memory in bytes.
    images
        Number of images to segment.
    workers, threads
        The user's choice; None chooses.
    gpu
        Whether the network runs on a GPU, which three workers share.

    Returns
    -------
    Allotment
        At least one worker of at least one thread.

    Examples
    --------
    >>> allotted(Machine(cores=8, memory=32 << 30), images=100)
    Allotment(workers=8, threads=1)
    >>> allotted(Machine(cores=8, memory=4 << 30), images=100)
    Allotment(workers=2, threads=4)
    """
    if workers is None:
        fit = max(1, machine.memory // MEMORY_A_WORKER)
        most = GPU_WORKERS if gpu else machine.cores // (threads or 1)
        workers = max(1, min(most, fit, machine.cores, images))
    return Allotment(workers, threads or max(1, machine.cores // workers))


def this_machine(environment: Mapping[str, str]) -> Machine:
    """Cores and free memory within the limits of affinity, control groups and SLURM."""
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
