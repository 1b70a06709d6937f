"""`change`: how much the cord's area changed between images of one person."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

if TYPE_CHECKING:
    from sct_deepseg_general.change.measure import Scan
    from sct_deepseg_general.change.output import Visits
    from sct_deepseg_general.inference.predictor import Predictor

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} change -i1 baseline.nii.gz -i2 followup.nii.gz
  {PROGRAM} change -i1 ses-1_T2w.nii.gz -i2 ses-2_T2w.nii.gz ses-3_T2w.nii.gz \\
      -dates 2023-05-02 2024-05-06 2025-04-29 -discfile1 ses-1_discs.nii.gz -plot change.png

The images must be of one person and one contrast. Each follow-up is compared with the baseline:
both are straightened along the cord, brought half-way to each other and segmented there. For
research: a change is no diagnosis.
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
    from sct_deepseg_general.change.output import compared_visits

    baseline, followups = options.baseline, options.followups
    _check(options)
    scans = [_scan(baseline, options.discfile1)]
    discfiles = options.discfiles or [None] * len(followups)
    scans.extend(_scan(one, discs) for one, discs in zip(followups, discfiles, strict=True))
    years = _years(options.dates or [day for _, day in scans])
    predictor = _predictor(options)
    found = [
        compared_visits((baseline, scans[0][0]), (followup, scan), apart, predictor)
        for followup, (scan, _), apart in zip(followups, scans[1:], years, strict=True)
    ]
    _write(found, options)
    if options.as_json:
        for one in found:
            print(_line(one, options))
    elif options.verbose:
        for one in found:
            _print_result(one)
        for path in _written(options).values():
            print(f"  {printable(path)}")
    return 0


def _line(one: Visits, options: ChangeOptions) -> str:
    """One comparison as a line of JSON."""
    from sct_deepseg_general.change.output import as_record
    from sct_deepseg_general.provenance.line import as_line

    written = {what: str(path) for what, path in _written(options).items()}
    return as_line({"Schema": "change-1", **as_record(one), "Files": written})


def _written(options: ChangeOptions) -> dict[str, Path]:
    """The files that are written, by what they are."""
    files = {"Table": options.table, "Record": options.table.with_suffix(".json")}
    return files | ({"Plot": options.plot} if options.plot else {})


def _check(options: ChangeOptions) -> None:
    from sct_deepseg_general.job.outputs import check_no_image, check_writable

    followups, path = len(options.followups), options.table
    if options.discfiles and len(options.discfiles) != followups:
        raise click.UsageError("-discfile2 needs as many files as -i2.")
    for name, value in (("plot", options.plot), ("halfway", options.halfway)):
        if value and followups > 1:
            raise click.UsageError(f"-{name} works with one follow-up: give one with -i2.")
    if options.dates and len(options.dates) != followups + 1:
        raise click.UsageError("-dates needs one date for the baseline and one for each follow-up.")
    plots = (options.plot,) if options.plot else ()
    check_no_image((path, *plots))
    check_writable((path, path.with_suffix(".json"), *plots), overwrite=options.overwrite)


def _years(dates: Sequence[str | None]) -> list[float | None]:
    from sct_deepseg_general.change.repeat import years_between

    first = dates[0]
    return [
        None if first is None or later is None else years_between(first, later)
        for later in dates[1:]
    ]


def _predictor(options: ChangeOptions) -> Predictor:
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.zoo.zoo import resolve

    return load_predictor(resolve(options.model, offline=options.offline))


def _scan(path: Path, discs: Path | None) -> tuple[Scan, str | None]:
    """An image with its discs, and the day that a DICOM header says."""
    from sct_deepseg_general.change.levels import disc_points
    from sct_deepseg_general.change.measure import Scan
    from sct_deepseg_general.cli.requests.dicom import dated_image
    from sct_deepseg_general.image.companion import check_points
    from sct_deepseg_general.image.labels import load_labels

    labels = load_labels(discs) if discs else None
    points = disc_points(labels) if labels else {}
    image, day = dated_image(path)
    if labels is not None and (told := check_points(labels, image, str(discs), str(path))):
        print(f"Warning: {printable(told)}", file=sys.stderr)
    return Scan(image, points), day.isoformat() if day else None


def _write(found: list[Visits], options: ChangeOptions) -> None:
    from sct_deepseg_general.change.output import save_plot, write_csv, write_json
    from sct_deepseg_general.image import nifti

    write_csv(options.table, found)
    write_json(options.table.with_suffix(".json"), found)
    if options.plot:
        save_plot(options.plot, found[0])
    if options.halfway:
        options.halfway.mkdir(parents=True, exist_ok=True)
        between = found[0].comparison.halfway
        for image, name in ((between.first, "first"), (between.second, "second")):
            nifti.save(image, options.halfway / f"{name}.nii.gz")


def _print_result(one: Visits) -> None:
    from sct_deepseg_general.change.output import rows

    print(f"{printable(one.baseline)} to {printable(one.followup)}:")
    for row in rows(one):
        print("  " + _sentence(row))
    if one.repeat is None:
        print(f"  The repeat error of {one.model} was not measured: no interval.")


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
