"""Shards handed to SLURM and followed, with a small program in the place of each of SLURM's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sct_deepseg_general.cluster import slurm
from sct_deepseg_general.cluster.progress import PROGRESS, Progress, write_progress
from sct_deepseg_general.cluster.slurm import (
    Grant,
    ShardJob,
    combined,
    follow,
    missed,
    shard_words,
    submit,
)
from sct_deepseg_general.errors import BackendError

submitit = pytest.importorskip("submitit")

Command = Callable[[str, str], None]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Puts a shell script on the PATH under a name of SLURM's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, body: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def accepting(command: Command) -> None:
    command("srun", "exit 0")
    command("sbatch", "echo Submitted batch job 7")


def job(folder: Path, name: str, *result: object) -> submitit.SlurmJob[int]:
    """A job of SLURM, with the result that it left, if any."""
    from submitit.core.utils import cloudpickle_dump

    one: submitit.SlurmJob[int] = submitit.SlurmJob(folder, name)
    if result:
        one.paths.result_pickle.parent.mkdir(parents=True, exist_ok=True)
        cloudpickle_dump(result, one.paths.result_pickle)
    return one


def script(folder: Path) -> str:
    return (folder / "7_submission.sh").read_text()


@pytest.mark.usefixtures("accepting")
def test_the_shards_are_one_array_with_what_was_asked_for(tmp_path: Path) -> None:
    grant = Grant("long", minutes=90, memory=6, cpus=3, gpus=2, parallel=5)
    jobs = submit([["batch", "-shard", f"{n}/2"] for n in (1, 2)], tmp_path / "jobs", grant)
    assert [one.job_id for one in jobs] == ["7_0", "7_1"]
    asked = script(tmp_path / "jobs")
    for line in (
        "--array=0-1%2", "--partition=long", "--time=90", "--mem=6GB", "--cpus-per-task=3",
        "--gpus-per-node=2", "--requeue",
    ):  # fmt: skip
        assert f"#SBATCH {line}\n" in asked, line


@pytest.mark.usefixtures("accepting")
def test_without_a_partition_or_gpus_slurm_chooses(tmp_path: Path) -> None:
    submit([["batch"], ["batch"]], tmp_path / "jobs", Grant())
    asked = script(tmp_path / "jobs")
    assert "--partition" not in asked
    assert "--gpus" not in asked


def test_a_refusal_of_slurm_is_one_sentence(tmp_path: Path, command: Command) -> None:
    command("srun", "exit 0")
    command("sbatch", "echo invalid partition >&2; exit 1")
    with pytest.raises(BackendError, match=r"(?s)SLURM refused the jobs: .*partition") as said:
        submit([["batch"]], tmp_path / "jobs", Grant("nowhere"))
    assert "\n" not in str(said.value)


@pytest.mark.usefixtures("command")
def test_a_machine_without_slurm_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="is sbatch on the PATH"):
        submit([["batch"]], tmp_path / "jobs", Grant())


def test_a_missing_submitit_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(BackendError, match=r"sct-deepseg-general\[slurm\]"):
        submit([["batch"]], tmp_path / "jobs", Grant())


def test_a_job_is_this_program_and_goes_back_into_the_queue_as_itself(tmp_path: Path) -> None:
    executor = submitit.LocalExecutor(tmp_path)
    executor.update_parameters(timeout_min=1)
    shard = ShardJob(["batch", "-h"])
    assert executor.submit(shard).result() == 0
    assert shard.checkpoint().function is shard


def test_a_job_with_wrong_words_gives_their_exit_code() -> None:
    assert ShardJob(["batch", "-no-such-flag"])() == 2


def test_ended_jobs_are_told_by_what_they_left(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "7_0", "success", 0),
        job(tmp_path, "7_1", "success", 1),
        job(tmp_path, "7_2", "success", 2),
        job(tmp_path, "7_3", "error", "Traceback\nValueError: no room"),
    ]
    told: list[Progress] = []
    assert follow(jobs, tmp_path / "state", told.append) == [
        "Shard 0003-of-0004 ended with exit code 2.",
        f"Shard 0004-of-0004 ended early: ValueError: no room; its log: {jobs[3].paths.stderr}",
    ]
    assert told == [Progress(0)]


def test_a_job_that_slurm_lost_is_told_with_its_log(tmp_path: Path, command: Command) -> None:
    command("squeue", f"echo x >> {tmp_path}/looks")
    lost = job(tmp_path, "7_0")
    (said,) = follow([lost], tmp_path, lambda _: None, pause=0.0)
    assert said.startswith("Shard 0001-of-0001 was ended by SLURM or from outside")
    assert str(lost.paths.stderr) in said
    assert len((tmp_path / "looks").read_text().split()) == 12


@pytest.mark.parametrize("silence", ["exit 1", None])
def test_a_silent_queue_ends_no_job(silence: str | None, tmp_path: Path, command: Command) -> None:
    """The job ends long after the queue was asked as often as an absent job is looked for."""
    if silence:
        command("squeue", silence)
    waiting, told = job(tmp_path, "7_0"), 0

    def tell(_: Progress) -> None:
        nonlocal told
        told += 1
        if told > 2 * slurm._ABSENT:
            job(tmp_path, "7_0", "success", 0)

    assert follow([waiting], tmp_path, tell, pause=0.0) == []
    assert told == 2 * slurm._ABSENT + 1


def test_the_progress_of_the_shards_is_told_as_one(tmp_path: Path, command: Command) -> None:
    command("squeue", "echo 7_0 7_1")
    jobs, told = [job(tmp_path, name) for name in ("7_0", "7_1")], list[Progress]()
    for number in (1, 2):
        desk = tmp_path / f"000{number}-of-0002"
        desk.mkdir()
        write_progress(desk / PROGRESS, Progress(5, done=number, ok=number, rate=0.5))

    def tell(progress: Progress) -> None:
        told.append(progress)
        for name in ("7_0", "7_1"):
            job(tmp_path, name, "success", 0)

    assert follow(jobs, tmp_path, tell, pause=0.0) == []
    assert (told[0].total, told[0].done, told[0].rate, told[0].left) == (10, 3, 1.0, 7.0)


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
