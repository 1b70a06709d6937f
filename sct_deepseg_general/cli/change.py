"""`change`: how much the cord's area changed between images of one person."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
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
from sct_deepseg_general.cli.options.segment import verbosity
from sct_deepseg_general.errors import ImageError

if TYPE_CHECKING:
    from sct_deepseg_general.change.measure import Progress
    from sct_deepseg_general.change.output import Visits
    from sct_deepseg_general.cli.requests.change import DatedScan
    from sct_deepseg_general.inference.predictor import Predictor

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} change -i1 baseline.nii.gz -i2 followup.nii.gz
  {PROGRAM} change -i1 ses-1_T2w.nii.gz -i2 ses-2_T2w.nii.gz ses-3_T2w.nii.gz \\
      -dates 2023-05-02 2024-05-06 2025-04-29 -discfile1 ses-1_discs.nii.gz -plot change.png

The images must be of one person and one contrast. Each follow-up is compared with the baseline:
both are straightened along the cord, brought half-way to each other and segmented there. For
research: a change is not a diagnosis.
"""


@dataclass(frozen=True)
class ChangeOptions:
    """The options of `change`."""

    baseline: Path
    followups: tuple[Path, ...]
    discfile1: Path | None
    discfiles: tuple[Path, ...]
    dates: tuple[str, ...]
    output: Path | None
    plot: Path | None
    halfway: Path | None
    model: str | None
    overwrite: bool
    offline: bool
    as_json: bool
    verbose: int

    @property
    def table(self) -> Path:
        """The CSV file to write: the one given, or BASELINE_change.csv beside the baseline."""
        from sct_deepseg_general.files import stem_of

        return self.output or self.baseline.parent / f"{stem_of(self.baseline)}_change.csv"


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-i1",
    to="baseline",
    type=PATH,
    required=True,
    show_default=False,
    help="Earlier image, or DICOM folder of one series.",
)
@option(
    "-i2", to="followups", type=PATH, required=True, multiple=True, show_default=False,
    help="Later image or images.",
)  # fmt: skip
@option("-discfile1", type=PATH, help="Discs of the baseline.  [default: found in the images]")
@option("-discfile2", to="discfiles", type=PATH, multiple=True, help="Discs of each follow-up.")
@option("-dates", multiple=True, help="Date of each image (YYYY-MM-DD), for change per year.")
@option("-o", to="output", type=PATH, help="CSV file.  [default: BASELINE_change.csv]")
@option("-plot", type=PATH, help="Also draw both areas along the cord (PNG, one follow-up).")
@option("-halfway", type=PATH, help="Folder for the two images half-way (one follow-up).")
@option("-m", to="model", help="Model: id, id@version or folder.")
@flag("-overwrite", help="Replace existing outputs.")
@flag("-offline", help="Never use the network.")
@flag("-json", "--json", to="as_json", help="Print one line of JSON for each follow-up only.")
@verbosity("a few lines", "details")
@takes(ChangeOptions)
def command(options: ChangeOptions) -> int:
    """Measure the change of the cord's area between images of one person."""
    from sct_deepseg_general.cli.requests.change import header_years

    _check(options)
    given = _given(options)
    scans = _scans(options)
    first, *later = scans
    years: Sequence[float | None] = given or [
        header_years(first.day, one.day, str(one.path)) for one in later
    ]
    _warn(scans)
    found, failed = _all(scans, years, _predictor(options), options)
    if not found:
        return 1
    _write(found, options)
    if options.as_json:
        for one in found:
            print(_line(one, options))
    elif options.verbose:
        for one in found:
            _print_result(one, options.verbose)
        for path in _written(options).values():
            print(f"  {printable(path)}")
    return int(failed)


def _given(options: ChangeOptions) -> list[float]:
    """The years between the images that -dates gives; empty without."""
    from sct_deepseg_general.cli.requests.change import years_given

    return years_given(options.dates, options.followups) if options.dates else []


def _scans(options: ChangeOptions) -> list[DatedScan]:
    """The baseline and the follow-ups, read and checked."""
    from sct_deepseg_general.change.pairing import check_names
    from sct_deepseg_general.cli.requests.change import dated_scan

    for followup in options.followups:
        check_names(options.baseline, followup)
    discfiles = options.discfiles or [None] * len(options.followups)
    later = zip(options.followups, discfiles, strict=True)
    images = [(options.baseline, options.discfile1), *later]
    return [dated_scan(path, discs) for path, discs in images]


def _warn(scans: list[DatedScan]) -> None:
    """Say what was done to each image, and what is odd about two together."""
    from sct_deepseg_general.cli.requests.change import pair_remarks

    first, *later = scans
    odd = (pair_remarks(first.scan.image, one.scan.image, (first.path, one.path)) for one in later)
    for sentence in chain(*(one.remarks for one in scans), *odd):
        print(f"Warning: {printable(sentence)}", file=sys.stderr)


