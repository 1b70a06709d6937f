"""The command `sct_deepseg_sc_general`: subcommands by name, segmentation without one."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from functools import partial
from types import FrameType

__all__ = ["SUBCOMMANDS", "main", "module_of"]

SUBCOMMANDS = {
    "segment": "segment images (the command without a name)",
    "csa": "measure any mask: area and shape per slice and level",
    "qc": "add a mask to a QC page, or compare two",
    "correct": "correct a mask by hand, and measure what was changed",
    "models": "list, fetch, verify, release and compare models",
    "dataset": "make nnU-Net datasets from BIDS datasets",
    "recipe": "write a recipe for your own datasets, and check it",
    "train": "train a model from a recipe",
    "batch": "a whole BIDS dataset, or a list; resumable, on one machine or a cluster",
    "evaluate": "compare models with reference masks",
    "change": "how much the area changed between two images of a person",
    "norms": "area and diameters of healthy people, by age and sex",
    "compare": "one general against N specific models, whole study",
    "info": "versions, models and devices of this installation",
    "completion": "the script that completes words in bash, zsh or fish",
    "methods": "the text for a paper's methods, with references, from the results' sidecars",
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
    signal.signal(signal.SIGTERM, _stop)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, {signal.SIGTERM}),
            after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM}),
            after_in_child=_die_by_signal,
        )
    words = sys.argv[1:]
    name = words.pop(0) if words and words[0] in SUBCOMMANDS else "segment"
    from sct_deepseg_general.cli import _click

    if words == [] and len(sys.argv) == 1:
        words = ["-h"]
    if words and not words[0].startswith("-") and len(sys.argv[1:]) == len(words):
        _click.fail(f"There is no subcommand '{words[0]}': {', '.join(SUBCOMMANDS)}.")
    try:
        module = importlib.import_module(module_of(name))
    except ModuleNotFoundError as error:
        _click.fail(f"'{name}' needs {error.name}, which is not installed.", code=1)
    _click.run(module.command, name, words)


def module_of(name: str) -> str:
    """The full name of the module of a subcommand."""
    return f"sct_deepseg_general.cli.{_PLACES.get(name, name)}"


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
