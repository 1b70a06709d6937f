"""A worker process of a batch: `python -m sct_deepseg_general.batch.worker MODULE:FUNCTION`.

The batch writes lines to the worker's standard input and reads lines from its standard output
(see `messages`): first the settings, then one line for each image. FUNCTION takes the settings
and returns the function that works on an image; it loads the model, once. The worker ends when
the batch ends.
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
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from sct_deepseg_general.batch.messages import (
    Failure,
    FailureKind,
    Outcome,
    Task,
    WorkerSettings,
    decoded,
    encoded,
)
from sct_deepseg_general.errors import (
    DeepsegError,
    ImageError,
    MissingContentError,
    ModelError,
    OutputError,
)
from sct_deepseg_general.files import FileStamp, digest_of, sha256
from sct_deepseg_general.job.outputs import Outputs

if TYPE_CHECKING:
    from sct_deepseg_general.csa.c2c3 import C2C3
    from sct_deepseg_general.csa.measure import CsaRequest, Measured
    from sct_deepseg_general.job.values import Request
    from sct_deepseg_general.levels.answer import LevelRequest
    from sct_deepseg_general.morphometry.morphometrics import Morphometrics

__all__ = ["SEGMENTING", "Work", "main", "segmenting"]

Work = Callable[[Task], Outcome]
"""Segments one image and writes its outputs."""
SEGMENTING = "sct_deepseg_general.batch.worker:segmenting"

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def segmenting(settings: WorkerSettings) -> Work:
    """The work of a real batch: the model is loaded once, then `job.run` is called per image.

    Parameters
    ----------
    settings
        The model, the engine and the outputs.

    Returns
    -------
    Work
        The function that segments one image and writes its outputs.

    Raises
    ------
    ModelError
        The model is missing, damaged, or another one than when the batch started.
    BackendError
        The engine or the device is not available.
    """
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.job.job import run
    from sct_deepseg_general.job.levels import levels_words
    from sct_deepseg_general.job.values import Job
    from sct_deepseg_general.zoo.zoo import resolve

    model = resolve(settings.model, offline=settings.offline)
    if settings.digest not in ("", model.digest):
        raise ModelError(f"{model.folder} changed while the batch ran: run the batch again.")
    predictor = load_predictor(model, settings.engine, settings.device)

    def work(task: Task) -> Outcome:
        if task.edited:
            return _measured(settings, task)
        request = _request(settings, task)
        one = Job(Path(task.image), task.outputs, task.contrast, task.source)
        done = run(one, predictor, request)
        slices = int(done.table.slices.size)
        return Outcome(
            status=done.quality.status,
            reasons=done.quality.reasons,
            seconds=round(done.seconds, 3),
            mean_area=round(done.mean_area, 4) if slices else None,
            slices=slices,
            interval=_interval(done.table),
            region=_region(done.measured, settings.region),
            c2c3=_c2c3(done.c2c3),
            levels=levels_words(done.levels),
            outputs=_written((*task.outputs.paths(settings.csa, settings.soft), *done.disc_file)),
            qc=done.qc_page.name if done.qc_page else "",
        )

    return work


def _request(settings: WorkerSettings, task: Task) -> Request:
    from sct_deepseg_general.inference.pipeline import Options
    from sct_deepseg_general.job.values import QcPlace, Request

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
    return Request(
        options, settings.soft, settings.csa, place, settings.command, measures, levels=levels
    )


def _levels(settings: WorkerSettings, task: Task) -> tuple[CsaRequest, LevelRequest | None]:
    """The rows of the table, with the dataset's discs where there are some."""
    from sct_deepseg_general.csa.measure import PER_SLICE
    from sct_deepseg_general.image.labels import load_labels
    from sct_deepseg_general.levels.answer import LevelRequest

    if not settings.levels:
        return PER_SLICE, None
    discs = load_labels(Path(task.given_discs)) if task.given_discs else None
    return replace(PER_SLICE, discs=discs), LevelRequest(c2c3=True)


def _c2c3(found: C2C3 | None) -> tuple[float | None, float | None, float | None]:
    """The area of C2-C3 and the ends of its interval, rounded."""
    values = (None, None, None) if found is None else (found.area, found.lower, found.upper)
    area, lower, upper = (None if value is None else round(value, 4) for value in values)
    return area, lower, upper


def _interval(table: Morphometrics) -> tuple[float | None, float | None]:
    ends = table.mean_interval() if table.slices.size else None
    return (None, None) if ends is None else (round(ends[0], 4), round(ends[1], 4))


def _region(
    found: Measured, levels: tuple[int, ...]
) -> tuple[float | None, float | None, float | None]:
    """The mean area of some levels and the ends of its interval; None where one is not there."""
    import numpy as np

    if not levels or found.levels is None:
        return (None, None, None)
    area = found.morphometrics.area
    held = np.flatnonzero(np.isin(found.levels, levels) & np.isfinite(area))
    if set(found.levels[held].tolist()) != set(levels):
        return (None, None, None)
    ends = found.morphometrics.mean_interval(held)
    lower, upper = (None, None) if ends is None else (round(ends[0], 4), round(ends[1], 4))
    return round(float(area[held].mean()), 4), lower, upper


