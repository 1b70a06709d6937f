"""A pool of worker processes that take images one by one and are replaced when they end.

A worker is sent one image ahead, so that it reads the next image while it works on the current
one. When a worker is killed, only the current image is lost; the one ahead goes to another.
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
from sct_deepseg_general.cluster.resources import allotted, this_machine
from sct_deepseg_general.errors import BackendError

__all__ = ["PoolOptions", "TaskResult", "WorkerPool", "pool_options"]

_STOP_SECONDS = 10.0  # that a worker has to end after it was asked to
_LOG_TAIL = 4000  # bytes of a worker's standard error that are kept


@dataclass(frozen=True)
class PoolOptions:
    """How many worker processes are started, with which environment, and what they do."""

    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of the workers, in addition to those of this process."""
    timeout: float | None = None
    """Seconds after which the worker of an image is killed; None for no limit."""
    work: str = SEGMENTING
    """The function that makes the work, "module:function", as `worker.main` takes it."""


def pool_options(
    images: int,
    *,
    workers: int | None = None,
    threads: int | None = None,
    timeout: float | None = None,
    gpu: bool = False,
) -> PoolOptions:
    """The worker processes for this machine and a number of images.

    Parameters
    ----------
    images
        Number of images in the batch.
    workers, threads
        The user's choice; None chooses from the cores and the free memory.
    timeout
        Seconds that an image may take; None for no limit.
    gpu
        Whether the network runs on a GPU.
    """
    machine = this_machine(os.environ)
    allotment = allotted(machine, max(1, images), workers=workers, threads=threads, gpu=gpu)
    return PoolOptions(allotment.workers, allotment.environment, timeout)


@dataclass(frozen=True)
class TaskResult:
    """A task and its outcome or failure."""

    task: Task
    result: Outcome | Failure


class WorkerPool:
    """The worker processes of one batch.

    Parameters
    ----------
    options
        Number, environment and work of the processes.
    settings
        What every worker is sent first.
    """

    def __init__(self, options: PoolOptions, settings: WorkerSettings) -> None:
        self._options = options
        self._settings = settings
        self._workers: list[_WorkerProcess] = []
        self._answers: queue.Queue[tuple[_WorkerProcess, str | None]] = queue.Queue()

    def work(
        self, tasks: Sequence[Task], on_start: Callable[[Task], None]
    ) -> Generator[TaskResult, None, None]:
        """Work on all tasks and yield their results in the order in which they end.

        Parameters
        ----------
        tasks
            The tasks; they are started in this order.
        on_start
            Called with each task before it is sent to a worker.

        Yields
        ------
        TaskResult
            One for each task.

        Raises
        ------
        BackendError
            No worker can be started, or none can load the model.
        """
        waiting = deque(tasks)
        try:
            self._start(min(self._options.workers, len(waiting)))
            while waiting or any(worker.tasks for worker in self._workers):
                self._assign(waiting, on_start)
                yield from self._receive(waiting)
        finally:
            self._stop()

    def _start(self, count: int) -> None:
        for _ in range(count):
            self._workers.append(_WorkerProcess(self._options, self._settings, self._answers))

    def _assign(self, waiting: deque[Task], on_start: Callable[[Task], None]) -> None:
        """One task for each idle worker; then, if there are enough, one ahead for each."""
        for depth in (1, 2):
            for worker in self._workers:
                enough = depth == 1 or len(waiting) >= len(self._workers)
                if waiting and enough and worker.ready and len(worker.tasks) < depth:
                    task = waiting.popleft()
                    on_start(task)
                    worker.send_task(task)

    def _receive(self, waiting: deque[Task]) -> Iterator[TaskResult]:
        """The next answer of a worker, or its end; nothing if none comes within a second."""
        try:
            worker, line = self._answers.get(timeout=1.0)
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
                    yield TaskResult(worker.complete_task(), result)

    def _replace_ended(self, worker: _WorkerProcess, waiting: deque[Task]) -> Iterator[TaskResult]:
        """Report the image that an ended worker was at, return the other, start a new worker."""
        self._workers.remove(worker)
        exit_text, log = worker.reap()
        if not worker.ready and not self._workers:
            raise BackendError(f"A worker process ended while it started ({exit_text}): {log}")
        lost, ahead = worker.tasks[:1], worker.tasks[1:]
        waiting.extendleft(reversed(ahead))
        if worker.ready and waiting:
            self._start(1)
        for task in lost:
            yield TaskResult(task, _failure_of(worker, exit_text, log))

    def _kill_timed_out(self) -> None:
        limit = self._options.timeout
        for worker in self._workers:
            if limit and worker.tasks and time.monotonic() - worker.since > limit:
                worker.timed_out = True
                worker.process.kill()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.request_stop()
        deadline = time.monotonic() + _STOP_SECONDS
        for worker in self._workers:
            worker.wait(deadline)
        self._workers.clear()


