from __future__ import annotations

from pathlib import Path

import pytest
from measurements import profile, row

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.measurement import METRICS
from sct_deepseg_general.evaluation.tables import (
    append,
    grouped,
    read_csv,
    read_lines,
    text,
    write_csv,
)

ROWS = [
    row("general", "a", "one", dice=0.9123456789, contrast="T2w"),
    row("general", "b", "one", dice=0.7, contrast="T2w", status="empty"),
    row("general", "c", "two", dice=0.5, reason='said, "no"\nand stopped'),
]


def test_a_table_survives_the_file(tmp_path: Path) -> None:
    write_csv(ROWS, tmp_path / "evaluation.csv")
    again = read_csv(tmp_path / "evaluation.csv")
    assert [one.reason for one in again] == [one.reason for one in ROWS]
    for one, other in zip(ROWS, again, strict=True):
        for name in METRICS:
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-5)


@pytest.mark.parametrize(
    ("content", "told"),
    [("a,b\n1,2\n", "not a table"), (None, "Cannot read .*: No such file or directory\\.")],
)
def test_another_table_is_refused(tmp_path: Path, content: str | None, told: str) -> None:
    path = tmp_path / "evaluation.csv"
    if content:
        path.write_text(content)
    with pytest.raises(DatasetError, match=told):
        read_csv(path)


def test_a_journal_keeps_every_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert read_lines(path) == ()
    rows = [row(dice=1 / 3, profile=profile(0, 10, 50)), row("b", dice=0.1)]
    for one in rows:
        append(one, path)
    assert list(read_lines(path)) == rows
    with path.open("ab") as stream:
        stream.write(b'{"model": "cut sho')
    assert list(read_lines(path)) == rows
    append(rows[0], path)
    assert len(read_lines(path)) == 3


def test_the_printed_table_has_every_image_and_the_spread() -> None:
    printed = text(ROWS)
    assert "one_b (empty)" in printed
    assert "one T2w: 2 images, 2 people  0.806 ± 0.150" in printed
    assert "two T2w: 1 image, 1 person" in printed
    assert "all: 3 images, 3 people" in printed
    assert "0.704 ± 0.206" in printed


def test_rows_are_grouped_in_the_order_they_come() -> None:
    assert list(grouped(ROWS, "test_set", "model")) == [("one", "general"), ("two", "general")]
