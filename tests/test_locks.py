"""Only one holder at a time, and a killed holder holds no longer."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.locks import locked, try_lock

HOLD = (
    "import sys, time; from pathlib import Path; from sct_deepseg_general.locks import locked\n"
    "with locked(Path(sys.argv[1])):\n"
    "    print('held', flush=True); time.sleep(600)\n"
)


def test_the_next_one_waits_and_says_so(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "lock", lambda: order.append("waiting")):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(tmp_path / "lock"):
        thread.start()
        while not order:
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["waiting", "first", "second"]


def test_a_free_lock_is_not_waited_for(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with locked(tmp_path / "lock", lambda: told.append("waiting")):
            assert (tmp_path / "lock").exists()
    assert told == []


def test_an_error_inside_frees_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), locked(tmp_path / "lock"):
        raise ValueError("inside")
    with locked(tmp_path / "lock", lambda: pytest.fail("still held")):
        pass


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_holder_holds_no_longer(tmp_path: Path, end: signal.Signals) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    with holder.stdout as said:
        assert said.readline() == b"held\n"
    waited: list[bool] = []

    def kill() -> None:
        waited.append(True)
        holder.send_signal(end)

    with locked(tmp_path / "lock", kill):
        assert waited
    assert holder.wait() == -end


def test_a_lock_nobody_can_make_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Cannot write"), locked(tmp_path / "absent" / "lock"):
        pass


def test_a_file_that_can_only_be_read_can_be_locked(tmp_path: Path) -> None:
    """Made by another user of a shared cache."""
    path = tmp_path / "lock"
    path.touch(mode=0o444)
    if os.geteuid() == 0:
        pytest.skip("root may write to everything")
    with locked(path):
        pass


def opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [(False, False, "busy"), (False, True, "busy"), (True, False, "busy"), (True, True, "held")],
)
def test_only_shared_locks_go_together(
    first: bool, second: bool, state: str, tmp_path: Path
) -> None:
    one, other = opened(tmp_path / "lock"), opened(tmp_path / "lock")
    assert try_lock(one, shared=first) == "held"
    assert try_lock(other, shared=second) == state
    os.close(one)
    assert try_lock(other, shared=second) == "held"
    os.close(other)


def test_a_file_system_without_locks_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def flock(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ModelError, match="does not support locks"), locked(tmp_path / "lock"):
        pass
