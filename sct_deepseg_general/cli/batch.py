"""The subcommand `batch`: many images, resumable, on one machine or a cluster."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general.cli._click import (
    PATH,
    PROGRAM,
    SctCommand,
    flag,
    option,
    printable,
    takes,
)
from sct_deepseg_general.cli.options.batch import (
    BatchOptions,
    MergeOptions,
    batch_flags,
    people_flags,
)
from sct_deepseg_general.cli.options.one_image import ONE_IMAGE_FLAGS
from sct_deepseg_general.cli.options.sct import taken_over
from sct_deepseg_general.errors import ModelError

if TYPE_CHECKING:
    from sct_deepseg_general.batch.messages import WorkerSettings
    from sct_deepseg_general.batch.plan import BatchPlan
    from sct_deepseg_general.batch.summary import MergedTables
    from sct_deepseg_general.batch.worklist import Worklist
    from sct_deepseg_general.cli.screens.cohort import CohortWork
    from sct_deepseg_general.cluster.shards import Part
    from sct_deepseg_general.cohort.centiles import Cohort
    from sct_deepseg_general.zoo.model import Model

__all__ = ["command"]

_LISTED = 20  # names in one line

_EPILOG = f"""\
The same command again segments only the images that are missing or out of date, and says why.

Examples:
  {PROGRAM} batch -bids dataset -o dataset/derivatives/sct-general
  {PROGRAM} batch -bids dataset -o out -contrast T2w -exclude-yml fails.yml
  {PROGRAM} batch -i sub-*/t2/t2.nii.gz -o out
  {PROGRAM} batch -bids dataset -o out -shard 3/16     (by itself in a SLURM array)
  {PROGRAM} batch merge -bids dataset -o out           (after the last shard)
  {PROGRAM} batch -bids dataset -o out -slurm 16 -slurm-partition cpu -slurm-time 120
"""


class _BatchCommand(SctCommand):
    """`batch`, with `batch merge` as a command of its own."""

    @property
    def commands(self) -> dict[str, click.Command]:
        """The subcommands, for the completion of a shell."""
        return {"merge": _merge}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words; a flag of the main command that `batch` does not take is refused."""
        return super().parse_args(ctx, taken_over(args, ONE_IMAGE_FLAGS)[0])

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
    help="Folders with tables, instead of the shards of the output folder.",
)
@option("-bids", type=PATH, help="The dataset: images of it that have no result are named.")
@option("-participant-label", multiple=True, help="With -bids: look at these participants only.")
@option("-session", multiple=True, help="With -bids: look at these sessions only.")
@option("-include", multiple=True, help="With -bids: look at these images only.")
@people_flags
@option("-m", to="model", help="Model of the batch, for centiles and change.")
@flag("-offline", help="Never use the network.")
@takes(MergeOptions)
def _merge(options: MergeOptions) -> int:
    """Join the tables of all shards or participants into those of the output folder.

    They are images.tsv and csa.tsv. Where the areas have levels and the ages of the people are
    known, norms.tsv is written too. The exit code is 1 if an image has no result.
    """
    from sct_deepseg_general.batch.run import join
    from sct_deepseg_general.batch.summary import made_with
    from sct_deepseg_general.batch.worklist import Filters, from_bids
    from sct_deepseg_general.cli.screens.cohort import CohortWork, after_batch, cohort_asked
    from sct_deepseg_general.zoo.zoo import resolve

    worklist = None
    if options.bids:
        filters = Filters(options.participant_label, options.session, include=options.include)
        worklist = from_bids(options.bids, filters)
    people = options.people
    if people.named or people.longitudinal:
        cohort_asked(people, options.bids, levels=True)  # refused before anything is joined
    merged = join(options.folder, options.sources, worklist)
    models, levels = made_with(options.folder)
    cohort = cohort_asked(people, options.bids, levels=levels)
    code = _print_merged(options.folder, merged)
    if cohort is not None or people.longitudinal:
        model = resolve(options.model, offline=options.offline)
        if models and model.digest[:12] not in models and (people.named or people.longitudinal):
            raise ModelError(
                f"The masks were not made with {model.key}: give the model of the batch with -m."
            )
        after_batch(CohortWork(people, cohort, model, worklist), options.folder)
    return code


@click.command(cls=_BatchCommand, epilog=_EPILOG)
@batch_flags
@takes(BatchOptions)
def command(options: BatchOptions) -> int:
    """Segment all images of a BIDS dataset or a list.

    Writes a mask, a sidecar and areas for each image, images.tsv and csa.tsv for all, and a QC
    page. A run that was interrupted continues when the same command is given again. The exit
    code is 1 if an image failed.
    """
    from sct_deepseg_general.cli.screens.cohort import cohort_asked

    if options.as_json:
        options = replace(options, verbose=0)
    levels = options.csa and (options.levels == "auto" or options.c2c3)
    cohort = cohort_asked(options.people, options.bids, levels=levels)
    plan = _plan(options)
    if options.dry_run:
        return _print_decisions(plan)
    if options.slurm:
        return _submit(plan, options, cohort)
    return _run(plan, options, cohort)


