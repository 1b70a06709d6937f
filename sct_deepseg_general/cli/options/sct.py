"""What SCT's commands call otherwise: their flags as ours, or one sentence on what to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

__all__ = ["CSA_FLAGS", "SEGMENT_FLAGS", "SctFlag", "of_task", "taken_over"]


@dataclass(frozen=True)
class SctFlag:
    """What becomes of one flag of SCT.

    `words` take its place, followed by its values where `keeps` is true; `note` is told on
    standard error; with `refused` the command ends with that sentence.
    """

    words: tuple[str, ...] = ()
    keeps: bool = False
    note: str = ""
    refused: str = ""
    values: int = 1
    """The most values that follow it."""


SEGMENT_FLAGS: Mapping[str, SctFlag] = {
    "-r": SctFlag(),
    "-qc-plane": SctFlag(),
    "-qc-seg": SctFlag(),
    "-ofolder": SctFlag(("-o",), keeps=True),
    "-task-details": SctFlag(refused="Run 'models list', and 'models info -m NAME'.", values=0),
    "-list-tasks": SctFlag(refused="Run 'models list', and 'models info -m NAME'.", values=0),
    "-custom-url": SctFlag(("-m",), keeps=True),
    "-test-time-aug": SctFlag(
        ("-uncertainty",),
        note="-test-time-aug is taken as -uncertainty: altered copies of the image say how sure "
        "the area is; they do not change the mask.",
        values=0,
    ),
    "-soft-ms-lesion": SctFlag(
        ("-soft",), note="-soft-ms-lesion is taken as -soft: the probability is a second file.",
        values=0,
    ),
    "-single-fold": SctFlag(
        refused="There is no -single-fold: leave it out; all folds of a model are averaged.",
        values=0,
    ),
    "-step1-only": SctFlag(
        refused="There is no -step1-only: choose the labels that you need with -label."
    ),
    "-c": SctFlag(
        refused="There is no -c: leave it out, as any contrast is segmented; further images of a "
        "model that takes several are given with -channels."
    ),
}  # fmt: skip
"""The flags of `sct_deepseg` and `sct_deepseg_sc` that this program has under another name."""

CSA_FLAGS: Mapping[str, SctFlag] = {
    "-r": SctFlag(),
    "-angle-corr-centerline": SctFlag(("-centerline",), keeps=True),
}
"""The flags of `sct_process_segmentation` that `csa` has under another name."""

_ANY = {
    "-profile-time": SctFlag(
        refused="There is no -profile-time: the time is printed; '/usr/bin/time -v' says more."
    ),
    "-trace-memory": SctFlag(
        refused="There is no -trace-memory: '/usr/bin/time -v' before the command measures memory."
    ),
}
_SOFT = (
    "-thr 0 is taken as -soft: the probability is written to a file of its own (_softseg), and the "
    "mask has the model's threshold."
)
OWN_TASKS = ("spinalcord", "sc", "seg_sc_contrast_agnostic")
"""SCT's names of the task that this program's own model is for."""


def taken_over(
    words: Sequence[str], flags: Mapping[str, SctFlag]
) -> tuple[list[str], tuple[str, ...]]:
    """The words of a command line with SCT's flags in this program's words.

    Returns
    -------
    words : list of str
        The words, for the command.
    notes : tuple of str
        What is taken otherwise than in SCT, for standard error.

    Raises
    ------
    click.UsageError
        A flag cannot be taken over; the message says what to use.
    """
    known = {**_ANY, **flags}
    left, made, notes = list(words), [], []
    while left:
        word = left.pop(0)
        if word == "-thr" and left and _is_zero(left[0]):
            left.pop(0)
            made.append("-soft")
            notes.append(_SOFT)
            continue
        flag = known.get(word)
        if flag is None:
            made.append(word)
            continue
        if flag.refused:
            raise click.UsageError(flag.refused)
        values = [left.pop(0) for _ in range(flag.values) if left and not left[0].startswith("-")]
        made.extend([*flag.words, *(values if flag.keeps else ())])
        notes.extend([flag.note] if flag.note else [])
    return made, tuple(notes)


def of_task(task: str, words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The words of a command line whose first word is SCT's name of a task, without that word."""
    if task not in OWN_TASKS:
        return ["-task", task, *words], ()
    note = f"'{task}' is segmented with this program's own model; SCT's is '-task spinalcord'."
    return list(words), (note,)


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0
    except ValueError:
        return False
