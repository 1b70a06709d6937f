"""The command `sct-deepseg-general`: the batch with the arguments of a BIDS App.

`sct-deepseg-general BIDS_DIR OUTPUT_DIR participant` is `batch -bids BIDS_DIR -o OUTPUT_DIR`. With
`--participant-label` it is `batch -per-participant`, so that jobs of other participants may run at
the same time in the same output folder; `... group` then joins their tables.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sct_deepseg_general import __version__

__all__ = ["arguments", "main", "words_for_batch"]

_DESCRIPTION = """Segment the spinal cord in the images of a BIDS dataset and measure its
cross-sectional area. The outputs are a BIDS derivative dataset. If a run was interrupted, the same
command continues it."""


def main(words: Sequence[str] | None = None) -> None:
    """Run the BIDS App; ends the process with 0 (done), 1 (failed) or 2 (wrong arguments)."""
    given = arguments().parse_args(words)
    from sct_deepseg_general.cli import main as command
    from sct_deepseg_general.cli._click import fail
    from sct_deepseg_general.errors import DeepsegError

    try:
        batch = list(words_for_batch(given))
    except DeepsegError as error:
        fail(str(error), code=1)
    sys.argv[1:] = batch
    command()


def arguments() -> argparse.ArgumentParser:
    """The arguments that BIDS Apps share, and the few of this one."""
    parser = argparse.ArgumentParser(
        prog="sct-deepseg-general", description=_DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("bids_dir", type=Path, help="folder of the BIDS dataset")
    parser.add_argument("output_dir", type=Path, help="folder for the derivative dataset")
    parser.add_argument(
        "analysis_level",
        choices=("participant", "group"),
        help="participant: process images; group: join the tables of all participants",
    )
    _add_selection(parser)
    parser.add_argument(
        "--n-cpus",
        "--n_cpus",
        "--nprocs",
        type=_count,
        metavar="N",
        help="worker processes; default: from cores and memory",
    )
    parser.add_argument(
        "--skip-bids-validator",
        "--skip_bids_validation",
        action="store_true",
        help="accepted: the dataset is never validated, only the names of its files are read",
    )
    parser.add_argument(
        "-w",
        "--work-dir",
        type=Path,
        metavar="FOLDER",
        help="accepted: there are no intermediate files to keep",
    )
    parser.add_argument("--model", metavar="NAME", help="model; default: the embedded one")
    parser.add_argument(
        "--levels",
        action="store_true",
        help="find the vertebral levels, or take the discs of derivatives/labels",
    )
    parser.add_argument(
        "--uncertainty",
        action="store_true",
        help="segment altered copies too, for the quality check",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _add_selection(parser: argparse.ArgumentParser) -> None:
    """The flags that choose images of the dataset."""
    parser.add_argument(
        "--participant-label",
        "--participant_label",
        nargs="+",
        default=(),
        metavar="LABEL",
        help="participants (01 or sub-01); other participants may be processed at the same time",
    )
    parser.add_argument(
        "--session-id",
        "--session_id",
        "--session-label",
        nargs="+",
        default=(),
        metavar="LABEL",
        help="sessions (1 or ses-1)",
    )
    parser.add_argument(
        "--bids-filter-file",
        type=Path,
        metavar="FILE",
        help='JSON file that selects images, such as {"t2w": {"suffix": "T2w", "session": "1"}}',
    )


def words_for_batch(given: argparse.Namespace) -> Iterator[str]:
    """The command line of `batch` that does what the BIDS App was asked for.

    Raises
    ------
    DatasetError
        The filter file cannot be read, or it selects no image of the dataset.
    """
    yield from ("batch", "merge") if given.analysis_level == "group" else ("batch",)
    yield from ("-bids", str(given.bids_dir), "-o", str(given.output_dir))
    for name, values in (
        ("-participant-label", given.participant_label),
        ("-session", given.session_id),
    ):
        if values:
            yield from (name, *values)
    if given.bids_filter_file:
        from sct_deepseg_general.bids.filter import selected

        yield from ("-include", *selected(given.bids_dir, given.bids_filter_file))
    if given.analysis_level == "participant":
        yield from _words_for_participants(given)


def _words_for_participants(given: argparse.Namespace) -> Iterator[str]:
    if given.participant_label:
        yield "-per-participant"
    if given.model:
        yield from ("-m", given.model)
    if given.levels:
        yield from ("-levels", "auto")
    if given.uncertainty:
        yield "-uncertainty"
    if given.n_cpus:
        yield from ("-jobs", str(given.n_cpus), "-threads", "1")
    yield from ("-v", "1" if os.isatty(2) else "2")


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is not a number of processes; give 1 or more")
    return int(word)
