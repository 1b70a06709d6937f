"""A worker's work without a network: an "image" is a text that says what befalls its worker.

The words of the text, in order: `sleep SECONDS`, `until FILE` (exists), `kill` (SIGKILL to
itself), `kill-once`, `memory`, `bug`, `full` (a disk), `refuse` (no image), and a status, by
default ok.
Every image begun is a line in the file that PHANTOM_LOG names.
"""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from sct_deepseg_general.batch.messages import Outcome, Task, WorkerSettings
from sct_deepseg_general.batch.worker import Work
from sct_deepseg_general.content import check_content
from sct_deepseg_general.errors import ImageError, ModelError, OutputError
from sct_deepseg_general.files import sha256, write_whole

HEADER = '"Slice (I->S)","VertLevel","MEAN(area)","MEAN(diameter_AP)"\r\n'


def made(settings: WorkerSettings) -> Work:
    if settings.model == "broken":
        raise ModelError("The model is broken: fetch it again.")

    def work(task: Task) -> Outcome:
        _note(task.key)
        check_content(Path(task.image))
        if task.edited:
            _write(Path(task.csa), HEADER + '"3","",50,7.5\r\n')
            outputs = {path: sha256(Path(path)) for path in (task.segmentation, task.csa)}
            return Outcome("edited", ("edited",), 0.01, 50.0, 1, outputs=outputs)
        statuses = [*_acted(task, _words(Path(task.image)))]
        area = int(hashlib.sha256(task.key.encode()).hexdigest()[:4], 16) / 1000
        _write(Path(task.segmentation), f"mask of {task.key} at {settings.threshold}\n" * 200)
        _write(
            Path(task.csa), HEADER + f'"3","",{area},7.5\r\n"4","",{area + 1},7.5\r\n"5","",,\r\n'
        )
        _write(Path(task.sidecar), "{}\n")
        outputs = task.outputs.paths(csa=True, soft=False)
        status = statuses[-1] if statuses else "ok"
        reasons = () if status == "ok" else (f"said to be {status}",)
        return Outcome(
            status, reasons, 0.01, area, 2, outputs={str(path): sha256(path) for path in outputs}
        )

    return work


def _note(key: str) -> None:
    if "PHANTOM_LOG" in os.environ:
        with Path(os.environ["PHANTOM_LOG"]).open("a") as stream:
            stream.write(f"{key}\n")


def _words(image: Path) -> list[str]:
    try:
        return image.read_text().split()
    except OSError as error:
        raise ImageError(f"Cannot read {image}: {error.strerror}.") from error


def _acted(task: Task, words: list[str]) -> Iterator[str]:
    """Do as the words say; gives the statuses among them."""
    while words:
        word = words.pop(0)
        if word in ("ok", "warn", "fail"):
            yield word
        elif word == "sleep":
            time.sleep(float(words.pop(0)))
        elif word == "until":
            file = Path(words.pop(0))
            while not file.exists():
                time.sleep(0.02)
        elif word == "swell":
            _swell(int(words.pop(0)) << 20)
        elif word == "touch":
            Path(task.image).write_text("ok ok")
        else:
            _fail(word, task)


def _swell(size: int) -> None:
    """Take so many bytes, where the process may have 64 MB more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (64 << 20), before[1]))
    try:
        bytearray(size)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _fail(word: str, task: Task) -> None:
    mark = Path(f"{task.image}.killed")
    if word == "kill" or (word == "kill-once" and not mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "memory":
        raise MemoryError
    if word == "bug":
        raise ZeroDivisionError("a bug")
    if word == "full":
        raise OutputError("Cannot write x: no space.") from OSError(errno.ENOSPC, "no space")
    if word == "refuse":
        raise ImageError(f"{task.image} is no image.")


def _write(path: Path, text: str) -> None:
    with write_whole(path) as temporary:
        temporary.write_text(text, newline="")
