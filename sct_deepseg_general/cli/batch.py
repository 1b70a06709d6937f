"""The subcommand `batch`: many images, resumable, on one machine or a cluster."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctCommand, flag, option, printable
from sct_deepseg_general.cli._segment_options import ending, mask_wishes, segmenting, verbosity

if TYPE_CHECKING:
    from sct_deepseg_general.batch.messages import WorkerSettings
    from sct_deepseg_general.batch.plan import BatchPlan
    from sct_deepseg_general.batch.pool import PoolOptions
    from sct_deepseg_general.batch.summary import MergedTables
    from sct_deepseg_general.batch.worklist import Filters, Worklist
    from sct_deepseg_general.cluster.shards import Shard
    from sct_deepseg_general.zoo.model import Model

__all__ = ["command"]

_EPILOG = f"""\
The same command again does only what is missing or changed, and says why.

Examples:
  {PROGRAM} batch -bids dataset -o dataset/derivatives/sct-general
  {PROGRAM} batch -bids dataset -o out -contrast T2w -exclude-yml fails.yml
  {PROGRAM} batch -i sub-*/t2/t2.nii.gz -o out
  {PROGRAM} batch -bids dataset -o out -shard 3/16     (in a SLURM array: by itself)
  {PROGRAM} batch merge -o out                         (after the last shard)
  {PROGRAM} batch -bids dataset -o out -slurm 16 -slurm-partition cpu -slurm-time 120
