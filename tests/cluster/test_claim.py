"""One batch at a time works in an output folder, or the shards of one batch."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from sct_deepseg_general.cluster import claim
from sct_deepseg_general.cluster.claim import claimed
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.errors import OutputError


def test_a_folder_is_claimed_by_one_or_by_shards_of_one_division(tmp_path):
    with claimed(tmp_path, Shard(1, 2)), claimed(tmp_path, Shard(2, 2)):
        for other in (Shard(), Shard(1, 2), Shard(3, 3)):
            with pytest.raises(OutputError, match="Another batch"), claimed(tmp_path, other):
                pass
    with claimed(tmp_path, Shard()) as held:
        assert held


def test_a_claim_ends_with_its_thread_of_work(tmp_path):
    def hold() -> None:
        with claimed(tmp_path, Shard()):
            pass

    worker = threading.Thread(target=hold)
    worker.start()
    worker.join()
    with claimed(tmp_path, Shard()):
        pass


def test_a_claim_in_a_file_is_an_output_error(tmp_path: Path):
    (tmp_path / "batch").touch()
    with pytest.raises(OutputError, match="Cannot make"), claimed(tmp_path / "batch", Shard()):
        pass


def test_a_place_without_locks_is_said_to_hold_nothing(tmp_path: Path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(_handle: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with claimed(tmp_path, Shard()) as held:
        assert not held


def test_a_system_without_locks_is_said_to_hold_nothing(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(claim, "try_lock", lambda _handle, shared=False: "unsupported")
    with claimed(tmp_path, Shard()) as held:
        assert not held


def test_a_lock_that_cannot_be_made_is_an_output_error(tmp_path: Path):
    (tmp_path / Shard().label / "lock").mkdir(parents=True)
    with pytest.raises(OutputError, match="Cannot write"), claimed(tmp_path, Shard()):
        pass
