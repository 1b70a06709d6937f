"""After any fault the cache holds a whole, checked model or none, and the next call succeeds."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import stat
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faulty_server as faults
import pytest
from faulty_server import Server, faulty_server
from fetch_worker import RETRIES, STAGES, work, zoo
from index_entries import entry
from toy_models import toy_model

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.archive import ArchiveLimits, pack
from sct_deepseg_general.zoo.cache import ModelCache
from sct_deepseg_general.zoo.install import FetchOptions
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.zoo import Zoo

QUICK = FetchOptions(retries=RETRIES, limits=ArchiveLimits(members=30, size=1 << 22))
ANY = random.Random(11)  # noqa: S311  # moments to kill at, not secrets


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """What is published."""
    return toy_model(tmp_path / "published", seed=bytes(200_000))


@pytest.fixture
def archive(model: Model, tmp_path: Path) -> Path:
    pack({path.name: path for path in model.folder.iterdir()}, tmp_path / "toy.zip")
    return tmp_path / "toy.zip"


@pytest.fixture
def server(archive: Path) -> Iterator[Server]:
    with faulty_server(archive.read_bytes()) as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path, archive: Path, server: Server) -> Path:
    """A folder with an index that has the toy model on the server."""
    write(tmp_path, entry(archive, server.url))
    (tmp_path / "package").mkdir()
    return tmp_path


def write(folder: Path, *entries: dict[str, Any]) -> None:
    content = {"format": 1, "default": "toy@0.1.0", "models": list(entries)}
    (folder / "index.json").write_text(json.dumps(content))


def assert_whole_or_none(folder: Path, digest: str) -> bool:
    """The cache's visible content is the whole model or nothing; says which."""
    visible = [p for p in (folder / "models").glob("*") if not p.name.startswith(".")]
    assert [p.name for p in visible] in ([], ["toy@0.1.0"])
    for path in visible:
        assert Model.load(path, full=True).digest == digest
    return bool(visible)


def assert_clean(folder: Path) -> None:
    """Beside the model only its lock file is left."""
    left = {path.name for path in (folder / "models").iterdir()}
    assert left == {"toy@0.1.0", ".toy@0.1.0.lock"}


def test_a_fetched_model_is_the_published_one(folder: Path, model: Model, server: Server) -> None:
    found = zoo(folder).obtain("toy", QUICK)
    assert found.digest == model.digest
    assert found.folder == folder / "models" / "toy@0.1.0"
    assert_clean(folder)
    assert zoo(folder).obtain("toy@0.1.0", QUICK) == found
    assert len(server.ranges) == 1


