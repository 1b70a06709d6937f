"""The journal: what was written is read, what was torn is passed over, the later run holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sct_deepseg_general.batch.journal import Journal, Record, journals, read
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.errors import OutputError

DONE = Record("done", "a", 1, "2026-01-01", status="ok", outputs={"a_seg": "12"}, reasons=("x",))


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(Record("begun", "a"), Record("begun", "b"))
        journal.add(DONE)
    history = read([path])
    assert history.ended == {"a": DONE}
    assert history.open == {"b"}
    assert (history.turn, history.torn) == (1, 0)


def test_a_journal_cut_at_any_byte_loses_at_most_its_last_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    records = [replace(DONE, key=f"ä{number}") for number in range(3)]
    with Journal(path) as journal:
        journal.add(*records)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            journal.add(replace(DONE, key="after"))
        ended = read([path]).ended
        assert "after" in ended
        lines = whole[:cut].count(b"\n")
        assert {f"ä{number}" for number in range(lines)} <= set(ended)


def test_garbage_is_counted_and_passed_over(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'\xff\xfe\n[]\n{"event":"done"}\n{"key":3}\nnull\n')
    with Journal(path) as journal:
        journal.add(DONE)
    assert read([path]).ended == {"a": DONE}
    assert read([path]).torn == 5


def test_the_later_run_holds_whatever_the_clock_says(tmp_path):
    early, late = tmp_path / "1", tmp_path / "2"
    with Journal(late) as journal:
        journal.add(replace(DONE, turn=2, time="1999-01-01", status="warn"))
    with Journal(early) as journal:
        journal.add(replace(DONE, turn=1, time="2030-01-01", status="ok"))
    for order in ([early, late], [late, early]):
        assert read(order).ended["a"].status == "warn"


def test_an_image_begun_again_is_open_until_it_ends(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(DONE, Record("begun", "a", 2))
    assert read([path]).open == {"a"}
    with Journal(path) as journal:
        journal.add(replace(DONE, turn=2))
    assert read([path]).open == frozenset()


def test_a_shard_reads_its_own_journal_and_those_of_other_divisions(tmp_path):
    for label in ("0001-of-0001", "0001-of-0003", "0002-of-0003", "notes"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "journal.jsonl").touch()
    read_by_two = journals(tmp_path, Shard(2, 3))
    assert [path.parent.name for path in read_by_two] == ["0001-of-0001", "0002-of-0003"]
    assert len(journals(tmp_path)) == 3


def test_a_journal_that_cannot_be_opened_is_said(tmp_path):
    with pytest.raises(OutputError, match="Cannot write the journal"), Journal(tmp_path):
        pass


def test_empty_lines_of_a_journal_are_neither_records_nor_torn(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add(DONE)
    path.write_text("\n" + path.read_text() + "\n  \n")
    history = read([path])
    assert history.ended == {"a": DONE}
    assert history.torn == 0


def test_a_journal_that_cannot_be_read_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="Cannot read the journal"):
        read([tmp_path / "absent.jsonl"])
