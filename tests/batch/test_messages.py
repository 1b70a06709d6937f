"""Messages between a batch and its workers are lines that are read as they were written."""

from __future__ import annotations

import pytest

from sct_deepseg_general.batch.messages import (
    Failure,
    Outcome,
    Task,
    WorkerSettings,
    decoded,
    encoded,
)
from sct_deepseg_general.files import FileStamp

TASK = Task("k", "/ä\n.nii", "/s", "/j", "/c", "/p")


@pytest.mark.parametrize(
    "value",
    [
        WorkerSettings(threshold=0.3, qc="/qc"),
        TASK,
        Outcome("warn", ("a", "b"), 1.5, 70.0, 3, FileStamp(1, 2), "3", {"/s": "4"}, "qc"),
        Failure("image", "No image.", "Traceback\n"),
    ],
)
def test_what_is_said_is_heard(value):
    line = encoded(value)
    assert "\n" not in line
    assert decoded(line) == value


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "{}", '{"type":"Task"}', '{"type":"Path"}', '{"type":"Outcome"}', "3"]
)
def test_half_a_message_is_none(line):
    with pytest.raises(ValueError, match="not a message"):
        decoded(line)
