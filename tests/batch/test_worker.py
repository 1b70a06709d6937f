"""What a batch and its workers say to each other, and what a worker refuses."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from toy_models import toy_model

from sct_deepseg_general.batch.messages import (
    Failure,
    Outcome,
    Task,
    WorkerSettings,
    decoded,
    encoded,
)
from sct_deepseg_general.batch.worker import _result, _TaskAhead, segmenting
from sct_deepseg_general.errors import ImageError, ModelError, OutputError
from sct_deepseg_general.files import FileStamp

TASK = Task("k", "/ä\n.nii", "/s", "/j", "/c", "/p")
TESTS = str(Path(__file__).parents[1] / "support")


def test_a_model_that_changed_since_the_batch_began_is_refused(tmp_path):
    model = toy_model(tmp_path / "toy")
    with pytest.raises(ModelError, match="changed while the batch ran"):
        segmenting(WorkerSettings(model=str(model.folder), digest="another"))


def started() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sct_deepseg_general.batch.worker", "phantom_work:made"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": TESTS},
    )


def test_a_worker_short_of_memory_says_so_and_takes_the_next_image(tmp_path):
    with started() as worker:
        worker.stdin.write(encoded(WorkerSettings()) + "\n")
        for name, text in (("large", "swell 4096"), ("small", "swell 1")):
            (tmp_path / name).write_text(text)
            paths = [str(tmp_path / f"{name}{end}") for end in ("", ".gz", ".json", ".csv", ".p")]
            worker.stdin.write(encoded(Task(name, *paths)) + "\n")
        worker.stdin.write("end\n")
        worker.stdin.close()
        assert "ready" in worker.stdout.readline()
        first, second = (decoded(worker.stdout.readline()) for _ in range(2))
        assert worker.wait(600) == 0
    assert isinstance(first, Failure)
    assert first.kind == "memory"
    assert isinstance(second, Outcome)
    assert second.status == "ok"


def test_a_worker_ends_when_it_is_told_or_when_the_batch_is_gone(tmp_path):
    for last, code in (("end\n", 0), ("", 1)):
        with started() as worker:
            worker.stdin.write(encoded(WorkerSettings()) + "\n" + last)
            worker.stdin.close()
            assert "ready" in worker.stdout.readline()
            assert worker.wait(600) == code


def test_a_worker_is_deaf_to_ctrl_c_and_ends_on_sigterm():
    with started() as worker:
        worker.stdin.write(encoded(WorkerSettings()) + "\n")
        worker.stdin.flush()
        assert "ready" in worker.stdout.readline()
        worker.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            worker.wait(0.3)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(600) == 143


def test_a_worker_without_settings_ends_with_2():
    ended = _spoken(encoded(TASK) + "\n")
    assert ended.returncode == 2
    assert ended.stdout == ""


def test_a_worker_whose_model_is_broken_says_why():
    ended = _spoken(encoded(WorkerSettings(model="broken")) + "\n")
    assert ended.returncode == 1
    (said,) = (json.loads(line) for line in ended.stdout.splitlines())
    assert said == {"type": "broken", "sentence": "The model is broken: fetch it again."}


def test_a_worker_passes_over_what_is_no_task():
    ended = _spoken(encoded(WorkerSettings()) + "\n" + encoded(WorkerSettings()) + "\nend\n")
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "memory"),
        (RuntimeError("could not alloc 3 GB"), "memory"),
        (ZeroDivisionError("a bug"), "program"),
        (OSError(errno.ENOSPC, "no space"), "space"),
        (PermissionError(errno.EACCES, "not yours"), "output"),
        (OutputError("Cannot write."), "output"),
        (ImageError("No image."), "image"),
    ],
)
def test_what_befell_an_image_says_who_can_mend_it(error, kind, tmp_path):
    def work(_: Task) -> Outcome:
        raise error

    task = Task("k", *(str(tmp_path / name) for name in "isjcp"))
    failure = _result(work, _TaskAhead(task, FileStamp(), ""))
    assert isinstance(failure, Failure)
    assert failure.kind == kind
    assert type(error).__name__ in failure.details


def _spoken(words: str) -> subprocess.CompletedProcess[str]:
    with started() as worker:
        said, _ = worker.communicate(words, timeout=60)
        return subprocess.CompletedProcess([], worker.returncode, said)