def _measured(settings: WorkerSettings, task: Task) -> Outcome:
    """The outcome of a mask that was edited."""
    from sct_deepseg_general.job.edited import remeasured
    from sct_deepseg_general.job.levels import levels_words
    from sct_deepseg_general.job.overwrite import EDITED

    measures, levels = _levels(settings, task)
    started = time.perf_counter()
    mask = remeasured(Path(task.image), task.outputs, measures, levels, csa=settings.csa)
    outputs = task.outputs.paths(settings.csa, soft=False)
    return Outcome(
        status=EDITED,
        reasons=mask.reasons,
        seconds=round(time.perf_counter() - started, 3),
        mean_area=mask.mean_area,
        slices=mask.slices,
        region=_region(mask.measured, settings.region),
        c2c3=_c2c3(mask.c2c3),
        levels=levels_words(mask.levels),
        outputs=_written(tuple(path for path in outputs if path.exists())),
    )


def _written(paths: tuple[Path, ...]) -> dict[str, str]:
    return {str(path): sha256(path) for path in paths}


def main() -> None:
    """Work on the images that the batch sends, until it says "end" or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the batch handles Ctrl-C
    signal.signal(signal.SIGTERM, _exit)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is not an answer
    settings = decoded(sys.stdin.readline())
    if not isinstance(settings, WorkerSettings):
        raise SystemExit(2)
    try:
        work = _loaded(sys.argv[1], settings)
    except DeepsegError as error:
        _send(answers, {"type": "broken", "sentence": str(error)})
        raise SystemExit(1) from None
    _send(answers, {"type": "ready"})
    tasks: queue.Queue[_TaskAhead | None] = queue.Queue()
    threading.Thread(target=_read_tasks, args=(tasks,), daemon=True).start()
    while (ahead := tasks.get()) is not None:
        answers.write(encoded(_result(work, ahead)) + "\n")
        answers.flush()


@dataclass(frozen=True)
class _TaskAhead:
    """A task whose image has been read once: the state of the file, and its hash; and the hash of
    its labelled discs.
    """

    task: Task
    stamp: FileStamp
    sha256: str
    discs: str = ""


def _read_tasks(tasks: queue.Queue[_TaskAhead | None]) -> None:
    """Receive the tasks, and read each image while the one before it is being worked on."""
    for line in sys.stdin:
        if line.strip() == "end":
            tasks.put(None)
            return
        task = decoded(line)
        if isinstance(task, Task):
            tasks.put(_read_ahead(task))
    os._exit(1)  # the batch is gone: another run may begin the same image


def _read_ahead(task: Task) -> _TaskAhead:
    """Hash the image, which also brings it into the file system's cache."""
    image = Path(task.image)
    try:
        discs = digest_of(Path(task.given_discs)) if task.given_discs else ""
        return _TaskAhead(task, FileStamp.of(image), sha256(image), discs)
    except OSError:
        return _TaskAhead(task, FileStamp(), "")


def _result(work: Work, ahead: _TaskAhead) -> Outcome | Failure:
    """The outcome or the failure of one image; no error of an image ends the worker."""
    task = ahead.task
    try:
        task.outputs.segmentation.parent.mkdir(parents=True, exist_ok=True)
        outcome = work(task)
        if FileStamp.if_present(Path(task.image)) != ahead.stamp:
            _remove(task.outputs)
            raise ImageError(f"{task.image} changed while it was read: run again.")
        return replace(outcome, image=ahead.stamp, sha256=ahead.sha256, discs=ahead.discs)
    except MemoryError as error:
        return _failure("memory", "There was not enough memory for this image.", error)
    except (DeepsegError, OSError) as error:
        return _failure(_kind(error), str(error), error)
    except Exception as error:  # noqa: BLE001 - one image that fails must not end the others
        if "alloc" in str(error):
            return _failure("memory", "There was not enough memory for this image.", error)
        return _failure("program", f"Unexpected {type(error).__name__}: {error}", error)


def _kind(error: Exception) -> FailureKind:
    if isinstance(error, MissingContentError):
        return "missing"
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in _NO_SPACE:
        return "space"
    if isinstance(error, (OutputError, OSError)):
        return "output"
    return "image"


def _failure(kind: FailureKind, sentence: str, error: BaseException) -> Failure:
    return Failure(kind, sentence, "".join(traceback.format_exception(error)))


def _remove(outputs: Outputs) -> None:
    for path in outputs.every:
        path.unlink(missing_ok=True)


def _loaded(name: str, settings: WorkerSettings) -> Work:
    module, _, function = name.partition(":")
    work: Work = getattr(importlib.import_module(module), function)(settings)
    return work


def _send(answers: TextIO, message: dict[str, str]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    main()
