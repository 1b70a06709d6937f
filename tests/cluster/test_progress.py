"""The progress of a batch: rate, time left, and the file for other programs."""

from __future__ import annotations

import pytest

from sct_deepseg_general.cluster.progress import (
    Meter,
    Progress,
    read_progress,
    spelled,
    write_progress,
)


def test_the_meter_tells_rate_and_time_left():
    times = iter([0.0, 100.0, 110.0, 120.0])
    meter = Meter(4, kept=7, clock=lambda: next(times))
    meter.begin()
    meter.count("ok")
    progress = meter.count("error")
    assert (progress.done, progress.ok, progress.error, progress.kept) == (2, 1, 1, 7)
    assert progress.rate == pytest.approx(0.1)
    assert progress.left == pytest.approx(20)
    assert progress.elapsed == 120


def test_progress_goes_through_a_file(tmp_path):
    progress = Progress(5, 1, 2, ok=2, rate=0.5, left=6.0)
    write_progress(tmp_path / "progress.json", progress)
    assert read_progress(tmp_path / "progress.json") == progress
    (tmp_path / "progress.json").write_text("{")
    assert read_progress(tmp_path / "progress.json") is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (45, "45 s"),
        (600, "10 min"),
        (12_000, "3 h 20 min"),
        (367_200, "4 days 6 h"),
    ],
)
def test_times_are_spelled(seconds, text):
    assert spelled(seconds) == text
