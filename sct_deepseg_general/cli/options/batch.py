"""The flags of `batch`, and the values that they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from sct_deepseg_general.cli._click import PATH, flag, option
from sct_deepseg_general.cli.options.csa import LEVELS
from sct_deepseg_general.cli.options.segment import (
    ending,
    overwriting,
    segmenting,
    verbosity,
)

__all__ = ["BatchOptions", "CohortOptions", "MergeOptions", "batch_flags", "people_flags"]

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class CohortOptions:
    """What is asked for of the people of a dataset, in `batch` and in `batch merge`."""

    participants: Path | None
    group: str | None
    longitudinal: bool

    @property
    def named(self) -> bool:
        """Whether a table of people, or a column of it, is named."""
        return self.participants is not None or self.group is not None


@dataclass(frozen=True)
class BatchOptions:
    """The values of the flags of `batch`."""

    bids: Path | None
    images: tuple[Path, ...]
    listed: Path | None
    root: Path | None
    folder: Path
    naming: Literal["bids", "sct"] | None
    participant_label: tuple[str, ...]
    session: tuple[str, ...]
    contrast: tuple[str, ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    include_yml: Path | None
    exclude_yml: Path | None
    model: str | None
    device: str
    engine: str
    threshold: float | None
    largest: bool
    fill_holes: bool
    exact: bool
    soft: bool
    uncertainty: bool
    csa: bool
    levels: Literal["auto"] | None
    c2c3: bool
    region: tuple[int, ...] | None
    people: CohortOptions
    qc: Path | None
    no_qc: bool
    rerun: Literal["failed", "warn", "all"] | None
    overwrite: tuple[str, ...]
    shard: str | None
    per_participant: bool
    jobs: int | None
    threads: int | None
    timeout: int
    slurm: int | None
    slurm_partition: str | None
    slurm_time: int
    slurm_mem: int
    slurm_cpus: int
    slurm_gpus: int
    slurm_parallel: int
    dry_run: bool
    strict: bool
    offline: bool
    as_json: bool
    verbose: int


@dataclass(frozen=True)
class MergeOptions:
    """The values of the flags of `batch merge`."""

    folder: Path
    sources: tuple[Path, ...]
    bids: Path | None
    participant_label: tuple[str, ...]
    session: tuple[str, ...]
    include: tuple[str, ...]
    model: str | None
    offline: bool
    people: CohortOptions


_IMAGES: tuple[Callable[[Any], Any], ...] = (
    option("-bids", type=PATH, help="BIDS dataset to segment."),
    option("-i", to="images", type=PATH, multiple=True, help="Images, instead of a dataset."),
    option("-list", to="listed", type=PATH, help="Text file with one image path per line."),
    option(
        "-root",
        type=PATH,
        help="Common folder of the images of a list; the outputs lie below -o as the images lie "
        "below it.  [default: the deepest folder that holds all images]",
    ),
    option("-o", to="folder", type=PATH, required=True, help="Output folder."),
    option(
        "-naming",
        type=click.Choice(["bids", "sct"]),
        help="Names of the outputs.  [default: bids for a dataset, sct for a list]",
    ),
    option("-participant-label", multiple=True, help="Participants (01 or sub-01)."),
    option("-session", multiple=True, help="Sessions (1 or ses-1)."),
    option(
        "-contrast",
        multiple=True,
        help="Contrasts: the last word of the name (T2w), MTon or MToff.",
    ),
    option(
        "-include",
        multiple=True,
        help="Only these: subjects, sub-01/ses-1, file names or patterns.",
    ),
    option("-exclude", multiple=True, help="All but these."),
    option("-include-yml", type=PATH, help="YAML list, as sct_run_batch takes it."),
    option("-exclude-yml", type=PATH, help="YAML list, as the QC page saves it."),
)
_OUTPUTS: tuple[Callable[[Any], Any], ...] = (
    option(
        "-csa",
        default=1,
        type=click.IntRange(0, 1),
        help="Write areas: a CSV file for each image, and csa.tsv for all.",
    ),
    option(
        "-levels",
        type=click.Choice(["auto"]),
        help="auto: find the vertebral levels in each image, or take the discs (_label-discs) of "
        "the dataset's derivatives/labels; adds levels and the area of C2-C3 to the tables.",
    ),
    flag("-c2c3", help="The same as -levels auto."),
    option(
        "-vert",
        to="region",
        type=LEVELS,
        help="Levels such as 2:4 whose mean area, with its interval, is in images.tsv too.",
    ),
    option("-qc", type=PATH, help="Folder of the QC page.  [default: qc in the output folder]"),
    flag("-no-qc", help="Do not write a QC page."),
    option(
        "-rerun",
        type=click.Choice(["failed", "warn", "all"]),
        help="Segment again the images that failed, those with a warning as well, or all.",
    ),
    overwriting("Replace files that were edited, or that the batch did not write."),
)
_PEOPLE: tuple[Callable[[Any], Any], ...] = (
    option(
        "-participants",
        type=PATH,
        help="participants.tsv with age (years) and sex: with levels, adds centiles among healthy "
        "people.  [default: that of the dataset]",
    ),
    option("-group", help="Column of participants.tsv that names groups: compares them."),
    flag(
        "-longitudinal",
        help="Compare the later sessions of each person with the first: change.tsv.",
    ),
)
_WORK: tuple[Callable[[Any], Any], ...] = (
    option("-shard", help="Part i/N of the work.  [default: the task of a SLURM array, or 1/1]"),
    flag(
        "-per-participant",
        help="Keep a state and tables of its own for each participant, so that other processes "
        "may work on other participants at the same time; 'batch merge' joins the tables.",
    ),
    option(
        "-jobs",
        type=click.IntRange(1),
        help="Worker processes.  [default: from the cores and the free memory]",
    ),
    option("-threads", type=click.IntRange(1), help="Threads of each.  [default: cores / jobs]"),
    option(
        "-timeout",
        type=click.IntRange(0),
        default=3600,
        help="Seconds that an image may take; 0 for no limit.",
    ),
    option(
        "-slurm",
        type=click.IntRange(1),
        help="Submit this number of shards to SLURM, and wait for them.",
    ),
    option("-slurm-partition", help="Partition."),
    option(
        "-slurm-time",
        type=click.IntRange(1),
        default=240,
        help="Minutes that a shard may take before it is requeued.",
    ),
    option("-slurm-mem", type=click.IntRange(1), default=8, help="GB of memory for each shard."),
    option("-slurm-cpus", type=click.IntRange(1), default=4, help="Cores for each shard."),
    option("-slurm-gpus", type=click.IntRange(0), default=0, help="GPUs for each shard."),
    option(
        "-slurm-parallel",
        type=click.IntRange(1),
        default=256,
        help="Number of shards that may run at the same time.",
    ),
    flag("-json", "--json", to="as_json", help="Print one line of JSON for each image, no text."),
    flag("-dry-run", help="Print what would be done with each image, and why; write nothing."),
)


def batch_flags(command: _F) -> _F:
    """Add the flags of `batch` to a command, in the order of `-h`."""
    decorated: Any = verbosity("progress", "each image")(command)
    decorated = ending(decorated)
    for decorate in reversed((*_IMAGES, segmenting, *_OUTPUTS, *_PEOPLE, *_WORK)):
        decorated = decorate(decorated)
    return decorated  # type: ignore[no-any-return]


def people_flags(command: _F) -> _F:
    """Add the flags about the people of a dataset, those of `batch`, to a command."""
    decorated: Any = command
    for decorate in reversed(_PEOPLE):
        decorated = decorate(decorated)
    return decorated  # type: ignore[no-any-return]