def _all(
    scans: list[DatedScan],
    years: Sequence[float | None],
    predictor: Predictor,
    options: ChangeOptions,
) -> tuple[list[Visits], bool]:
    """The comparison of each follow-up, and whether one failed; that one is told."""
    from sct_deepseg_general.change.output import compared_visits
    from sct_deepseg_general.cli.screens.segment import progress_bar

    first, *later = ((one.path, one.scan) for one in scans)
    found, told = [], []
    with progress_bar(0 if options.as_json else options.verbose, "Comparing") as progress:
        for number, (followup, apart) in enumerate(zip(later, years, strict=True)):
            steps = None if progress is None else _part(progress, number, len(later))
            try:
                found.append(compared_visits(first, followup, apart, predictor, steps))
            except ImageError as error:
                told.append(f"{followup[0]}: {error}" if len(later) > 1 else str(error))
    for sentence in told:
        print(f"Error: {printable(sentence)}", file=sys.stderr)
    return found, bool(told)


def _part(progress: Progress, number: int, count: int) -> Progress:
    """The progress of one of several comparisons as that of all."""
    return lambda done, total: progress(number * total + done, count * total)


def _line(one: Visits, options: ChangeOptions) -> str:
    """One comparison as a line of JSON."""
    from sct_deepseg_general.change.output import as_record
    from sct_deepseg_general.provenance.line import as_line

    written = {what: str(path) for what, path in _written(options).items()}
    return as_line({"Schema": "change-1", **as_record(one), "Files": written})


def _written(options: ChangeOptions) -> dict[str, Path]:
    """The files that are written, by what they are."""
    from sct_deepseg_general.cli.requests.change import halfway_files

    files = {"Table": options.table, "Record": options.table.with_suffix(".json")}
    files |= {"Plot": options.plot} if options.plot else {}
    images = zip(("Half-way 1", "Half-way 2"), halfway_files(options.halfway), strict=False)
    return files | dict(images)


def _check(options: ChangeOptions) -> None:
    from sct_deepseg_general.cli.requests.change import check_places

    followups = len(options.followups)
    if options.discfiles and len(options.discfiles) != followups:
        raise click.UsageError("-discfile2 needs as many files as -i2.")
    for name, value in (("plot", options.plot), ("halfway", options.halfway)):
        if value and followups > 1:
            raise click.UsageError(f"-{name} works with one follow-up: give one with -i2.")
    if options.dates and len(options.dates) != followups + 1:
        raise click.UsageError("-dates needs one date for the baseline and one for each follow-up.")
    discs = (options.discfile1, *options.discfiles)
    check_places(
        options.table,
        options.plot,
        options.halfway,
        (options.baseline, *options.followups, *(one for one in discs if one is not None)),
        overwrite=options.overwrite,
    )


def _predictor(options: ChangeOptions) -> Predictor:
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.zoo.zoo import resolve

    return load_predictor(resolve(options.model, offline=options.offline))


def _write(found: list[Visits], options: ChangeOptions) -> None:
    """Write all files, or none of them."""
    from sct_deepseg_general.change.output import save_plot, write_csv, write_json
    from sct_deepseg_general.cli.requests.change import halfway_files
    from sct_deepseg_general.files import new_folder, written_together
    from sct_deepseg_general.image import nifti

    files = _written(options)
    place = nullcontext() if options.halfway is None else new_folder(options.halfway)
    with place, written_together(tuple(files.values())) as temporary:
        write_csv(temporary[files["Table"]], found)
        write_json(temporary[files["Record"]], found)
        if options.plot:
            save_plot(temporary[options.plot], found[0])
        between = found[0].comparison.halfway
        images = (between.first, between.second)
        for image, path in zip(images, halfway_files(options.halfway), strict=False):
            nifti.save(image, temporary[path])


def _print_result(one: Visits, verbose: int) -> None:
    from sct_deepseg_general.change.measure import ALL
    from sct_deepseg_general.change.output import rows

    print(f"{printable(one.baseline)} to {printable(one.followup)}:")
    for row in rows(one):
        print("  " + _sentence(row))
    if verbose > 1:
        alike = one.comparison.likeness
        print(f"  model {one.model}, correlation of the images half-way {alike:.3f}")
    if one.repeat is None:
        print(f"  The repeat error of {one.model} was not measured: no interval.")
    if all(change.name == ALL for change in one.comparison.changes):
        print("  No level is known in them: mark discs, and give the files with -discfile1 and 2.")


def _sentence(row: Mapping[str, Any]) -> str:
    from sct_deepseg_general.change.measure import ALL
    from sct_deepseg_general.change.output import ALL_WORDS

    where = ALL_WORDS if row["level"] == ALL else row["level"]
    text = (
        f"{where}: {row['baseline_mm2']:.1f} to {row['followup_mm2']:.1f} mm², "
        f"{row['change_percent']:+.2f} %"
    )
    if row["lower_percent"] is not None:
        beyond = "exceeds" if row["exceeds_repeat_error"] else "does not exceed"
        text += f" ({row['lower_percent']:+.2f} to {row['upper_percent']:+.2f}), "
        text += f"which {beyond} the repeat error"
    if row["percent_per_year"] is not None:
        text += f", {row['percent_per_year']:+.2f} % a year"
    if row["boundary_shift_percent"] is not None:
        text += f"; boundary shift {row['boundary_shift_percent']:+.2f} %"
    return text
