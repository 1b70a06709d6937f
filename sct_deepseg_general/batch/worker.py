"""The process that works on images: `python -m sct_deepseg_general.batch.worker MODULE:FUNCTION`.

The batch writes lines to its input and reads lines from its output (see `tasks`): the settings
first, then images, one after the other. FUNCTION makes, from the settings, the function that
does an image's work; the model is loaded there, once. When the batch goes away, so does this.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from sct_deepseg_general.batch.messages import (
    Failure,
    Kind,
    Outcome,
    Stamp,
    Task,
    WorkerSettings,
    decoded,
    encoded,
)
from sct_deepseg_general.errors import DeepsegError, ImageError, ModelError, OutputError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.job.outputs import Outputs

if TYPE_CHECKING:
    from sct_deepseg_general.csa.c2c3 import C2C3
    from sct_deepseg_general.csa.measure import CsaRequest
    from sct_deepseg_general.job.job import Request
    from sct_deepseg_general.levels.answer import LevelRequest

__all__ = ["SEGMENTING", "Work", "main", "segmenting"]

Work = Callable[[Task], Outcome]
SEGMENTING = "sct_deepseg_general.batch.worker:segmenting"

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def segmenting(settings: WorkerSettings) -> Work:
    """The real work: the model loaded once, then `job.run` on each image."""
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.job import job
    from sct_deepseg_general.job.levels import levels_words
    from sct_deepseg_general.zoo.zoo import resolve

    model = resolve(settings.model, offline=settings.offline)
    if settings.digest not in ("", model.digest):
        raise ModelError(f"{model.folder} changed while the batch ran: run the batch again.")
    predictor = load_predictor(model, settings.engine, settings.device)

    def work(task: Task) -> Outcome:
        request = _request(settings, task)
        one = job.Job(Path(task.image), task.outputs, task.contrast, task.source)
        done = job.run(one, predictor, request)
        slices = int(done.table.slices.size)
        return Outcome(
            status=done.quality.status,
            reasons=done.quality.reasons,
            seconds=round(done.seconds, 3),
            mean_area=round(done.mean_area, 4) if slices else None,
            slices=slices,
            c2c3=_c2c3(done.c2c3),
            levels=levels_words(done.levels),
            outputs=_written((*task.outputs.wanted(settings.csa, settings.soft), *done.disc_file)),
            qc=done.qc_page.name if done.qc_page else "",
        )

    return work


def _request(settings: WorkerSettings, task: Task) -> Request:
    from sct_deepseg_general.inference.pipeline import Options
    from sct_deepseg_general.job.job import QcPlace, Request

    subject = " ".join(word for word in (task.participant, task.session) if word)
    place = None
    if settings.qc:
        place = QcPlace(Path(settings.qc), settings.qc_dataset, subject, at_once=False)
    options = Options(
        settings.threshold,
        settings.largest,
        settings.fill_holes,
        settings.exact,
        settings.uncertainty,
    )
    measures, levels = _levels(settings, task)
    return Request(options, settings.soft, settings.csa, place, settings.command, measures, levels)


def _levels(settings: WorkerSettings, task: Task) -> tuple[CsaRequest, LevelRequest | None]:
    """The rows of the table, with the dataset's discs where there are some."""
    from sct_deepseg_general.csa.measure import PER_SLICE
    from sct_deepseg_general.image.nifti import load_map
    from sct_deepseg_general.levels.answer import LevelRequest

    if not settings.levels:
        return PER_SLICE, None
    discs = load_map(Path(task.given_discs)) if task.given_discs else None
    return replace(PER_SLICE, discs=discs), LevelRequest(c2c3=True)


def _c2c3(found: C2C3 | None) -> tuple[float | None, float | None, float | None]:
    """The area of C2-C3 and the ends of its interval, rounded."""
    values = (None, None, None) if found is None else (found.area, found.lower, found.upper)
    area, lower, upper = (None if value is None else round(value, 4) for value in values)
    return area, lower, upper


def _written(paths: tuple[Path, ...]) -> dict[str, str]:
    return {str(path): sha256(path) for path in paths}


def main() -> None:
    """Work until told to end, or until the batch is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the batch's to answer
    signal.signal(signal.SIGTERM, _stop)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    settings = decoded(sys.stdin.readline())
    if not isinstance(settings, WorkerSettings):
        raise SystemExit(2)
    try:
        work = _made(sys.argv[1], settings)
    except DeepsegError as error:
        _say(answers, {"type": "broken", "sentence": str(error)})
        raise SystemExit(1) from None
    _say(answers, {"type": "ready"})
    tasks: queue.Queue[tuple[Task, Stamp] | None] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    while (given := tasks.get()) is not None:
        answers.write(encoded(_done(work, *given)) + "\n")
        answers.flush()


def _listen(tasks: queue.Queue[tuple[Task, Stamp] | None]) -> None:
    """Take the tasks, and read each image while the one before it is being worked on."""
    for line in sys.stdin:
        if line.strip() == "end":
            tasks.put(None)
            return
        task = decoded(line)
        if isinstance(task, Task):
            tasks.put((task, _stamp(Path(task.image))))
    os._exit(1)  # the batch is gone: finish nothing that another run may begin


def _done(work: Work, task: Task, stamp: Stamp) -> Outcome | Failure:
    """One image's outcome or failure; nothing that an image does ends the worker."""
    try:
        task.outputs.segmentation.parent.mkdir(parents=True, exist_ok=True)
        outcome = work(task)
        if _size_and_time(Path(task.image)) != (stamp.size, stamp.mtime_ns):
            _remove(task.outputs)
            raise ImageError(f"{task.image} changed while it was read: run again.")
        return replace(outcome, image=stamp)
    except MemoryError as error:
        return _failure("memory", "There was not enough memory for this image.", error)
    except (DeepsegError, OSError) as error:
        return _failure(_kind(error), str(error), error)
    except Exception as error:  # noqa: BLE001 - one image that fails must not end the others
        if "alloc" in str(error):
            return _failure("memory", "There was not enough memory for this image.", error)
        return _failure("program", f"Unexpected {type(error).__name__}: {error}", error)


def _kind(error: Exception) -> Kind:
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
        return "space"
    if isinstance(error, (OutputError, OSError)):
        return "output"
    return "image"


def _failure(kind: Kind, sentence: str, error: BaseException) -> Failure:
    return Failure(kind, sentence, "".join(traceback.format_exception(error)))


def _stamp(image: Path) -> Stamp:
    """The image's stamp; reading it all here brings it into memory ahead of the work."""
    try:
        size, mtime_ns = _size_and_time(image)
        return Stamp(size, mtime_ns, sha256(image))
    except OSError:
        return Stamp()


def _size_and_time(image: Path) -> tuple[int, int]:
    try:
        found = image.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _remove(outputs: Outputs) -> None:
    for path in outputs.every:
        path.unlink(missing_ok=True)


def _made(name: str, settings: WorkerSettings) -> Work:
    module, _, function = name.partition(":")
    work: Work = getattr(importlib.import_module(module), function)(settings)
    return work


def _say(answers: TextIO, message: dict[str, str]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    main()
