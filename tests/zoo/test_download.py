"""However the network fails, the file arrives as it was published or not at all."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import faulty_server as faults
import pytest
from faulty_server import Server, faulty_server

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.zoo.download import (
    DownloadSource,
    RetryPolicy,
    check_space,
    check_url,
    download,
)

ANY = random.Random(5)  # noqa: S311  # bytes and places to cut, not secrets
CONTENT = ANY.randbytes(300_000)
HASH = hashlib.sha256(CONTENT).hexdigest()
QUICK = RetryPolicy(connect=60, read=60, attempts=3, pause=0.01)  # a loaded machine is no silence


@pytest.fixture
def server() -> Iterator[Server]:
    with faulty_server(CONTENT) as one:
        yield one


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "model.part"


def _known(*servers: Server) -> DownloadSource:
    return DownloadSource(tuple(one.url for one in servers), len(CONTENT), HASH)


def _unknown(server: Server, limit: int = 1 << 20) -> DownloadSource:
    return DownloadSource((server.url,), None, None, limit)


def test_a_good_server_needs_one_request(server: Server, part: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    assert download(_known(server), part, lambda *at: seen.append(at), QUICK) == HASH
    assert part.read_bytes() == CONTENT
    assert server.ranges == [None]
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_complete_part_needs_none(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT)
    assert download(_known(server), part, retries=QUICK) == HASH
    assert server.ranges == []


@pytest.mark.parametrize(
    "at",
    [
        0,
        1,
        65_535,
        65_536,
        65_537,
        150_000,
        len(CONTENT) - 1,
        *ANY.sample(range(300_000), 12),
    ],
)
def test_a_cut_anywhere_is_taken_up_there(server: Server, part: Path, at: int) -> None:
    server.faults = [faults.cut_after(at)]
    assert download(_known(server), part, retries=QUICK) == HASH
    assert part.read_bytes() == CONTENT
    assert len(server.ranges) == 2
    assert server.sent < len(CONTENT) + 1


@pytest.mark.parametrize("at", [0, 1, 150_000, len(CONTENT) - 1])
def test_without_a_known_hash_a_cut_file_is_not_taken_for_whole(
    server: Server, part: Path, at: int
) -> None:
    server.always = faults.cut_after(at)
    with pytest.raises(ModelError, match=r"bytes arrived|IncompleteRead|Protocol"):
        download(_unknown(server), part, retries=QUICK)


def test_many_cuts_do_not_exhaust_patience_while_bytes_come(server: Server, part: Path) -> None:
    server.faults = [faults.cut_after(30_000)] * 9
    assert download(_known(server), part, retries=RetryPolicy(attempts=1, pause=0.0)) == HASH
    assert len(server.ranges) == 10


def test_what_an_earlier_process_left_is_completed(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT[:200_000])
    assert download(_known(server), part, retries=QUICK) == HASH
    assert server.ranges == ["bytes=200000-"]
    assert server.sent == 100_000


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 9)])
def test_a_wrong_part_is_replaced(server: Server, part: Path, left: bytes) -> None:
    part.write_bytes(left)
    assert download(_known(server), part, retries=QUICK) == HASH


def test_a_server_without_ranges_starts_again(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT[:1000])
    server.always = faults.no_ranges
    assert download(_known(server), part, retries=QUICK) == HASH


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_a_passing_failure_is_tried_again(server: Server, part: Path, code: int) -> None:
    server.faults = [faults.status(code), faults.status(code)]
    assert download(_known(server), part, retries=QUICK) == HASH
    assert len(server.ranges) == 3


def test_a_lasting_failure_ends_in_a_sentence(server: Server, part: Path) -> None:
    server.always = faults.status(500)
    with pytest.raises(ModelError, match=r"answers 500.*-from FILE"):
        download(_known(server), part, retries=QUICK)
    assert len(server.ranges) == QUICK.attempts


def test_what_is_not_there_is_not_asked_for_again(server: Server, part: Path) -> None:
    server.always = faults.status(404)
    with pytest.raises(ModelError, match="answers 404"):
        download(_known(server), part, retries=QUICK)
    assert len(server.ranges) == 1


def test_mirrors_are_tried_in_order(server: Server, part: Path) -> None:
    with faulty_server(CONTENT) as second, faulty_server(CONTENT) as third:
        server.always = faults.status(404)
        assert download(_known(server, second, third), part, retries=QUICK) == HASH
        assert (len(server.ranges), len(second.ranges), len(third.ranges)) == (1, 1, 0)


def test_a_mirror_completes_what_another_began(server: Server, part: Path) -> None:
    with faulty_server(CONTENT) as second:
        server.always = faults.cut_after(100_000)
        assert download(_known(server, second), part, retries=QUICK) == HASH
        assert second.ranges == ["bytes=100000-"]


def test_a_server_that_is_not_there(part: Path) -> None:
    with faulty_server() as gone:
        pass
    with pytest.raises(ModelError, match="download failed"):
        download(_known(gone), part, retries=QUICK)


def test_tampered_bytes_are_not_kept(server: Server, part: Path) -> None:
    tampered = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    server.always = faults.other(tampered)
    with pytest.raises(ModelError, match="SHA-256"):
        download(_known(server), part, retries=QUICK)
    assert not part.exists()
    assert len(server.ranges) == 1  # the same mirror is not asked for the same lie


def test_a_tampered_mirror_gives_way_to_an_honest_one(server: Server, part: Path) -> None:
    server.always = faults.other(CONTENT[::-1])
    with faulty_server(CONTENT) as honest:
        assert download(_known(server, honest), part, retries=QUICK) == HASH


@pytest.mark.parametrize("extra", [-100_000, -1, 1, 100_000])
def test_a_lie_about_the_length_changes_nothing(server: Server, part: Path, extra: int) -> None:
    server.faults = [faults.claims(extra)]
    with faulty_server(CONTENT) as honest:
        assert download(_known(server, honest), part, retries=QUICK) == HASH
    assert part.read_bytes() == CONTENT


def test_more_than_promised_is_not_stored(server: Server, part: Path) -> None:
    server.always = faults.endless
    with pytest.raises(ModelError, match=f"more than {len(CONTENT)} bytes"):
        download(_known(server), part, retries=QUICK)
    assert not part.exists()


def test_an_unknown_size_has_a_limit(server: Server, part: Path) -> None:
    server.always = faults.endless
    with pytest.raises(ModelError, match="more than 1048576 bytes"):
        download(_unknown(server), part, retries=QUICK)
    assert not part.exists()


def test_an_unknown_hash_is_given_back(server: Server, part: Path) -> None:
    part.write_bytes(b"left by another")
    server.faults = [faults.cut_after(100_000)]
    assert download(_unknown(server), part, retries=QUICK) == HASH
    assert server.ranges == [None, None]  # without a hash nothing old is built upon


def test_a_silent_server_is_left(server: Server, part: Path) -> None:
    server.faults = [faults.silent(60)]
    assert download(_known(server), part, retries=replace(QUICK, read=0.5)) == HASH
    assert len(server.ranges) >= 2


def test_a_dripping_server_is_left(server: Server, part: Path) -> None:
    server.always = faults.slow(20, 0.05)
    retries = replace(QUICK, slowest=10_000, window=0.3)
    with pytest.raises(ModelError, match="bytes a second"):
        download(_known(server), part, retries=retries)


def test_a_slow_server_is_waited_for(server: Server, part: Path) -> None:
    server.always = faults.slow(10_000, 0.03)
    assert download(_known(server), part, retries=QUICK) == HASH


def test_encoded_bytes_are_refused(server: Server, part: Path) -> None:
    server.always = faults.encoded
    with pytest.raises(ModelError, match="encoded"):
        download(_known(server), part, retries=QUICK)


def test_redirects_are_followed_on_this_machine(server: Server, part: Path) -> None:
    server.faults = [faults.redirect(server.url), faults.redirect("/elsewhere.zip")]
    assert download(_known(server), part, retries=QUICK) == HASH


@pytest.mark.parametrize("to", ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_to_what_is_not_https_is_refused(server: Server, part: Path, to: str) -> None:
    server.always = faults.redirect(to)
    with pytest.raises(ModelError, match="redirects to what is not https"):
        download(_known(server), part, retries=QUICK)


def test_redirects_without_end_end(server: Server, part: Path) -> None:
    server.always = faults.redirect(server.url)
    with pytest.raises(ModelError, match="without end"):
        download(_known(server), part, retries=QUICK)


@pytest.mark.parametrize(
    "url", ["https://example.org/a", "http://localhost/a", "http://127.0.0.1:8/a", "http://[::1]/a"]
)
def test_urls_that_may_be_fetched(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a",
        "http://127.0.0.1.example.org/a",
        "http://localhost.example.org/",
        "http://127.0.0.1@example.org/",
        "http://0x7f.1/",
        "http:///a",
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
    ],
)
def test_urls_that_may_not(url: str) -> None:
    with pytest.raises(ModelError, match="only https"):
        check_url(url)


def test_the_disk_must_have_room(tmp_path: Path, server: Server, part: Path) -> None:
    check_space(tmp_path, 1)
    with pytest.raises(ModelError, match="free"):
        check_space(tmp_path, 1 << 60)
    huge = DownloadSource((server.url,), 1 << 60, HASH)
    with pytest.raises(ModelError, match="free"):
        download(huge, part, retries=QUICK)
    assert server.ranges == []


def test_a_part_that_cannot_be_written_is_one_sentence(server: Server, part: Path) -> None:
    part.mkdir()
    with pytest.raises(ModelError, match="Cannot write"):
        download(DownloadSource((server.url,), 1 << 20, HASH), part, retries=QUICK)