def _run(plan: BatchPlan, options: BatchOptions, cohort: Cohort | None) -> int:
    from sct_deepseg_general.batch.pool import pool_options
    from sct_deepseg_general.batch.run import run
    from sct_deepseg_general.cli.screens.batch import (
        Screen,
        print_left_out,
        print_summary,
        workers_text,
    )
    from sct_deepseg_general.cli.screens.cohort import after_batch

    gpu = options.device.startswith(("cuda", "mps"))
    pool = pool_options(
        len(plan.items),
        workers=options.jobs,
        threads=options.threads,
        timeout=options.timeout or None,
        gpu=gpu,
    )
    if options.verbose:
        print(f"{printable(plan.folder)}: part {plan.part}, {workers_text(pool)}")
    print_left_out(plan.worklist)
    screen = Screen(options.verbose)
    try:
        summary = run(plan, pool, screen.listener)
    finally:
        screen.clear()
    print_summary(summary, plan.tables[0], plan.settings.qc, options.verbose)
    if options.as_json:
        _print_lines(plan.tables[0])
    if plan.part.whole:  # the people of several parts: when their tables are joined
        after_batch(_cohort_work(plan, options, cohort), plan.folder)
        _draw(plan.folder, options.verbose)
    if options.per_participant and options.verbose:
        place = shlex.quote(printable(plan.folder))
        words = f"-bids {shlex.quote(printable(options.bids or ''))} -o {place}"
        print(f"'{PROGRAM} batch merge {words}' joins the tables of all participants.")
    incomplete = any(one.missing for one in plan.worklist.left_out)
    return int(bool(summary.failed) or incomplete or (options.strict and summary.fail > 0))


def _print_lines(folder: Path) -> None:
    """The rows of images.tsv as lines of JSON."""
    from sct_deepseg_general.batch.summary import IMAGES
    from sct_deepseg_general.provenance.line import as_line, table_records

    for record in table_records(folder / IMAGES, "images-1"):
        print(as_line(record))


def _print_decisions(plan: BatchPlan) -> int:
    from sct_deepseg_general.batch.run import decisions

    for decision in decisions(plan):
        print(f"{decision.act:<8} {printable(f'{decision.item.key}: {decision.reason}')}")
    for one in plan.worklist.left_out:
        print(f"left out {printable(f'{one.key}: {one.reason}')}")
    return 0


def _draw(folder: Path, verbose: int = 1) -> None:
    """Draw the areas of all images, where there is a table of them."""
    from sct_deepseg_general.batch.plot import GROUP, draw_group
    from sct_deepseg_general.batch.summary import CSA

    if (folder / CSA).exists() and draw_group(folder / CSA, folder / GROUP) and verbose:
        print(f"Picture: {printable(folder / GROUP)}")


def _print_merged(folder: Path, merged: MergedTables) -> int:
    """Print what the joined tables hold; returns the exit code."""
    from sct_deepseg_general.words import counted

    _draw(folder)
    images, rows = counted(merged.images, "image"), counted(merged.rows, "row")
    print(f"{printable(folder)}: {images}, {rows} in csa.tsv")
    if merged.failed:
        print(f"Failed: {merged.failed}, see {printable(folder / 'failed.txt')}", file=sys.stderr)
    if merged.missing:
        names = ", ".join(map(printable, merged.missing[:_LISTED]))
        more = ", ..." if len(merged.missing) > _LISTED else ""
        print(f"Without a result: {names}{more}", file=sys.stderr)
    return int(bool(merged.failed or merged.missing))


def _plan(options: BatchOptions) -> BatchPlan:
    from sct_deepseg_general.batch.plan import BatchPlan
    from sct_deepseg_general.cli.options.segment import fetch_options
    from sct_deepseg_general.job.overwrite import Overwrite
    from sct_deepseg_general.zoo.zoo import resolve

    folder = Path(os.path.abspath(options.folder))  # noqa: PTH100 - the journal keeps links
    worklist = _worklist(options)
    with fetch_options(trust=False, offline=options.offline) as fetching:
        model = resolve(options.model, offline=options.offline, options=fetching)
    if model.cord_label is None:
        raise ModelError(
            f"{model.key} segments {', '.join(model.scheme.names)} and no spinal cord, which a "
            "batch measures: run it image by image."
        )
    part = _part(options, worklist, folder)
    return BatchPlan(
        worklist=worklist,
        folder=folder,
        settings=_settings(options, worklist, model, _qc_folder(options, folder, part)),
        digest=model.digest,
        naming=options.naming or ("bids" if options.bids else "sct"),
        part=part,
        rerun=options.rerun or "",
        overwrite=Overwrite.of_words(options.overwrite),
    )


