"""The lines that `train` and `compare` show: the phase, how far it is, the time left."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from sct_deepseg_general.cli.screens import training as _training_screen
from sct_deepseg_general.cli.screens.training import TrainingScreen, described, duration
from sct_deepseg_general.recipes.estimate import Estimate


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal()
    monkeypatch.setattr(_training_screen, "sys", SimpleNamespace(stderr=found))
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(_training_screen.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_the_first_and_last_step_of_a_phase(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    screen = TrainingScreen()
    for done in range(1, 5):
        clock[0] += 10
        screen.step("evaluate", done, 4)
    screen.phase("network", "epoch", 1, 100)
    assert capsys.readouterr().err.splitlines() == ["testing: 1 of 4", "testing: 4 of 4"]


def test_a_terminal_sees_a_phase_advance_with_the_time_left(
    terminal: Terminal, clock: list[float]
) -> None:
    screen = TrainingScreen()
    for done in range(1, 4):
        clock[0] += 10
        screen.phase("network", "prepare", done, 3)
    lines = [part.strip() for part in terminal.getvalue().split("\r")]
    assert lines == [
        "",
        "network: preparing images: 1 of 3",
        "network: preparing images: 2 of 3, 10 s left",
        "network: preparing images: 3 of 3",
    ]
    assert terminal.getvalue().count("\n") == 1


def test_the_time_left_is_that_of_this_runs_speed(capsys: pytest.CaptureFixture[str]) -> None:
    screen = TrainingScreen()
    epoch = SimpleNamespace(number=6, iterations=600, loss=0.25, dice={"ours": 0.9}, seconds=60.0)
    screen.epoch("network", epoch, 0.6)  # type: ignore[arg-type]  # of ten; five were done before
    assert capsys.readouterr().err == (
        "network  60% iteration 600: loss 0.250, Dice ours 0.900; 4 min left\n"
    )
    screen.epoch("network", SimpleNamespace(**{**vars(epoch), "number": 10}), 1.0)  # type: ignore[arg-type]
    assert "; 0 s left" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (12600, "3.5 h"), (259200, "3.0 days")],
)
def test_a_duration_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_estimate_is_one_line() -> None:
    line = described(Estimate(12, int(2e8), int(2.2e9), 6120.0))
    assert line == (
        "12 labelled images; training needs about 1.7 h on two CPU cores, about 2.2 GB of memory "
        "and up to 0.2 GB of disk"
    )
    assert "GPU is advised" in described(Estimate(1, 0, 0, None))
