"""A bundle packs to the same bytes and unpacks to the same model; a hostile one does neither."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_models import toy_model

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.archive import ArchiveLimits, pack, unpack, unpack_model
from sct_deepseg_general.zoo.model import Model

ARCHIVE_LIMITS = ArchiveLimits(members=30, size=1 << 20)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def packed(model: Model, archive: Path) -> Path:
    pack({path.name: path for path in model.folder.iterdir()}, archive)
    return archive


def _zip(path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def _special(name: str, kind: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    return member


def test_round_trip(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "toy")
    archive = packed(model, tmp_path / "toy.zip")
    again = unpack_model(archive, tmp_path / "again", ARCHIVE_LIMITS)
    assert again.digest == model.digest
    for path in model.folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    one = packed(toy_model(tmp_path / "one"), tmp_path / "one.zip")
    two = packed(toy_model(tmp_path / "two"), tmp_path / "two.zip")
    assert one.read_bytes() == two.read_bytes()


def test_members_are_plain_files_of_one_date(tmp_path: Path) -> None:
    archive = packed(toy_model(tmp_path / "toy"), tmp_path / "toy.zip")
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert stat.S_ISREG(member.external_attr >> 16)


ESCAPES = [
    "../evil",
    "/evil",
    "a/../../evil",
    "C:/evil",
    "a\\..\\evil",
    "~/evil",
    "a//b",
    ".evil",
    "",
    "a\n",
]


@pytest.mark.parametrize("name", ESCAPES)
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = _zip(tmp_path / "x.zip", ("good", b"1"), (zipfile.ZipInfo(name), b"evil"))
    (tmp_path / "in").mkdir()
    with pytest.raises(ModelError, match="not allowed"):
        unpack(archive, tmp_path / "in" / "to", ARCHIVE_LIMITS)
    assert not any("evil" in path.name for path in tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK]
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    archive = _zip(tmp_path / "x.zip", (_special("model.json", kind), b"/etc/passwd"))
    with pytest.raises(ModelError, match="link or a device"):
        unpack(archive, tmp_path / "to", ARCHIVE_LIMITS)
    assert list((tmp_path / "to").iterdir()) == []


def test_a_refused_member_is_refused_even_if_not_wanted(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", ("good", b"1"), ("../evil", b"2"))
    with pytest.raises(ModelError, match="not allowed"):
        unpack(archive, tmp_path / "to", ARCHIVE_LIMITS, expected=lambda name: name == "good")


def test_only_wanted_members_are_written(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", ("a/good", b"1"), ("a/code.py", b"2"), ("a/", b""))
    unpack(archive, tmp_path / "to", ARCHIVE_LIMITS, expected=lambda name: name.endswith("good"))
    files = [path for path in (tmp_path / "to").rglob("*") if path.is_file()]
    assert files == [tmp_path / "to" / "a" / "good"]


def test_a_bomb_is_refused_by_what_it_says(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", ("bomb", bytes(2 << 20)))
    assert archive.stat().st_size < 10_000
    with pytest.raises(ModelError, match="more than 1048576 bytes"):
        unpack(archive, tmp_path / "to", ARCHIVE_LIMITS)


def test_a_bomb_that_hides_its_size_is_stopped_while_it_unpacks(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", ("bomb", bytes(9 << 20)))
    content = bytearray(archive.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (1 << 19).to_bytes(4, "little")
    archive.write_bytes(content)
    with pytest.raises(ModelError):
        unpack(archive, tmp_path / "to", ARCHIVE_LIMITS)
    assert (tmp_path / "to" / "bomb").stat().st_size <= ARCHIVE_LIMITS.size


def test_two_members_share_one_limit(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", ("a", bytes(700_000)), ("b", bytes(700_000)))
    with pytest.raises(ModelError, match="more than"):
        unpack(archive, tmp_path / "to", ARCHIVE_LIMITS)


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", *((f"m{number}", b"") for number in range(31)))
    with pytest.raises(ModelError, match="31 entries"):
        unpack(archive, tmp_path / "to", ARCHIVE_LIMITS)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a", "a"), ("a", "A")])
def test_one_name_twice_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    archive = _zip(tmp_path / "x.zip", *((name, b"1") for name in names))
    with pytest.raises(ModelError, match="twice"):
        unpack(archive, tmp_path / "to", ARCHIVE_LIMITS)


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "x.zip", ("a", b"1"))
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(ModelError, match="encrypted"):
        unpack(archive, tmp_path / "to", ARCHIVE_LIMITS)


def _truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flipped(content: bytes) -> bytes:
    middle = content.index(b"PK\x01\x02") // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [_truncated, _flipped, lambda _: b"", lambda _: b"PK\x05\x06"])
def test_a_damaged_archive_is_one_sentence(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    archive = packed(toy_model(tmp_path / "toy"), tmp_path / "toy.zip")
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(ModelError, match=r"toy\.zip|not the file it was"):
        unpack_model(archive, tmp_path / "to", ARCHIVE_LIMITS)


def test_no_single_flipped_byte_goes_unseen(tmp_path: Path) -> None:
    """Whatever byte is changed, the model is refused or is the model."""
    model = toy_model(tmp_path / "toy")
    content = packed(model, tmp_path / "toy.zip").read_bytes()
    for number, at in enumerate(range(0, len(content), 397)):
        archive = tmp_path / "bad.zip"
        archive.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        try:
            found = unpack_model(archive, tmp_path / f"to{number}", ARCHIVE_LIMITS)
        except ModelError:
            continue
        assert found.digest == model.digest


def test_a_file_the_manifest_does_not_list_is_refused(tmp_path: Path) -> None:
    model = toy_model(tmp_path / "toy")
    archive = packed(model, tmp_path / "toy.zip")
    with zipfile.ZipFile(archive, "a") as bundle:
        bundle.writestr("trainer_class.py", "print('run')")
    with pytest.raises(ModelError, match=r"trainer_class.py, which its MANIFEST does not list"):
        unpack_model(archive, tmp_path / "to", ARCHIVE_LIMITS)


def test_a_bundle_holds_no_code_and_no_pickle(tmp_path: Path) -> None:
    archive = packed(toy_model(tmp_path / "toy"), tmp_path / "toy.zip")
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as bundle:
        endings = {name.rsplit(".", 1)[-1] for name in bundle.namelist()}
    assert endings <= {"json", "md", "csv", "safetensors", "xml", "bin", "MANIFEST"}
