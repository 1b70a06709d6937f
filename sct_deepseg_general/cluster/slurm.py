"""Shards as jobs of a SLURM cluster, submitted and followed with submitit.

A shard that is preempted or runs out of time is put back into the queue and continues from its
journal.
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
from sct_deepseg_general.errors import BackendError, required

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
    """The resources that are requested from SLURM for each shard."""

    partition: str | None = None
    minutes: int = 240
    """Time limit of a shard, after which it is requeued."""
    memory: int = 8
    """GB."""
    cpus: int = 4
    gpus: int = 0
    parallel: int = 256
    """Number of shards that may run at the same time."""


class ShardJob:
    """A job: this program with the arguments of one shard. SLURM's jobs hold it as a pickle."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)

    def __call__(self) -> int:
        """Run the shard; returns its exit code, 1 if an image failed."""
        return subprocess.run([sys.executable, "-c", _MAIN, *self.words], check=False).returncode

    def checkpoint(self) -> Any:
        """The job that replaces this one; submitit calls it before it requeues the job."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def shard_words(words: Sequence[str], count: int) -> list[list[str]]:
    """The arguments of each shard, from the arguments of the command that submits them.

    Parameters
    ----------
    words
        The arguments of the command, without the name of the program.
    count
        Number of shards.

    Returns
    -------
    list of list of str
        The same arguments without those for SLURM, and with `-shard`, for each shard.

    Examples
    --------
    >>> shard_words(["batch", "-bids", "d", "-o", "out", "-slurm", "2"], 2)[0]
    ['batch', '-bids', 'd', '-o', 'out', '-shard', '1/2']
    """
    kept, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word in _VALUED:
            rest.pop(0)
        else:
            kept.append(word)
    return [[*kept, "-shard", f"{index}/{count}"] for index in range(1, count + 1)]


def submit(shards: Sequence[Sequence[str]], folder: Path, grant: Grant) -> list[Any]:
    """Submit the shards to SLURM as one job array.

    Parameters
    ----------
    shards
        The arguments of each shard, as `shard_words` gives them.
    folder
        Where the job scripts and the logs are written.
    grant
        The resources of each shard.

    Returns
    -------
    list of submitit.Job
        One for each shard.

    Raises
    ------
    BackendError
        Submitit is not installed, SLURM is not available, or it refused the jobs.
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
        raise BackendError(f"SLURM refused the jobs: {reason}.") from error
    return jobs


def follow(
    jobs: Sequence[Any],
    state: Path,
    on_progress: Callable[[Progress], None],
    pause: float = _PAUSE,
) -> list[str]:
    """Wait until all jobs have ended.

    A job has ended when its result exists, or when SLURM no longer lists it; in that case it was
    killed.

    Parameters
    ----------
    jobs
        The jobs that `submit` returned.
    state
        The state folder of the batch, which holds the progress files.
    on_progress
        Called with the progress of all shards together, every `pause` seconds.
    pause
        Seconds between two looks.

    Returns
    -------
    list of str
        One sentence for each job that did not complete its shard.
    """
    count = len(jobs)
    folders = [state / f"{index:04}-of-{count:04}" for index in range(1, count + 1)]
    absent: dict[str, int] = {}
    while True:
        on_progress(combined([read_progress(folder / PROGRESS) for folder in folders]))
        running = [job.job_id for job in jobs if not job.paths.result_pickle.exists()]
        absent = missed(running, _queue() if running else set(), absent)
        if all(times >= _ABSENT for times in absent.values()):
            break
        time.sleep(pause)
    sentences = (_failure(job, folder.name) for job, folder in zip(jobs, folders, strict=True))
    return [sentence for sentence in sentences if sentence]


def missed(
    names: Sequence[str], queue: Collection[str] | None, before: Mapping[str, int]
) -> dict[str, int]:
    """How many times in a row each job was not in SLURM's queue.

    Parameters
    ----------
    names
        The jobs that have left no result yet.
    queue
        The jobs in the queue; None if it is unknown, which changes no count.
    before
        The counts so far.
    """
    if queue is None:
        return {name: before.get(name, 0) for name in names}
    return {name: 0 if name in queue else before.get(name, 0) + 1 for name in names}


def combined(parts: Sequence[Progress | None]) -> Progress:
    """The progress of all shards together; None stands for a shard that has not started."""
    known = [asdict(part) for part in parts if part is not None]
    names = ("total", "kept", "done", "ok", "warn", "fail", "error", "missing", "edited")
    sums = {name: sum(part[name] for part in known) for name in names}
    rate = sum(part["rate"] for part in known if part["state"] == "running")
    left = (sums["total"] - sums["done"]) / rate if rate else None
    elapsed = max((part["elapsed"] for part in known), default=0.0)
    return Progress(**sums, rate=rate, left=left, elapsed=elapsed)


def _queue() -> set[str] | None:
    """The user's jobs that wait or run, by SLURM's names (12_3); None if squeue fails."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(listed.stdout.split())


def _failure(job: Any, name: str) -> str:
    """Why a job did not complete its shard; "" if it did, even if images failed."""
    if not job.paths.result_pickle.exists():
        return f"Shard {name} was ended by SLURM or from outside; its log: {job.paths.stderr}"
    try:
        code = job.result()
    except Exception as error:  # noqa: BLE001 - what ended the job comes as it was raised
        return f"Shard {name} ended early: {_cause(error)}; its log: {job.paths.stderr}"
    return "" if code in (0, 1) else f"Shard {name} ended with exit code {code}."


def _cause(error: Exception) -> str:
    """The last line of the traceback that submitit quotes between rules, or of the message."""
    text = str(error).strip()
    return re.split(r"^-{5,}$", text, flags=re.MULTILINE)[:2][-1].strip().splitlines()[-1]


def _executor(folder: Path) -> Any:
    instead = ", or submit an array that runs this command with -shard"
    with required("-slurm", "slurm", instead):
        import submitit
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=_REQUEUES)
    except (RuntimeError, OSError) as error:
        raise BackendError(f"SLURM is not available ({error}): is sbatch on the PATH?") from error
