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

from sct_deepseg_general.batch.messages import Failure, Outcome, Settings, Task, decoded, encoded
from sct_deepseg_general.batch.worker import SEGMENTING
from sct_deepseg_general.errors import BackendError

__all__ = ["Crew", "Hiring", "Report"]

_PATIENCE = 10.0  # seconds that a worker has to end when told to


@dataclass(frozen=True)
class Hiring:
    """How workers are started: how many, with which environment, doing what."""

    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables set for the workers, beside those of this process."""
    timeout: float | None = None
    """Seconds an image may take before its worker is ended."""
    work: str = SEGMENTING
    """MODULE:FUNCTION, as `worker.main` takes it."""


@dataclass(frozen=True)
class Report:
    """An image's end."""

    task: Task
    result: Outcome | Failure


class Crew:
    """The workers of one batch.

    Raises:
        BackendError: no worker can be started.
        ModelError: the workers cannot load the model.
    """

    def __init__(self, hiring: Hiring, settings: Settings) -> None:
        self._hiring = hiring
        self._settings = settings
        self._members: list[_Member] = []
        self._inbox: queue.Queue[tuple[_Member, str | None]] = queue.Queue()

    def work(
        self, tasks: Sequence[Task], announce: Callable[[Task], None]
    ) -> Generator[Report, None, None]:
        """Every task's report, in the order in which they end; `announce` before each begins."""
        waiting = deque(tasks)
        try:
            self._hire(min(self._hiring.workers, len(waiting)))
            while waiting or any(member.tasks for member in self._members):
                self._hand_out(waiting, announce)
                yield from self._hear(waiting)
        finally:
            self._dismiss()

    def _hire(self, count: int) -> None:
        for _ in range(count):
            self._members.append(_Member(self._hiring, self._settings, self._inbox))

    def _hand_out(self, waiting: deque[Task], announce: Callable[[Task], None]) -> None:
        """One image for each idle worker, then, while there are plenty, one ahead for each."""
        for depth in (1, 2):
            for member in self._members:
                enough = depth == 1 or len(waiting) >= len(self._members)
                if waiting and enough and member.ready and len(member.tasks) < depth:
                    task = waiting.popleft()
                    announce(task)
                    member.give(task)

    def _hear(self, waiting: deque[Task]) -> Iterator[Report]:
        """One answer of one worker, or its end; nothing if there is none for a second."""
        try:
            member, line = self._inbox.get(timeout=1.0)
        except queue.Empty:
            self._end_the_late()
            return
        if line is None:
            yield from self._lose(member, waiting)
        elif not member.ready:
            member.answered_first(line)
        else:
            with suppress(ValueError):
                result = decoded(line)
                if isinstance(result, (Outcome, Failure)) and member.tasks:
                    yield Report(member.finished(), result)

    def _lose(self, member: _Member, waiting: deque[Task]) -> Iterator[Report]:
        """A worker has gone: report the image it was at, hand on the rest, hire another."""
        self._members.remove(member)
        code, last_words = member.bury()
        if not member.ready and not self._members:
            raise BackendError(f"A worker ended before it could begin ({code}): {last_words}")
        lost, ahead = member.tasks[:1], member.tasks[1:]
        waiting.extendleft(reversed(ahead))
        if member.ready and waiting:
            self._hire(1)
        for task in lost:
            yield Report(task, _end_of(member, code, last_words))

    def _end_the_late(self) -> None:
        limit = self._hiring.timeout
        for member in self._members:
            if limit and member.tasks and time.monotonic() - member.since > limit:
                member.late = True
                member.process.kill()

    def _dismiss(self) -> None:
        for member in self._members:
            member.tell_to_end()
        until = time.monotonic() + _PATIENCE
        for member in self._members:
            member.wait(until)
        self._members.clear()


def _end_of(member: _Member, code: str, last_words: str) -> Failure:
    if member.late:
        return Failure("time", "It took longer than -timeout allows.", last_words)
    return Failure("machine", f"Its worker ended ({code}).", last_words)


class _Member:
    """One worker process, and the thread that listens to it."""

    def __init__(
        self,
        hiring: Hiring,
        settings: Settings,
        inbox: queue.Queue[tuple[_Member, str | None]],
    ) -> None:
        self.tasks: list[Task] = []
        self.ready = self.late = False
        self.since = time.monotonic()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by bury and wait
        self._inbox = inbox
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sct_deepseg_general.batch.worker", hiring.work],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                env={**os.environ, **hiring.environment},
                encoding="utf-8",
            )
        except OSError as error:
            raise BackendError(f"Cannot start a worker: {error.strerror or error}.") from error
        self._tell(encoded(settings))
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def give(self, task: Task) -> None:
        if not self.tasks:
            self.since = time.monotonic()
        self.tasks.append(task)
        self._tell(encoded(task))

    def finished(self) -> Task:
        """The task that has just ended; the one ahead begins."""
        self.since = time.monotonic()
        return self.tasks.pop(0)

    def answered_first(self, line: str) -> None:
        """The worker's first word: ready, or why not.

        Raises:
            BackendError: it cannot work.
        """
        message = json.loads(line)
        if message["type"] != "ready":
            raise BackendError(message["sentence"])
        self.ready = True

    def bury(self) -> tuple[str, str]:
        """How the process ended, and the last of what it had to say."""
        code = self.process.wait()
        name = f"exit code {code}"
        if code < 0:
            name = f"killed by {signal.Signals(-code).name}"
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - 4000))
        text = self._words.read().decode("utf-8", "replace").strip()
        self._close()
        return name, text

    def tell_to_end(self) -> None:
        """End now, cleaning up, if it is at work; after this word if it is idle."""
        if self.tasks or not self.ready:
            with suppress(OSError):
                self.process.terminate()
        else:
            self._tell("end")

    def wait(self, until: float) -> None:
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()

    def _tell(self, line: str) -> None:
        stream = self._input()
        with suppress(OSError, ValueError):  # its end is heard from the listening thread
            stream.write(line + "\n")
            stream.flush()

    def _listen(self) -> None:
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
        self._ear.join(_PATIENCE)
        self._words.close()
