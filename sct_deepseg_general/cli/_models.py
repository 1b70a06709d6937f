"""How commands fetch models and convert nnU-Net results, with progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sct_deepseg_general.cli._click import printable
from sct_deepseg_general.errors import required

if TYPE_CHECKING:
    from sct_deepseg_general.release.nnunet_results import ImportOptions
    from sct_deepseg_general.zoo.index import IndexEntry
    from sct_deepseg_general.zoo.install import FetchOptions
    from sct_deepseg_general.zoo.model import Model

__all__ = ["converted", "fetch_options"]


@contextmanager
def fetch_options(*, trust: bool, offline: bool) -> Iterator[FetchOptions]:
    """How to fetch from a terminal; the progress bar appears with the first byte."""
    from sct_deepseg_general.zoo.install import FetchOptions
    from sct_deepseg_general.zoo.zoo import is_offline

    bars: list[click._termui_impl.ProgressBar[int]] = []

    def progress(done: int, size: int | None) -> None:
        if not bars:
            bars.append(click.progressbar(length=0, label="Downloading", file=sys.stderr))
        bar = bars[0]
        bar.length = size or max(done, bar.length or 0)
        bar.update(done - bar.pos)

    yield FetchOptions(
        offline=is_offline(flag=offline),
        trust=trust,
        converter=_converter,
        say=lambda sentence: print(printable(sentence), file=sys.stderr),
        progress=progress,
    )
    for bar in bars:
        bar.render_finish()


def converted(
    sources: Sequence[Path], folder: Path, entry: IndexEntry, options: ImportOptions
) -> Model:
    """Convert nnU-Net results with a progress bar, a step for each fold.

    Raises
    ------
    BackendError
        torch or nnU-Net is not installed.
    ModelError
        The results cannot be converted.
    """
    from dataclasses import replace

    with required("Converting nnU-Net results", "torch"):
        from sct_deepseg_general.release.nnunet_results import import_results
    with click.progressbar(length=1, label="Converting", file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        return import_results(sources, folder, entry, replace(options, progress=progress))


def _converter(sources: Sequence[Path], folder: Path, entry: IndexEntry) -> Model:
    with required("Converting nnU-Net results", "torch"):
        from sct_deepseg_general.release.nnunet_results import ImportOptions
    return converted(sources, folder, entry, ImportOptions())
