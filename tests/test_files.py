"""A reader sees the old file or the new one; a fault leaves nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from full_disk import full_after

from sct_deepseg_general import files
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import (
    FileStamp,
    clear_abandoned,
    sha256,
    write_whole,
    written_together,
)

FULL = os.strerror(errno.EFBIG)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.nii.gz"
    with write_whole(target) as temporary:
        temporary.write_bytes(b"new")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".nii.gz")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["a.nii.gz"]


def write(path: Path, content: bytes, fault: type[BaseException] | None = None) -> None:
    with write_whole(path) as temporary:
        temporary.write_bytes(content)
        if fault is not None:
            raise fault


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_fault_leaves_the_old_file(fault: type[BaseException], tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(fault):
        write(target, b"half", fault)
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with full_after(1000), pytest.raises(OutputError, match=FULL) as caught:
        write(tmp_path / "a.bin", bytes(5000))
    assert str(tmp_path / "a.bin") in str(caught.value)
    assert names(tmp_path) == []


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        write(tmp_path / "no" / "a", b"new")


def test_a_folder_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="directory"):
        write(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]


def vanish(folder: Path) -> None:
    with write_whole(folder / "a") as temporary:
        temporary.unlink()
        folder.rmdir()


def test_a_folder_that_vanishes_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with pytest.raises(OutputError, match="No such file"):
        vanish(folder)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with write_whole(tmp_path / "a") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask


def test_files_written_together_appear_together(tmp_path: Path) -> None:
    paths = (tmp_path / "a.nii", tmp_path / "b.json")
    with written_together(paths) as temporary:
        for path in paths:
            temporary[path].write_text(path.name)
        assert not any(path.exists() for path in paths)
    assert [path.read_text() for path in paths] == ["a.nii", "b.json"]
    assert names(tmp_path) == ["a.nii", "b.json"]


def test_if_one_cannot_be_written_none_is(tmp_path: Path) -> None:
    first, second = tmp_path / "a.nii", tmp_path / "b.json"
    first.write_text("old")

    def write_both() -> None:
        with written_together((first, second)) as temporary:
            write(temporary[first], b"new")
            write(temporary[second], bytes(5000))

    with full_after(1000), pytest.raises(OutputError, match=FULL) as caught:
        write_both()
    assert ".part-" not in str(caught.value)
    assert first.read_text() == "old"
    assert names(tmp_path) == ["a.nii"]


WRITING = (  # the command's own start, then a file half written and a child waiting
    "import os, signal, sys; from pathlib import Path\n"
    "from sct_deepseg_general.cli import main\n"
    "from sct_deepseg_general.files import write_whole\n"
    "target = Path(sys.argv[1]); sys.argv[1:] = ['-version']\n"
    "try: main()\n"
    "except SystemExit: pass\n"
    "with write_whole(target) as t:\n"
    "    t.write_text('half')\n"
    "    sys.stdout.flush()\n"
    "    child = os.fork()\n"
    "    if not child: print(os.getpid(), flush=True)\n"
    "    while True:\n"
    "        if child: print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)\n"
    "        child = 0; signal.pause()\n"
)


def test_sigterm_removes_the_temporary_file_and_ends_a_forked_child_at_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITING, tmp_path / "a.txt"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _version, child = process.stdout.readline(), int(process.stdout.readline())
        os.kill(child, signal.SIGTERM)
        assert int(process.stdout.readline()) == -signal.SIGTERM
        assert len(names(tmp_path)) == 1  # the child has taken nothing of its parent's with it
        process.send_signal(signal.SIGTERM)
        assert process.wait(600) == 143
    assert names(tmp_path) == []


def test_what_the_killed_left_is_removed_and_the_living_keep_theirs(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path\n"
        "from sct_deepseg_general.files import write_whole\n"
        "with write_whole(Path(sys.argv[1])) as t:\n"
        "    t.write_text('half'); os.kill(os.getpid(), 9)\n"
    )
    words = [sys.executable, "-c", script, tmp_path / "dead.txt"]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    (dead,) = names(tmp_path)
    (tmp_path / ".part-link").symlink_to(tmp_path / "mine")
    (tmp_path / "mine").write_text("not temporary")
    with write_whole(tmp_path / "alive.txt") as temporary:
        temporary.write_text("whole")
        clear_abandoned(tmp_path)
        assert dead not in names(tmp_path)
        assert temporary.exists()
    assert names(tmp_path) == [".part-link", "alive.txt", "mine"]
    clear_abandoned(tmp_path / "no such folder")


def test_a_file_taken_away_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def stolen_once(*words: object, **options: object) -> tuple[int, str]:
        handle, name = tempfile.mkstemp(*words, **options)  # type: ignore[call-overload]
        if not made:
            Path(name).unlink()
        made.append(name)
        return handle, name

    monkeypatch.setattr(files, "tempfile", SimpleNamespace(mkstemp=stolen_once))
    with write_whole(tmp_path / "a") as temporary:
        temporary.write_text("x")
    assert len(made) == 2
    assert names(tmp_path) == ["a"]


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "a").write_bytes(content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_a_stamp_changes_with_size_or_time_and_with_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    before = FileStamp.of(path)
    path.read_text()
    path.chmod(0o600)
    assert FileStamp.of(path) == before == FileStamp(3, path.stat().st_mtime_ns)
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns + 1))
    later = FileStamp.of(path)
    assert later != before
    path.write_text("three")
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
    assert FileStamp.of(path) not in (before, later)


def test_a_missing_file_has_an_empty_stamp_or_none(tmp_path: Path) -> None:
    assert FileStamp.if_present(tmp_path / "absent") == FileStamp(0, 0)
    with pytest.raises(FileNotFoundError):
        FileStamp.of(tmp_path / "absent")
