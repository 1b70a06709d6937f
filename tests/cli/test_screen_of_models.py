"""What `models` prints."""

from __future__ import annotations

import json

import pytest

from sct_deepseg_general.cli.screens.models import print_drifts, print_pairs
from sct_deepseg_general.evaluation.drift import Drift


@pytest.mark.parametrize("lost", [0, 2])
def test_drift_is_a_line_for_each_contrast(lost: int, capsys: pytest.CaptureFixture[str]) -> None:
    nan = float("nan")
    one = Drift("T2w", 1, lost, 0.95, -1.5, -2.0, -3.0, 0.5, 1.02, nan, nan)
    print_drifts([one], ("a@1", "a@2"), as_json=False)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("a@2 against a@1")
    words = said[2].split()
    assert words[:5] == ["T2w", "1", "0.950", "-1.50", "-2.00"]
    assert "-3.00 to +0.50" in said[2]
    assert ("(2 without common cord)" in said[2]) is bool(lost)


def test_a_release_is_told_in_words_or_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {"id": "a@1", "bundle": "/out/a.zip"}
    print_pairs(shown, as_json=False)
    assert capsys.readouterr().out == "id     a@1\nbundle /out/a.zip\n"
    print_pairs(shown, as_json=True)
    assert json.loads(capsys.readouterr().out) == shown
