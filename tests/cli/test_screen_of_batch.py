"""What a batch shows at a terminal, in a log file, and when it is to be silent."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sct_deepseg_general.batch.journal import Record
from sct_deepseg_general.batch.plan import Decision
from sct_deepseg_general.batch.pool import PoolOptions
from sct_deepseg_general.batch.summary import CSA, IMAGES, BatchSummary
from sct_deepseg_general.batch.worklist import Item
from sct_deepseg_general.cli.screens import batch as _batch_screen
from sct_deepseg_general.cli.screens.batch import Bar, Screen, print_summary, workers_text
from sct_deepseg_general.cluster.progress import Progress

CLEARED = "\r\033[K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    one = Terminal()
    monkeypatch.setattr(_batch_screen, "sys", SimpleNamespace(stderr=one))
    return one


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(_batch_screen, "time", one)
    return one


def item(name: str) -> Item:
    return Item(name, Path("/data") / name)


def decision(name: str, act: str, reason: str) -> Decision:
    return Decision(item(name), act, reason)  # type: ignore[arg-type]


def summary(**changes: object) -> BatchSummary:
    values: dict[str, object] = {
        "images": 4, "ok": 2, "warn": 1, "fail": 0, "edited": 0, "error": 1,
        "missing": 0, "done": 3, "kept": 1,
        "blocked": (), "failed": (), "left_out": (), "seconds": 12.0, "model": "m",
    }  # fmt: skip
    return BatchSummary(**{**values, **changes})  # type: ignore[arg-type]


def test_a_terminal_has_a_bar_that_stays_on_its_line(terminal: Terminal) -> None:
    bar = Bar(1)
    bar.show(Progress(8))
    bar.show(Progress(8, done=4, rate=2.0, left=2.0))
    bar.clear()
    begun, half, cleared = terminal.getvalue().split("\r")[1:]
    assert begun == f"[{'-' * 24}] 0/8, started\033[K"
    assert half == f"[{'#' * 12}{'-' * 12}] 4/8, 2.0 images/s, 2 s left\033[K"
    assert cleared == "\033[K"


def test_a_bar_tells_what_failed_and_a_slow_pace_by_the_image(terminal: Terminal) -> None:
    Bar(1).show(Progress(10, done=1, error=1, rate=0.25, left=36.0))
    assert "1/10, 4.0 s/image, 36 s left, 1 failed" in terminal.getvalue()


def test_a_bar_of_nothing_to_do_is_full(terminal: Terminal) -> None:
    Bar(1).show(Progress(0))
    assert f"[{'#' * 24}] 0/0" in terminal.getvalue()


def test_a_log_file_gets_a_line_a_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    bar = Bar(1)
    for clock.now in (1.0, 59.0, 61.0, 62.0, 120.0, 122.0):
        bar.show(Progress(200, done=int(clock.now), rate=1.0, left=3.0))
    bar.clear()
    said = capsys.readouterr().err
    assert [line.split("] ")[1].split(",")[0] for line in said.splitlines()] == [
        "61/200", "122/200"
    ]  # fmt: skip
    assert "\033" not in said


def test_a_silent_batch_shows_neither_plan_nor_bar(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen(0)
    screen.listener.on_plan((decision("a.nii", "do", "new"),))
    screen.listener.on_image(
        item("a.nii"), Record("done", "a.nii", status="ok"), Progress(1, done=1)
    )
    screen.clear()
    print_summary(summary(), Path("/out"), "/qc", 0)
    assert terminal.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_the_plan_counts_reasons_without_what_is_special_to_one_image(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Screen(1).listener.on_plan(
        (
            decision("a.nii", "do", "a_mask.nii.gz is missing"),
            decision("b.nii", "do", "b_mask.nii.gz is missing"),
            decision("c.nii", "keep", "failed before: no cord in c"),
            decision("d.nii", "keep", "failed before: no cord in d"),
            decision("e.nii", "blocked", "e_mask.nii.gz was edited since"),
            decision("f.nii", "blocked", "f_mask.nii.gz exists and is not in the journal"),
            decision("g.nii", "do", "new"),
        )
    )
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == [
        "7 images", "  2 to do: an output is missing", "  2 kept: failed before"
    ]  # fmt: skip
    assert sorted(said[3:]) == [
        "  1 left out: an output exists and is not in the journal",
        "  1 left out: an output was edited since",
        "  1 to do: new",
    ]


def test_a_talkative_batch_names_each_image_and_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Screen(2).listener.on_plan((decision("a.nii", "keep", "done before"),))
    assert "  keep     a.nii: done before\n" in capsys.readouterr().out


@pytest.mark.parametrize(("act", "shown"), [("do", True), ("keep", False)])
def test_a_bar_begins_only_where_there_is_work(
    act: str, shown: bool, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    Screen(1).listener.on_plan((decision("a.nii", act, "new"),))
    assert ("0/1, started" in terminal.getvalue()) is shown
    assert capsys.readouterr().out.startswith("1 image\n")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record("done", "a", status="ok", mean_area=71.25, seconds=2.0), "ok, mean CSA 71.2 mm², "),
        (
            Record("done", "a", status="warn", reasons=("bright", "short"), seconds=2.0),
            "warn, 2.0 s (bright; short)\n",
        ),
        (Record("failed", "a", status="error", seconds=2.0), "error, 2.0 s\n"),
    ],
)
def test_each_image_ends_with_its_status_area_and_reasons(
    record: Record, said: str, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen(2)
    screen.listener.on_image(item("a.nii"), record, Progress(2, done=1, rate=1.0, left=1.0))
    assert f"a.nii: {said}" in capsys.readouterr().out
    assert terminal.getvalue().startswith(CLEARED)
    assert "1/2, " in terminal.getvalue()


def test_an_ordinary_batch_moves_the_bar_and_names_no_image(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    record = Record("done", "a", status="ok", mean_area=70.0)
    Screen(1).listener.on_image(item("a.nii"), record, Progress(2, done=1, rate=1.0, left=1.0))
    assert capsys.readouterr().out == ""
    assert "1/2, " in terminal.getvalue()


def test_the_end_names_only_the_tables_and_the_page_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / IMAGES).touch()
    print_summary(summary(), tmp_path, str(tmp_path / "qc"), 1)
    bare = capsys.readouterr().out
    assert "4 images: 2 ok, 1 warn, 0 fail, 1 could not be segmented (3 done now in 12 s" in bare
    assert f"Tables: {tmp_path / IMAGES}\n" in bare
    assert "QC page" not in bare
    (tmp_path / CSA).touch()
    (tmp_path / "qc").mkdir()
    (tmp_path / "qc" / "index.html").touch()
    print_summary(summary(), tmp_path, str(tmp_path / "qc"), 1)
    said = capsys.readouterr().out
    assert f"Tables: {tmp_path / IMAGES}, {tmp_path / CSA}\n" in said
    assert f"QC page: {tmp_path / 'qc' / 'index.html'}\n" in said
    print_summary(summary(), tmp_path, "", 1)
    assert "QC page" not in capsys.readouterr().out


def test_a_long_list_of_failures_ends_with_how_many_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = tuple((f"{number}.nii", "no cord") for number in range(25))
    print_summary(summary(error=25, failed=failed), Path("/out"), "", 0)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Failed (25, listed in /out/failed.txt):"
    assert said[1] == "  0.nii: no cord"
    assert said[20:] == ["  19.nii: no cord", "  and 5 more"]


HOSTILE = "sub-\033]0;mine\a\r\n01.nii"
SHOWN = "sub-?]0;mine???01.nii"


def _planned() -> None:
    Screen(2).listener.on_plan((decision(HOSTILE, "keep", f"odd {HOSTILE}"),))


def _ended() -> None:
    record = Record("failed", HOSTILE, status="error", reasons=(HOSTILE,))
    Screen(2).listener.on_image(item(HOSTILE), record, Progress(1))


def _closed() -> None:
    pairs = ((HOSTILE, HOSTILE),)
    print_summary(summary(failed=pairs, blocked=pairs), Path("/out") / HOSTILE, "", 1)


@pytest.mark.parametrize(
    ("tell", "times"),
    [
        (_planned, 3),
        (_ended, 2),
        (_closed, 5),
        (lambda: Screen(1).listener.on_warning(HOSTILE), 1),
    ],
)
def test_a_name_with_control_characters_is_shown_harmless(
    tell: Callable[[], None], times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    tell()
    said = "".join(capsys.readouterr())
    assert said.count(SHOWN) == times
    assert all(one.isprintable() or one == "\n" for one in said)


@pytest.mark.parametrize(
    ("count", "environment", "words"),
    [
        (1, {"OMP_NUM_THREADS": "1"}, "1 worker of 1 thread"),
        (4, {"OMP_NUM_THREADS": "2"}, "4 workers of 2 threads"),
        (2, {}, "2 workers of ? threads"),
    ],
)
def test_the_workers_as_text(count: int, environment: dict[str, str], words: str) -> None:
    assert workers_text(PoolOptions(count, environment)) == words