"""


class _BatchCommand(SctCommand):
    """`batch`, and `batch merge` as a word of its own."""

    def main(self, args: Any = None, **settings: Any) -> Any:  # type: ignore[override]
        words = list(args or [])
        if words[:1] != ["merge"]:
            return super().main(words, **settings)
        settings["prog_name"] = f"{settings.get('prog_name', '')} merge"
        return _merge.main(words[1:], **settings)


@click.command(cls=SctCommand, name="merge")
@option("-o", to="folder", type=PATH, required=True, help="Output folder of the batch.")
@option(
    "-i",
    to="sources",
    type=PATH,
    multiple=True,
    help="Folders with tables, in place of its shards.",
)
def _merge(folder: Path, sources: tuple[Path, ...]) -> int:
    """Join the tables of all shards into images.tsv and csa.tsv of the output folder."""
    from sct_deepseg_general.batch.run import join

    return _joined(folder, join(folder, sources))


def _joined(folder: Path, merged: MergedTables) -> int:
    """Say what the joined tables hold; the exit code."""
    print(f"{printable(folder)}: {merged.images} images, {merged.rows} rows in csa.tsv")
    if merged.failed:
        print(f"Failed: {merged.failed}, see {printable(folder / 'failed.txt')}", file=sys.stderr)
    if merged.missing:
        print(
            f"Shards without tables: {', '.join(map(printable, merged.missing))}", file=sys.stderr
        )
    return int(bool(merged.failed or merged.missing))


@click.command(cls=_BatchCommand, epilog=_EPILOG)
@option("-bids", type=PATH, help="BIDS dataset to segment.")
@option("-i", to="images", type=PATH, multiple=True, help="Images, in place of a dataset.")
@option("-list", to="listed", type=PATH, help="Text file that names images, one a line.")
@option(
    "-root",
    type=PATH,
    help="Folder above the images of a list; outputs lie below -o as they do below it.  "
    "[default: the deepest that holds all]",
)
@option("-o", to="folder", type=PATH, required=True, help="Output folder.")
@option(
    "-naming",
    type=click.Choice(["bids", "sct"]),
    help="Names of the outputs.  [default: bids for a dataset, sct for a list]",
)
@option("-participant-label", multiple=True, help="Participants (01 or sub-01).")
@option("-session", multiple=True, help="Sessions (1 or ses-1).")
@option("-contrast", multiple=True, help="Contrasts: the last word of the name (T2w), MTon, MToff.")
@option("-include", multiple=True, help="Only these: subjects, sub-01/ses-1, files, or patterns.")
@option("-exclude", multiple=True, help="Not these.")
@option("-include-yml", type=PATH, help="YAML list, as sct_run_batch takes it.")
@option("-exclude-yml", type=PATH, help="YAML list, as the QC page saves it.")
@segmenting
@option(
    "-csa",
    default=1,
    type=click.IntRange(0, 1),
    help="Write areas: a CSV an image, csa.tsv for all.",
)
@option(
    "-levels",
    type=click.Choice(["auto"]),
    help="auto: find the vertebral levels in each image, or take the discs (_label-discs) of the "
    "dataset's derivatives/labels; adds levels and the area of C2-C3 to the tables.",
)
@flag("-c2c3", help="The same as -levels auto.")
@option("-qc", type=PATH, help="Folder of the QC page.  [default: qc in the output folder]")
@flag("-no-qc", help="No QC page.")
@option(
    "-rerun",
    type=click.Choice(["failed", "warn", "all"]),
    help="Work again on images that failed, that got a warning or failed, or on all.",
)
@flag("-overwrite", help="Replace files that were edited, or that the batch did not write.")
@option("-shard", help="Part i/N of the work.  [default: the task of a SLURM array, else 1/1]")
@option("-jobs", type=click.IntRange(1), help="Worker processes.  [default: from cores and memory]")
@option("-threads", type=click.IntRange(1), help="Threads of each.  [default: cores / jobs]")
@option("-timeout", type=click.IntRange(0), default=3600, help="Seconds an image may take; 0: any.")
@option("-slurm", type=click.IntRange(1), help="Submit to SLURM as so many shards, and follow.")
@option("-slurm-partition", help="Partition.")
@option(
    "-slurm-time",
    type=click.IntRange(1),
    default=240,
    help="Minutes a shard may take before it is requeued.",
)
@option("-slurm-mem", type=click.IntRange(1), default=8, help="GB of memory a shard.")
@option("-slurm-cpus", type=click.IntRange(1), default=4, help="Cores a shard.")
@option("-slurm-gpus", type=click.IntRange(0), default=0, help="GPUs a shard.")
@option("-slurm-parallel", type=click.IntRange(1), default=256, help="Shards at the same time.")
@flag("-dry-run", help="Say what would be done and why, and do nothing.")
@ending
@verbosity("progress", "each image")
def command(folder: Path, verbose: int, **rest: Any) -> int:
    """Segment a whole BIDS dataset, or a list of images, without losing or repeating work.

    Writes masks, sidecars and areas for each image, images.tsv and csa.tsv for all, and a QC
    page. Exit code 1 if an image failed.
    """
    from sct_deepseg_general.batch.run import decisions, run
    from sct_deepseg_general.cli._batch_screen import Screen, ended, workers

    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - the journal keeps links as links
    asked = _assignment(folder, rest)
    if rest["dry_run"]:
        for decision in decisions(asked):
            print(f"{decision.act:<8} {printable(f'{decision.item.key}: {decision.reason}')}")
        return 0
    if rest["slurm"]:
        return _submit(asked, rest, verbose)
    pool_options = _hiring(asked, rest)
    if verbose:
        print(f"{printable(folder)}: shard {asked.shard}, {workers(pool_options)}")
    screen = Screen(verbose)
    try:
        summary = run(asked, pool_options, screen.listener)
    finally:
        screen.clear()
    ended(summary, asked.tables, asked.settings.qc, verbose)
    return int(summary.error > 0 or (rest["strict"] and summary.fail > 0))


def _assignment(folder: Path, rest: Mapping[str, Any]) -> BatchPlan:
    from sct_deepseg_general.batch.plan import BatchPlan
    from sct_deepseg_general.zoo.zoo import resolve

    worklist = _worklist(folder, rest)
    model = resolve(rest["model"], offline=rest["offline"])
    return BatchPlan(
        worklist=worklist,
        folder=folder,
        settings=_settings(folder, model, _shard(rest), worklist, rest),
        digest=model.digest,
        naming=rest["naming"] or ("bids" if rest["bids"] else "sct"),
        shard=_shard(rest),
        rerun=rest["rerun"] or "",
        overwrite=rest["overwrite"],
    )


def _worklist(folder: Path, rest: Mapping[str, Any]) -> Worklist:
    from sct_deepseg_general.batch.worklist import from_bids, from_list, read_list

    if rest["bids"]:
        if rest["images"] or rest["listed"]:
            raise click.UsageError("Give -bids, or -i and -list, not both.")
        return from_bids(rest["bids"], _filters(rest))
    if not rest["images"] and not rest["listed"]:
        raise click.UsageError("Nothing to segment: give -bids DIR, -i IMAGES or -list FILE.")
    images = [*rest["images"], *(read_list(rest["listed"]) if rest["listed"] else ())]
    return from_list(images, _filters(rest), rest["root"])


def _filters(rest: Mapping[str, Any]) -> Filters:
    from sct_deepseg_general.batch.worklist import Filters, read_yaml

    include, exclude = list(rest["include"]), list(rest["exclude"])
    if rest["include_yml"]:
        include += read_yaml(rest["include_yml"])
    if rest["exclude_yml"]:
        exclude += read_yaml(rest["exclude_yml"])
    return Filters(
        rest["participant_label"],
        rest["session"],
        rest["contrast"],
        tuple(include),
        tuple(exclude),
    )


def _settings(
    folder: Path, model: Model, shard: Shard, worklist: Worklist, rest: Mapping[str, Any]
) -> WorkerSettings:
    from sct_deepseg_general.batch.messages import WorkerSettings

    qc = rest["qc"] or folder / "qc"
    if not rest["qc"] and shard.count > 1:
        qc = qc / shard.label  # one page of everybody would be too long
    return WorkerSettings(
        model=str(model.folder),
        digest=model.digest,
        engine=rest["engine"],
        device=rest["device"],
        offline=rest["offline"],
        **mask_wishes(rest),
        soft=rest["soft"],
        csa=bool(rest["csa"]),
        levels=bool(rest["levels"] or rest["c2c3"]),
        qc="" if rest["no_qc"] else os.path.abspath(qc),  # noqa: PTH100 - as the output folder
        qc_dataset=worklist.name,
        command=shlex.join([PROGRAM, *sys.argv[1:]]),
    )


def _shard(rest: Mapping[str, Any]) -> Shard:
    from sct_deepseg_general.cluster.shards import from_environment, parse

    return parse(rest["shard"]) if rest["shard"] else from_environment(os.environ)


def _hiring(asked: BatchPlan, rest: Mapping[str, Any]) -> PoolOptions:
    from sct_deepseg_general.batch.pool import PoolOptions
    from sct_deepseg_general.cluster.resources import allotted, this_machine

    allotment = allotted(
        this_machine(os.environ),
        max(1, len(asked.items)),
        workers=rest["jobs"],
        threads=rest["threads"],
        gpu=rest["device"].startswith(("cuda", "mps")),
    )
    return PoolOptions(allotment.workers, allotment.environment, rest["timeout"] or None)


def _submit(asked: BatchPlan, rest: Mapping[str, Any], verbose: int) -> int:
    from sct_deepseg_general.batch.run import join
    from sct_deepseg_general.cli._batch_screen import Bar
    from sct_deepseg_general.cluster.slurm import Grant, follow, shard_words, submit

    grant = Grant(
        rest["slurm_partition"],
        rest["slurm_time"],
        rest["slurm_mem"],
        rest["slurm_cpus"],
        rest["slurm_gpus"],
        rest["slurm_parallel"],
    )
    shards = shard_words(sys.argv[1:], rest["slurm"])
    jobs = submit(shards, asked.state / "slurm", grant)
    if verbose:
        print(f"Submitted {len(jobs)} shards to SLURM: {jobs[0].job_id} and on", flush=True)
    bar = Bar(verbose)
    try:
        failed = follow(jobs, asked.state, bar.show)
    except KeyboardInterrupt:
        job = jobs[0].job_id.partition("_")[0]
        place = shlex.quote(printable(asked.folder))
        print(
            f"\nThe shards go on: 'squeue -j {job}' shows them, 'scancel {job}' ends them, "
            f"'{PROGRAM} batch merge -o {place}' joins their tables.",
            file=sys.stderr,
        )
        return 1
    finally:
        bar.end()
    for name in failed:
        print(f"Error: {printable(name)}", file=sys.stderr)
    return max(_joined(asked.folder, join(asked.folder)), int(bool(failed)))
