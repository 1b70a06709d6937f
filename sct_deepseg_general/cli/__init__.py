"""The command `sct_deepseg_sc_general`: subcommands by name, segmentation without one."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from types import FrameType

__all__ = ["SUBCOMMANDS", "TASK", "main", "module_of", "understood"]

SUBCOMMANDS = {
    "segment": "segment images (the command without a name)",
    "csa": "measure any mask: area and shape per slice and level",
    "qc": "add a mask to a QC page, or compare two",
    "correct": "correct a mask by hand, and measure what was changed",
    "models": "list, fetch, verify, release and compare models",
    "dataset": "make nnU-Net datasets from BIDS datasets",
    "recipe": "write a recipe for your own datasets, and check it",
    "train": "train a model from a recipe",
    "batch": "a BIDS dataset or a list, resumable, on one machine or a cluster",
    "evaluate": "compare models with reference masks",
    "change": "how much the area changed between two images of a person",
    "norms": "area and diameters of healthy people, by age and sex",
    "compare": "one general against N specific models, whole study",
    "info": "versions, models and devices of this installation",
    "completion": "the script that completes words in bash, zsh or fish",
    "methods": "text and references for a paper's methods, from the sidecars",
}

_PLACES = {
    "correct": "correction.correct",
    "completion": "about.completion",
    "info": "about.info",
    "methods": "about.methods",
}
"""The modules of commands that lie in a folder of their own."""


def main() -> None:
    """The console script: exits with 0 (done), 1 (ours) or 2 (usage)."""
    # OpenBLAS, which numpy and scipy load, waits for ever where its threads get no memory, as under
    # a limit of the address space (`ulimit -v`, h_vmem). Nothing here needs its threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGTERM}),
            after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM}),
            after_in_child=_die_by_signal,
        )
    name, words = understood(sys.argv[1:])
    from sct_deepseg_general.cli import _click

    if name not in SUBCOMMANDS:
        near = _near(name)
        hint = f". Did you mean '{near}'?" if near else f": {', '.join(SUBCOMMANDS)}."
        _click.fail(f"There is no subcommand '{name}'{hint}")
    try:
        module = importlib.import_module(module_of(name))
    except ModuleNotFoundError as error:
        _click.fail(f"'{name}' needs {error.name}, which is not installed.", code=1)
    _click.run(module.command, name, words)


def module_of(name: str) -> str:
    """The full name of the module of a subcommand."""
    return f"sct_deepseg_general.cli.{_PLACES.get(name, name)}"


def understood(words: Sequence[str]) -> tuple[str, list[str]]:
    """The name of the command that the words of a command line mean, and the words for it.

    No word means help. `help NAME` is `NAME -h`. Images may stand without -i. The first word may
    be SCT's name of a task, as for `sct_deepseg`; a word that is none of these, or that resembles
    a name, is given back as the name.
    """
    first, *rest = words or ["-h"]
    if first in SUBCOMMANDS:
        return first, rest
    if first == "help":
        name = rest[0] if rest and rest[0] in SUBCOMMANDS else "segment"
        return name, ["-help-all" if rest[:1] == ["all"] else "-h"]
    if first.startswith("-"):
        return "segment", [first, *rest]
    if _is_image(first):
        return "segment", ["-i", first, *rest]
    if not _near(first) and {"-i", "-install", "-h", "-help", "--help"} & set(rest):
        return "segment", [TASK, first, *rest]
    return first, rest


TASK = "--sct-task"
"""Stands before the first word where it is SCT's name of a task."""


def _near(word: str) -> str | None:
    """The subcommand whose name a mistyped word resembles most."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, SUBCOMMANDS, 1, 0.75)), None)


def _is_image(word: str) -> bool:
    """Whether a word without a flag is a file or a folder of images."""
    return word.endswith((".nii", ".nii.gz")) or os.path.exists(word)  # noqa: PTH110


def _stop(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends as an exception does, so that temporary files are removed."""
    raise SystemExit(143)


def _die_by_signal() -> None:
    """SIGTERM ends a forked worker at once, as by default.

    A handler in Python waits for Python, and a worker may be waiting for a lock: the pool that
    ends it by SIGTERM (nnU-Net's do) would wait for ever. The signal is held back during the
    fork: Python forgets what a new child is sent before it is ready.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
