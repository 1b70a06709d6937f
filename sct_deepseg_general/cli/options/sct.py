"""What SCT's commands call otherwise: their flags as ours, or one sentence on what to use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import click

__all__ = ["CSA_FLAGS", "QC_FLAGS", "SEGMENT_FLAGS", "SctFlag", "of_task", "taken_over"]


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
    several: str = ""
    """Why no more values than that may follow."""
    only: tuple[str, ...] = ()
    """The flag is taken in this way only where its one value is one of these."""
    own_model: bool = False
    """The flag is taken in this way only for this program's own model."""
    otherwise: SctFlag | None = None
    """How it is taken where `only` and `own_model` do not hold; None: as this program's own flag
    of that name.
    """


_CROP = SctFlag(
    refused="There are no -box flags: the cord is found by itself; -exact segments the whole image."
)
_SOFT = (
    "-thr 0 is taken as -soft: the probability is written to a file of its own (_softseg), and the "
    "mask has the model's threshold."
)
SEGMENT_FLAGS: Mapping[str, SctFlag] = {
    "-thr": SctFlag(("-soft",), note=_SOFT, only=("0", "0.0", "0.", ".0", "0.00")),
    "-r": SctFlag(),
    "-qc-plane": SctFlag(),
    "-qc-seg": SctFlag(),
    "-ofolder": SctFlag(("-o",), keeps=True),
    "-task-details": SctFlag(refused="Run 'models list', and 'models info -m NAME'.", values=0),
    "-list-tasks": SctFlag(refused="Run 'models list', and 'models info -m NAME'.", values=0),
    "-list-tasks-long": SctFlag(refused="Run 'models list', and 'models info -m NAME'.", values=0),
    "-custom-url": SctFlag(
        ("-m",),
        keeps=True,
        several="-custom-url takes one address here: a model of several archives is an entry of "
        "the index, see 'models add'.",
    ),
    "-remove-small": SctFlag(
        ("-remove-small",),
        keeps=True,
        several="-remove-small takes one size for all labels, such as 5vox: choose one label with "
        "-label, and run the command for each size.",
    ),
    "-label-vert": SctFlag(
        refused="There is no -label-vert: all labels of a model are written; choose with -label."
    ),
    **{f"-box-{side}": _CROP for side in ("xmin", "xmax", "ymin", "ymax", "zmin", "zmax")},
    "-brain": SctFlag(),
    "-kernel": SctFlag(),
    "-file_centerline": SctFlag(),
    "-centerline": SctFlag(
        only=("cnn", "svm"),
        otherwise=SctFlag(
            only=("viewer", "file"),
            refused="-centerline viewer and file are not needed: leave them out, as the cord is "
            "found by itself.",
        ),
    ),
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
        note="-c is left out: this program's own model segments any contrast.",
        only=("t1", "t2", "t2s", "dwi"),
        own_model=True,
        otherwise=SctFlag(
            refused="There is no -c: leave it out, as any contrast is segmented; further images of "
            "a model that takes several are given with -channels."
        ),
    ),
}  # fmt: skip
"""The flags of `sct_deepseg` and `sct_deepseg_sc` that this program has under another name."""

QC_FLAGS: Mapping[str, SctFlag] = {
    "-p": SctFlag(
        only=("sct_propseg", "sct_deepseg_sc", "sct_deepseg"),
        otherwise=SctFlag(
            refused="This page is for masks of the cord (-p sct_deepseg_sc): run sct_qc of SCT for "
            "the results of other commands."
        ),
    ),
    "-d": SctFlag(refused="There is no -d: a second mask to compare with is given with -s2."),
    **dict.fromkeys(("-plane", "-resample", "-text-labels", "-custom-labels", "-fps"), SctFlag()),
}
"""The flags of `sct_qc` that `qc` has under another name, or does not need."""

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
        given = list(takewhile(lambda one: not one.startswith("-"), left))
        flag = _applying(known.get(word), given, own_model=not {"-task", "-m"} & set(words))
        if flag is None:
            made.append(word)
            continue
        if flag.refused:
            raise click.UsageError(flag.refused)
        if flag.several and len(given) > flag.values:
            raise click.UsageError(flag.several)
        values = [left.pop(0) for _ in given[: flag.values]]
        made.extend([*flag.words, *(values if flag.keeps else ())])
        notes.extend([flag.note] if flag.note else [])
    return made, tuple(notes)


def _applying(flag: SctFlag | None, given: Sequence[str], *, own_model: bool) -> SctFlag | None:
    """How a flag with these values is taken; None as this program's own."""
    while flag is not None:
        fits = not flag.only or (len(given) == 1 and given[0] in flag.only)
        if fits and (own_model or not flag.own_model):
            return flag
        flag = flag.otherwise
    return None


def of_task(task: str, words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The words of a command line whose first word is SCT's name of a task, without that word."""
    if task not in OWN_TASKS:
        return ["-task", task, *words], ()
    note = f"'{task}' is segmented with this program's own model; SCT's is '-task spinalcord'."
    return list(words), (note,)
