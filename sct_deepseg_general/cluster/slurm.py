"""Shards as jobs of a SLURM cluster, through submitit: submit, follow, requeue.

A shard that is preempted, or runs out of its time, goes back into the queue and continues from
its journal.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sct_deepseg_general.cluster.progress import PROGRESS, Progress, read_progress
from sct_deepseg_general.errors import BackendError

__all__ = ["Grant", "ShardJob", "combined", "follow", "missed", "shard_words", "submit"]

_REQUEUES = 100
_PAUSE = 5.0
_ABSENT = 12  # looks without a job in the queue: its result may come late over a network
_MAIN = "from sct_deepseg_general.cli import main; main()"
_VALUED = (
    *("-slurm", "-slurm-partition", "-slurm-time", "-slurm-mem", "-slurm-cpus", "-slurm-gpus"),
    *("-slurm-parallel", "-shard"),
)


@dataclass(frozen=True)
class Grant:
    """What to ask SLURM for, for each shard: minutes, GB, cores, GPUs; `parallel` at once."""

    partition: str | None = None
    minutes: int = 240
    memory: int = 8
    cpus: int = 4
    gpus: int = 0
    parallel: int = 256


class ShardJob:
    """What a job does: this program, with the words of one shard."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)

    def __call__(self) -> int:
        """The exit code: 0, or 1 where an image failed."""
        return subprocess.run([sys.executable, "-c", _MAIN, *self.words], check=False).returncode

    def checkpoint(self) -> Any:
        """The same again, called by submitit before a preempted job is requeued."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def shard_words(words: Sequence[str], count: int) -> list[list[str]]:
    """The command line of a submission as those of its shards, one each."""
    kept, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word in _VALUED:
            rest.pop(0)
        else:
            kept.append(word)
    return [[*kept, "-shard", f"{index}/{count}"] for index in range(1, count + 1)]


def submit(shards: Sequence[Sequence[str]], folder: Path, grant: Grant) -> list[Any]:
    """Hand the shards to SLURM as one array; logs and job scripts go to `folder`.

    Raises:
        BackendError: submitit is not installed, there is no SLURM, or it refused.
    """
    executor = _executor(folder)
    executor.update_parameters(
        name="sct_deepseg_sc_general",
        timeout_min=grant.minutes,
        mem_gb=grant.memory,
        cpus_per_task=grant.cpus,
        slurm_array_parallelism=grant.parallel,
        slurm_additional_parameters={"requeue": True},
    )
    if grant.partition:
        executor.update_parameters(slurm_partition=grant.partition)
    if grant.gpus:
        executor.update_parameters(gpus_per_node=grant.gpus)
    try:
        with executor.batch():
            jobs = [executor.submit(ShardJob(words)) for words in shards]
    except Exception as error:
        reason = " ".join(str(error).split())
        raise BackendError(f"SLURM did not take the jobs: {reason}.") from error
    return jobs


def follow(
    jobs: Sequence[Any],
    state: Path,
    tell: Callable[[Progress], None],
    pause: float = _PAUSE,
) -> list[str]:
    """Wait for the jobs, telling their progress; gives a sentence for each that did not end.

    A job has ended when it left its result, or when SLURM no longer has it: then it was killed.
    """
    count = len(jobs)
    desks = [state / f"{index:04}-of-{count:04}" for index in range(1, count + 1)]
    absent: dict[str, int] = {}
    while True:
        tell(combined([read_progress(desk / PROGRESS) for desk in desks]))
        still = [job.job_id for job in jobs if not job.paths.result_pickle.exists()]
        absent = missed(still, _queue() if still else set(), absent)
        if all(times >= _ABSENT for times in absent.values()):
            break
        time.sleep(pause)
    sentences = (_failure(job, desk.name) for job, desk in zip(jobs, desks, strict=True))
    return [sentence for sentence in sentences if sentence]


def missed(
    names: Sequence[str], queue: Collection[str] | None, before: Mapping[str, int]
) -> dict[str, int]:
    """How many times on end each job was not in SLURM's queue; an unknown queue changes nothing."""
    if queue is None:
        return {name: before.get(name, 0) for name in names}
    return {name: 0 if name in queue else before.get(name, 0) + 1 for name in names}


def combined(parts: Sequence[Progress | None]) -> Progress:
    """The progress of all shards as one; those that have not begun count nothing yet."""
    known = [asdict(part) for part in parts if part is not None]
    names = ("total", "kept", "done", "ok", "warn", "fail", "error")
    sums = {name: sum(part[name] for part in known) for name in names}
    rate = sum(part["rate"] for part in known if part["state"] == "running")
    left = (sums["total"] - sums["done"]) / rate if rate else None
    elapsed = max((part["elapsed"] for part in known), default=0.0)
    return Progress(**sums, rate=rate, left=left, elapsed=elapsed)


def _queue() -> set[str] | None:
    """The jobs of this user that wait or run, as SLURM names them (12_3); None if it is silent."""
    asked = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(said.stdout.split())


def _failure(job: Any, name: str) -> str:
    """Why a job did not do its shard; "" if it did, failed images or not."""
    if not job.paths.result_pickle.exists():
        return f"Shard {name} was ended by SLURM or from outside; its log: {job.paths.stderr}"
    try:
        code = job.result()
    except Exception as error:  # noqa: BLE001 - what ended the job comes as it was raised
        return f"Shard {name} ended early: {_cause(error)}; its log: {job.paths.stderr}"
    return "" if code in (0, 1) else f"Shard {name} ended with exit code {code}."


def _cause(error: Exception) -> str:
    """The last line of the trace that submitit quotes between rules, or of what it says."""
    said = str(error).strip()
    return re.split(r"^-{5,}$", said, flags=re.MULTILINE)[:2][-1].strip().splitlines()[-1]


def _executor(folder: Path) -> Any:
    try:
        import submitit
    except ImportError as error:
        raise BackendError(
            "-slurm needs submitit: install it with 'pip install sct-deepseg-general[slurm]', or "
            "submit an array that runs this command with -shard."
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=_REQUEUES)
    except (RuntimeError, OSError) as error:
        raise BackendError(f"There is no SLURM here ({error}): is sbatch on the PATH?") from error