def _worklist(options: BatchOptions) -> Worklist:
    from sct_deepseg_general.batch.worklist import Filters, from_bids, from_list, read_list

    filters = Filters(
        options.participant_label,
        options.session,
        options.contrast,
        options.include,
        options.exclude,
    ).with_lists(options.include_yml, options.exclude_yml)
    if options.bids:
        if options.images or options.listed:
            raise click.UsageError("Give either -bids, or -i and -list.")
        return from_bids(options.bids, filters, bids_names=options.naming != "sct")
    if not options.images and not options.listed:
        raise click.UsageError("Nothing to segment: give -bids DIR, -i IMAGES or -list FILE.")
    images = [*options.images, *(read_list(options.listed) if options.listed else ())]
    return from_list(images, filters, options.root)


def _settings(options: BatchOptions, worklist: Worklist, model: Model, qc: str) -> WorkerSettings:
    from sct_deepseg_general.batch.messages import WorkerSettings

    return WorkerSettings(
        model=str(model.folder),
        digest=model.digest,
        engine=options.engine,
        device=options.device,
        offline=options.offline,
        threshold=options.threshold,
        largest=options.largest,
        fill_holes=options.fill_holes,
        exact=options.exact,
        uncertainty=options.uncertainty,
        soft=options.soft,
        csa=options.csa,
        levels=options.levels == "auto" or options.c2c3 or bool(options.region),
        region=options.region or (),
        qc=qc,
        qc_dataset=worklist.name,
        command=shlex.join([PROGRAM, *sys.argv[1:]]),
    )


def _qc_folder(options: BatchOptions, folder: Path, part: Part) -> str:
    """The folder of the QC page; each shard has its own, as one page would be too long."""
    if options.no_qc:
        return ""
    from sct_deepseg_general.qc.folder import check_report

    shared = part.whole or options.per_participant
    default = folder / "qc" if shared else folder / "qc" / part.labels[0]
    check_report(options.qc or default)
    return os.path.abspath(options.qc or default)  # noqa: PTH100 - as the output folder


def _part(options: BatchOptions, worklist: Worklist, folder: Path) -> Part:
    """What this process works on: a shard, or the participants by name; among them those who are
    left out by name and have earlier results, which are taken out of the tables.
    """
    from sct_deepseg_general.batch.plan import STATE
    from sct_deepseg_general.cluster.shards import People, from_environment, parse

    if options.per_participant:
        if options.shard or options.slurm or not options.bids:
            raise click.UsageError(
                "-per-participant is for -bids, and cannot be used with -shard or -slurm."
            )
        ran = (one for one in worklist.excluded if (folder / STATE / one.participant).is_dir())
        return People(tuple(sorted({item.participant for item in (*worklist.items, *ran)})))
    return parse(options.shard) if options.shard else from_environment(os.environ)


def _submit(plan: BatchPlan, options: BatchOptions, cohort: Cohort | None) -> int:
    """Submit the shards to SLURM, follow them, and join their tables; returns the exit code."""
    from sct_deepseg_general.batch.run import join
    from sct_deepseg_general.cli.screens.batch import Bar
    from sct_deepseg_general.cli.screens.cohort import after_batch
    from sct_deepseg_general.cluster.slurm import Grant, follow, shard_words, submit

    grant = Grant(
        options.slurm_partition,
        options.slurm_time,
        options.slurm_mem,
        options.slurm_cpus,
        options.slurm_gpus,
        options.slurm_parallel,
    )
    shards = shard_words(sys.argv[1:], options.slurm or 1)
    jobs = submit(shards, plan.state / "slurm", grant)
    if options.verbose:
        print(f"Submitted {len(jobs)} shards to SLURM, from {jobs[0].job_id}", flush=True)
    bar = Bar(options.verbose)
    try:
        failed = follow(jobs, plan.state, bar.show)
    except KeyboardInterrupt:
        return _print_interrupted(plan.folder, jobs[0].job_id.partition("_")[0])
    finally:
        bar.clear()
    for sentence in failed:
        print(f"Error: {printable(sentence)}", file=sys.stderr)
    code = max(_print_merged(plan.folder, join(plan.folder)), int(bool(failed)))
    after_batch(_cohort_work(plan, options, cohort), plan.folder)
    return code


def _cohort_work(plan: BatchPlan, options: BatchOptions, cohort: Cohort | None) -> CohortWork:
    from sct_deepseg_general.cli.screens.cohort import CohortWork
    from sct_deepseg_general.zoo.zoo import resolve

    model = resolve(plan.settings.model, offline=True)
    return CohortWork(
        options.people,
        cohort,
        model,
        plan.worklist,
        options.engine,
        options.device,
        options.verbose,
    )


def _print_interrupted(folder: Path, job: str) -> int:
    place = shlex.quote(printable(folder))
    print(
        f"\nThe shards continue: 'squeue -j {job}' lists them, 'scancel {job}' ends them, "
        f"'{PROGRAM} batch merge -o {place}' joins their tables.",
        file=sys.stderr,
    )
    return 1