FAULTS: dict[str, list[faults.Fault]] = {
    "500 then 200": [faults.status(500)],
    "cut": [faults.cut_after(100_000)],
    "cut twice": [faults.cut_after(1), faults.cut_after(0)],
    "slow": [faults.slow(20_000, 0.01)],
    "claims less": [faults.claims(-5)],
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_passing_fault_is_overcome(folder: Path, model: Model, server: Server, name: str) -> None:
    server.faults = list(FAULTS[name])
    assert zoo(folder).obtain("toy", QUICK).digest == model.digest
    assert_clean(folder)


def _add(name: str, content: bytes, kind: int = stat.S_IFREG) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        member = zipfile.ZipInfo(name)
        member.create_system = 3
        member.external_attr = (kind | 0o644) << 16
        member.compress_type = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(path, "a") as bundle:
            bundle.writestr(member, content)

    return change


def _replace_weights(path: Path) -> None:
    with zipfile.ZipFile(path) as old:
        content = {name: old.read(name) for name in old.namelist()}
    content["network.bin"] += b"!"
    with zipfile.ZipFile(path, "w") as new:
        for name, one in content.items():
            new.writestr(name, one)


HOSTILE: dict[str, Callable[[Path], None]] = {
    "bomb": _add("bomb.bin", bytes(64 << 20)),
    "escape": _add("../../evil.bin", b"evil"),
    "absolute": _add("/tmp/evil.bin", b"evil"),  # noqa: S108  # never written
    "symlink": _add("evil.bin", b"/etc/passwd", stat.S_IFLNK),
    "device": _add("evil.bin", b"", stat.S_IFCHR),
    "code": _add("trainer_class.py", b"print(1)"),
    "other weights": _replace_weights,
    "no archive": lambda path: path.write_bytes(b"<html>Not found</html>") and None,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_never_reaches_the_cache(
    folder: Path, model: Model, archive: Path, server: Server, name: str
) -> None:
    """Even one whose hash the index vouches for."""
    good = archive.read_bytes()
    HOSTILE[name](archive)
    server.content = archive.read_bytes()
    write(folder, entry(archive, server.url))
    with pytest.raises(ModelError):
        zoo(folder).obtain("toy", QUICK)
    assert not assert_whole_or_none(folder, model.digest)
    assert [p.name for p in (folder / "models").iterdir()] == [".toy@0.1.0.lock"]
    assert not list(folder.rglob("evil*"))
    archive.write_bytes(good)
    server.content = good
    write(folder, entry(archive, server.url))
    assert zoo(folder).obtain("toy", QUICK).digest == model.digest


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tampered_archive_is_stopped_by_its_hash(
    folder: Path, model: Model, archive: Path, server: Server, name: str
) -> None:
    HOSTILE[name](archive)
    server.content = archive.read_bytes()
    with pytest.raises(ModelError, match=r"SHA-256|offers|bytes|416"):
        zoo(folder).obtain("toy", QUICK)
    assert not assert_whole_or_none(folder, model.digest)


def test_an_archive_of_another_model_is_refused(
    folder: Path, archive: Path, server: Server
) -> None:
    write(folder, entry(archive, server.url, version="0.2.0"))
    with pytest.raises(ModelError, match=r"another model than toy@0.2.0: toy@0.1.0"):
        zoo(folder).obtain("toy", QUICK)
    write(folder, entry(archive, server.url, digest="0" * 64))
    with pytest.raises(ModelError, match="another model"):
        zoo(folder).obtain("toy", QUICK)


def test_versions_live_side_by_side(folder: Path, archive: Path, server: Server) -> None:
    old = zoo(folder).obtain("toy", QUICK)
    newer = toy_model(folder / "newer", version="0.2.0", replaces="toy@0.1.0")
    pack({path.name: path for path in newer.folder.iterdir()}, folder / "newer.zip")
    with faulty_server((folder / "newer.zip").read_bytes()) as second:
        write(
            folder,
            entry(archive, server.url),
            entry(folder / "newer.zip", second.url, version="0.2.0"),
        )
        assert zoo(folder).obtain("toy", QUICK).key == "toy@0.2.0"
    assert zoo(folder).here("toy@0.1.0") == old
    assert zoo(folder).here("toy").digest == newer.digest


def test_a_damaged_model_is_replaced_whole(folder: Path, model: Model) -> None:
    found = zoo(folder).obtain("toy", QUICK)
    found.path("network.bin").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"network\.bin"):
        zoo(folder).here("toy")
    assert zoo(folder).obtain("toy", QUICK).digest == model.digest
    assert_clean(folder)


def test_a_damaged_model_stays_until_the_new_one_is_there(folder: Path, server: Server) -> None:
    found = zoo(folder).obtain("toy", QUICK)
    found.path("network.bin").write_bytes(b"damaged")
    server.always = faults.status(404)
    with pytest.raises(ModelError):
        zoo(folder).obtain("toy", QUICK)
    assert found.path("network.bin").read_bytes() == b"damaged"


def test_offline_says_how_to_bring_the_file(folder: Path, archive: Path, server: Server) -> None:
    with pytest.raises(ModelError, match=r"download http.*models fetch -from FILE"):
        zoo(folder).obtain("toy", FetchOptions(offline=True))
    assert server.ranges == []
    assert zoo(folder).install((archive,), None, FetchOptions(offline=True)).key == "toy@0.1.0"
    assert zoo(folder).obtain("toy", FetchOptions(offline=True)).key == "toy@0.1.0"
    assert server.ranges == []


def test_a_file_that_no_index_knows_needs_trust(folder: Path, archive: Path, model: Model) -> None:
    write(folder)
    with pytest.raises(ModelError, match="add -trust"):
        zoo(folder).install((archive,), None, QUICK)
    trusted = FetchOptions(trust=True)
    assert zoo(folder).install((archive,), None, trusted).digest == model.digest
    assert zoo(folder).install((archive,), None, trusted).digest == model.digest
    assert zoo(folder).here("toy").digest == model.digest
    other = toy_model(folder / "other", seed=b"other")
    pack({path.name: path for path in other.folder.iterdir()}, folder / "other.zip")
    with pytest.raises(ModelError, match=r"Another toy@0\.1\.0"):
        zoo(folder).install((folder / "other.zip",), None, trusted)


def test_a_file_given_for_a_pinned_name_must_be_it(folder: Path, archive: Path) -> None:
    _add("extra.bin", b"1")(archive)
    with pytest.raises(ModelError, match=r"is not toy@0.1.0: its SHA-256"):
        zoo(folder).install((archive,), "toy", FetchOptions(trust=True))
    with pytest.raises(ModelError, match="no file"):
        zoo(folder).install((folder / "absent.zip",), "toy", QUICK)


def test_an_unpinned_model_needs_trust_once_and_is_pinned_from_then_on(
    folder: Path, archive: Path, model: Model, server: Server
) -> None:
    unpinned = entry(archive, server.url, sha256=None, size=None)
    write(folder, unpinned)
    with pytest.raises(ModelError, match=r"No hash was published.*-trust"):
        zoo(folder).obtain("toy", QUICK)
    assert server.ranges == []
    trusting = FetchOptions(trust=True, retries=RETRIES)
    assert zoo(folder).obtain("toy", trusting).digest == model.digest
    zoo(folder).remove("toy")
    assert zoo(folder).obtain("toy", trusting).digest == model.digest
    zoo(folder).remove("toy")
    server.content = server.content[:-22] + b"PK\x05\x06" + server.content[-18:-2] + b"\x01\x00!"
    with pytest.raises(ModelError, match="first trusted"):
        zoo(folder).obtain("toy", trusting)
    assert not assert_whole_or_none(folder, model.digest)


def test_results_of_nnunet_are_not_converted_in_passing(
    folder: Path, archive: Path, server: Server
) -> None:
    write(folder, entry(archive, server.url, kind="nnunet"))
    with pytest.raises(ModelError, match="explicit"):
        zoo(folder).obtain("toy", QUICK)
    assert server.ranges == []


def test_a_full_disk_is_found_before_the_download(
    folder: Path, archive: Path, server: Server
) -> None:
    write(folder, entry(archive, server.url, size=1 << 60))
    with pytest.raises(ModelError, match="free"):
        zoo(folder).obtain("toy", QUICK)
    assert server.ranges == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB, where one may be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = [shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_fills_leaves_nothing_half(
    folder: Path, server: Server, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sct_deepseg_general.zoo.install.check_space", lambda *_: None)
    monkeypatch.setattr("sct_deepseg_general.zoo.download.check_space", lambda *_: None)
    full = Zoo(zoo(folder).index, ModelCache(folder / "package", (small_disk,)))
    with pytest.raises(ModelError, match="No space left"):
        full.obtain("toy", QUICK)
    assert [p.name for p in small_disk.iterdir() if p.name[0] != "."] == []


# Many processes, and death at every stage. Children are forked from a process that has
# already imported everything, so that eight of them start in a moment.

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(["sct_deepseg_general.zoo.zoo", "requests", "urllib3"])


def _run(folder: Path, stages: list[str | None]) -> list[str]:
    """Run a process for each stage at once; what the survivors report."""
    results = SPAWN.SimpleQueue()
    processes = [SPAWN.Process(target=work, args=(folder, stage, results)) for stage in stages]
    for process in processes:
        process.start()
    found = [results.get() for stage in stages if stage is None]
    for process in processes:
        process.join(240)
    killed = [p.exitcode for p, stage in zip(processes, stages, strict=True) if stage]
    assert all(code in {0, -signal.SIGKILL} for code in killed)
    return found


def test_eight_processes_download_once(folder: Path, model: Model, server: Server) -> None:
    server.always = faults.slow(50_000, 0.05)
    assert _run(folder, [None] * 8) == [model.digest] * 8
    assert len(server.ranges) == 1
    assert_clean(folder)


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_a_stage_alone(folder: Path, model: Model, stage: str) -> None:
    results = SPAWN.SimpleQueue()
    victim = SPAWN.Process(target=work, args=(folder, stage, results))
    victim.start()
    victim.join(240)
    assert victim.exitcode == -signal.SIGKILL, "the stage was never reached"
    assert_whole_or_none(folder, model.digest)
    assert zoo(folder).obtain("toy", QUICK).digest == model.digest
    assert_clean(folder)


SOME = {"before the lock", "first bytes", "fifth file unpacked", "moved"}


@pytest.mark.parametrize(
    "stage", [pytest.param(s, marks=[] if s in SOME else pytest.mark.slow) for s in STAGES]
)
def test_eight_at_once_and_one_killed_at_a_stage(
    folder: Path, model: Model, server: Server, stage: str
) -> None:
    server.always = faults.slow(100_000, 0.02)
    found = _run(folder, [stage, *[None] * 7])
    assert found == [model.digest] * 7
    assert assert_whole_or_none(folder, model.digest)
    assert zoo(folder).obtain("toy", QUICK).digest == model.digest
    assert_clean(folder)


def test_killed_at_any_moment(folder: Path, model: Model, server: Server) -> None:
    server.always = faults.slow(20_000, 0.01)
    for _round in range(12):
        results = SPAWN.SimpleQueue()
        victim = SPAWN.Process(target=work, args=(folder, None, results))
        victim.start()
        time.sleep(ANY.uniform(0.02, 0.35))
        victim.kill()
        victim.join(240)
        assert_whole_or_none(folder, model.digest)
    server.always = None
    assert zoo(folder).obtain("toy", QUICK).digest == model.digest
    assert_clean(folder)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only, for root too where it may mount."""
    done: list[Path] = []

    def make(folder: Path) -> None:
        done.append(folder)
        if os.geteuid():
            folder.chmod(0o555)
            return
        for words in (["--bind", folder, folder], ["-o", "remount,ro,bind", folder]):
            if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
                pytest.skip("root, and no file system may be mounted here")

    yield make
    for folder in done:
        if os.geteuid():
            folder.chmod(0o755)
        else:
            subprocess.run(["umount", folder], check=False)


def test_a_read_only_cache_serves(
    folder: Path, model: Model, read_only: Callable[[Path], None]
) -> None:
    """As a module on a cluster: a folder that its users may not write to."""
    zoo(folder).obtain("toy", QUICK)
    read_only(folder / "models")
    shutil.rmtree(folder / "cache")
    for _ in range(2):
        found = zoo(folder).obtain("toy", FetchOptions(offline=True))
        assert found.digest == model.digest
        assert found.folder.parent == folder / "models"
    with pytest.raises(ModelError, match=r"Cannot (remove|write)"):
        zoo(folder).remove("toy")


def test_what_a_read_only_cache_lacks_goes_to_the_next(
    folder: Path, model: Model, read_only: Callable[[Path], None]
) -> None:
    shared, own = folder / "shared", folder / "own"
    shared.mkdir()
    read_only(shared)
    two = Zoo(zoo(folder).index, ModelCache(folder / "package", (shared, own)))
    assert two.obtain("toy", QUICK).folder.parent == own
    alone = Zoo(zoo(folder).index, ModelCache(folder / "package", (shared,)))
    with pytest.raises(ModelError, match="SCT_DEEPSEG_GENERAL_MODELS"):
        alone.obtain("toy", QUICK)


def test_a_damaged_copy_in_a_shared_cache_does_not_hide_a_good_one(
    folder: Path, model: Model
) -> None:
    zoo(folder).obtain("toy", QUICK)
    shutil.copytree(folder / "models" / "toy@0.1.0", folder / "shared" / "toy@0.1.0")
    (folder / "shared" / "toy@0.1.0" / "network.bin").write_bytes(b"damaged")
    both = ModelCache(folder / "package", (folder / "shared", folder / "models"))
    assert Zoo(zoo(folder).index, both).here("toy").digest == model.digest


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    write(folder)
    with pytest.raises(ModelError, match=r"There is no file .*absent\.zip"):
        zoo(folder).install((folder / "absent.zip",), None, FetchOptions(trust=True))
