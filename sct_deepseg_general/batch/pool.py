"""Worker processes that take images one by one, and are replaced when they die.

A worker is handed one image ahead, so that it reads the next while it works on this one. When
it is killed, only the image it was at is lost; the one ahead goes to another.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from sct_deepseg_general.batch.messages import (
    Failure,
    Outcome,
    Task,
    WorkerSettings,
    decoded,
    encoded,
)
from sct_deepseg_general.batch.worker import SEGMENTING
from sct_deepseg_general.errors import BackendError

__all__ = ["PoolOptions", "TaskResult", "WorkerPool"]

_STOP_SECONDS = 10.0  # seconds that a worker has to end when told to


@dataclass(frozen=True)
class PoolOptions:
    """How workers are started: how many, with which environment, doing what."""

    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables set for the workers, beside those of this process."""
    timeout: float | None = None
    """Seconds an image may take before its worker is ended."""
    work: str = SEGMENTING
    """MODULE:FUNCTION, as `worker.main` takes it."""


@dataclass(frozen=True)
class TaskResult:
    """An image's end."""

    task: Task
    result: Outcome | Failure


class WorkerPool:
    """The workers of one batch.

    Raises:
        BackendError: no worker can be started.
        ModelError: the workers cannot load the model.
    """

    def __init__(self, pool_options: PoolOptions, settings: WorkerSettings) -> None:
        self._options = pool_options
        self._settings = settings
        self._workers: list[WorkerProcess] = []
        self._inbox: queue.Queue[tuple[WorkerProcess, str | None]] = queue.Queue()

    def work(
        self, tasks: Sequence[Task], on_start: Callable[[Task], None]
    ) -> Generator[TaskResult, None, None]:
        """Every task's report, in the order in which they end; `on_start` before each begins."""
        waiting = deque(tasks)
        try:
            self._start_workers(min(self._options.workers, len(waiting)))
            while waiting or any(worker.tasks for worker in self._workers):
                self._assign(waiting, on_start)
                yield from self._receive(waiting)
        finally:
            self._stop_workers()

    def _start_workers(self, count: int) -> None:
        for _ in range(count):
            self._workers.append(WorkerProcess(self._options, self._settings, self._inbox))

    def _assign(self, waiting: deque[Task], on_start: Callable[[Task], None]) -> None:
        """One image for each idle worker, then, while there are plenty, one ahead for each."""
        for depth in (1, 2):
            for worker in self._workers:
                enough = depth == 1 or len(waiting) >= len(self._workers)
                if waiting and enough and worker.ready and len(worker.tasks) < depth:
                    task = waiting.popleft()
                    on_start(task)
                    worker.send(task)

    def _receive(self, waiting: deque[Task]) -> Iterator[TaskResult]:
        """One answer of one worker, or its end; nothing if there is none for a second."""
        try:
            worker, line = self._inbox.get(timeout=1.0)
        except queue.Empty:
            self._kill_timed_out()
            return
        if line is None:
            yield from self._replace_ended(worker, waiting)
        elif not worker.ready:
            worker.check_ready(line)
        else:
            with suppress(ValueError):
                result = decoded(line)
                if isinstance(result, (Outcome, Failure)) and worker.tasks:
                    yield TaskResult(worker.finished(), result)

    def _replace_ended(self, worker: WorkerProcess, waiting: deque[Task]) -> Iterator[TaskResult]:
        """A worker has gone: report the image it was at, hand on the rest, hire another."""
        self._workers.remove(worker)
        code, last_words = worker.reap()
        if not worker.ready and not self._workers:
            raise BackendError(f"A worker ended before it could begin ({code}): {last_words}")
        lost, ahead = worker.tasks[:1], worker.tasks[1:]
        waiting.extendleft(reversed(ahead))
        if worker.ready and waiting:
            self._start_workers(1)
        for task in lost:
            yield TaskResult(task, _end_of(worker, code, last_words))

    def _kill_timed_out(self) -> None:
        limit = self._options.timeout
        for worker in self._workers:
            if limit and worker.tasks and time.monotonic() - worker.since > limit:
                worker.timed_out = True
                worker.process.kill()

    def _stop_workers(self) -> None:
        for worker in self._workers:
            worker.request_stop()
        until = time.monotonic() + _STOP_SECONDS
        for worker in self._workers:
            worker.wait(until)
        self._workers.clear()


def _end_of(worker: WorkerProcess, code: str, last_words: str) -> Failure:
    if worker.timed_out:
        return Failure("time", "It took longer than -timeout allows.", last_words)
    return Failure("machine", f"Its worker ended ({code}).", last_words)


class WorkerProcess:
    """One worker process, and the thread that listens to it."""

    def __init__(
        self,
        pool_options: PoolOptions,
        settings: WorkerSettings,
        inbox: queue.Queue[tuple[WorkerProcess, str | None]],
    ) -> None:
        self.tasks: list[Task] = []
        self.ready = self.timed_out = False
        self.since = time.monotonic()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by reap and wait
        self._inbox = inbox
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sct_deepseg_general.batch.worker", pool_options.work],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **pool_options.environment},
                encoding="utf-8",
            )
        except OSError as error:
            raise BackendError(f"Cannot start a worker: {error.strerror or error}.") from error
        self._send(encoded(settings))
        self._reader = threading.Thread(target=self._read_answers, daemon=True)
        self._reader.start()

    def send(self, task: Task) -> None:
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(task)
        self._send(encoded(task))

    def finished(self) -> Task:
        """The task that has just ended; the one ahead begins."""
        self.since = time.monotonic()
        return self.tasks.pop(0)

    def check_ready(self, line: str) -> None:
        """The worker's first word: ready, or why not.

        Raises:
            BackendError: it cannot work.
        """
        message = json.loads(line)
        if message["type"] != "ready":
            raise BackendError(message["sentence"])
        self.ready = True

    def reap(self) -> tuple[str, str]:
        """How the process ended, and the last of what it had to say."""
        code = self.process.wait()
        name = f"exit code {code}"
        if code < 0:
            name = f"killed by {signal.Signals(-code).name}"
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 4000))
        text = self._errors.read().decode("utf-8", "replace").strip()
        self._close()
        return name, text

    def request_stop(self) -> None:
        """End now, cleaning up, if it is at work; after this word if it is idle."""
        if self.tasks or not self.ready:
            with suppress(OSError):
                self.process.terminate()
        else:
            self._send("end")

    def wait(self, until: float) -> None:
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()

    def _send(self, line: str) -> None:
        stream = self._input()
        with suppress(OSError, ValueError):  # its end is heard from the listening thread
            stream.write(line + "\n")
            stream.flush()

    def _read_answers(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - asked for as a pipe above
        with suppress(OSError, ValueError), self.process.stdout as stream:
            for line in stream:
                self._inbox.put((self, line))
        self._inbox.put((self, None))

    def _input(self) -> IO[str]:
        assert self.process.stdin is not None  # noqa: S101 - asked for as a pipe above
        return self.process.stdin

    def _close(self) -> None:
        with suppress(OSError, ValueError):
            self._input().close()
        self._reader.join(_STOP_SECONDS)
        self._errors.close()