def _failure_of(worker: _WorkerProcess, exit_text: str, log: str) -> Failure:
    if worker.timed_out:
        return Failure("time", "It took longer than -timeout allows.", log)
    return Failure("machine", f"Its worker process ended ({exit_text}).", log)


class _WorkerProcess:
    """One worker process, and the thread that reads its answers."""

    def __init__(
        self,
        options: PoolOptions,
        settings: WorkerSettings,
        answers: queue.Queue[tuple[_WorkerProcess, str | None]],
    ) -> None:
        self.tasks: list[Task] = []
        self.ready = self.timed_out = False
        self.since = time.monotonic()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by reap and wait
        self._answers = answers
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sct_deepseg_general.batch.worker", options.work],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**os.environ, **options.environment},
                encoding="utf-8",
            )
        except OSError as error:
            raise BackendError(f"Cannot start a worker: {error.strerror or error}.") from error
        self._send(encoded(settings))
        self._reader = threading.Thread(target=self._read_answers, daemon=True)
        self._reader.start()

    def send_task(self, task: Task) -> None:
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(task)
        self._send(encoded(task))

    def complete_task(self) -> Task:
        """The task that has just ended; the one ahead is now the current one."""
        self.since = time.monotonic()
        return self.tasks.pop(0)

    def check_ready(self, line: str) -> None:
        """Read the worker's first message, which says that it is ready, or why it is not.

        Raises
        ------
        BackendError
            The worker cannot work.
        """
        message = json.loads(line)
        if message["type"] != "ready":
            raise BackendError(message["sentence"])
        self.ready = True

    def reap(self) -> tuple[str, str]:
        """How the ended process ended, and the end of its standard error."""
        code = self.process.wait()
        exit_text = f"exit code {code}"
        if code < 0:
            exit_text = f"killed by {signal.Signals(-code).name}"
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _LOG_TAIL))
        text = self._log.read().decode("utf-8", "replace").strip()
        self._close()
        return exit_text, text

    def request_stop(self) -> None:
        """Ask the process to end: by a signal if it is working, by a message if it is idle."""
        if self.tasks or not self.ready:
            with suppress(OSError):
                self.process.terminate()
        else:
            self._send("end")

    def wait(self, deadline: float) -> None:
        """Wait for the process to end, and kill it at the deadline (`time.monotonic`)."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()

    def _send(self, line: str) -> None:
        stream = self._input()
        with suppress(OSError, ValueError):  # the reader thread notices that the worker ended
            stream.write(line + "\n")
            stream.flush()

    def _read_answers(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - opened as a pipe above
        with suppress(OSError, ValueError), self.process.stdout as stream:
            for line in stream:
                self._answers.put((self, line))
        self._answers.put((self, None))

    def _input(self) -> IO[str]:
        assert self.process.stdin is not None  # noqa: S101 - opened as a pipe above
        return self.process.stdin

    def _close(self) -> None:
        with suppress(OSError, ValueError):
            self._input().close()
        self._reader.join(_STOP_SECONDS)
        self._log.close()
