"""`csa`: area and shape of the cord from any mask, per slice, per level or over a region."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general import __version__
from sct_deepseg_general.cli._click import PROGRAM, SctCommand, flag, option, printable
from sct_deepseg_general.cli._csa_options import (
    FILE,
    ON_OFF,
    c2c3_line,
    check_measures,
    csa_request,
    level_request,
    measuring,
)
from sct_deepseg_general.cli._norm_options import among_norms, norm_lines, norm_request

if TYPE_CHECKING:
    from sct_deepseg_general.csa.aggregate import Table
    from sct_deepseg_general.csa.measure import CsaRequest, Measured
    from sct_deepseg_general.image.volume import Volume
    from sct_deepseg_general.levels.answer import LevelAnswer, LevelRequest
    from sct_deepseg_general.norms.assess import Assessment

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} csa -i t2_seg.nii.gz -perslice 1
  {PROGRAM} csa -i t2_seg.nii.gz -vert 2:4 -perlevel 1 -discfile discs.nii.gz -plot csa.png
  {PROGRAM} csa -i t2_seg.nii.gz -anat t2.nii.gz -c2c3
  {PROGRAM} csa -i t2_seg.nii.gz -anat t2.nii.gz -levels auto -perlevel 1
  {PROGRAM} csa -i t2_seg.nii.gz -pmj pmj.nii.gz -pmj-distance 60
  {PROGRAM} csa -i t2_seg.nii.gz -perslice 1 -soft t2_softseg.nii.gz

The columns and their values are those of SCT's sct_process_segmentation.
"""


@click.command(cls=SctCommand, epilog=_EPILOG)
@option("-i", to="mask", required=True, type=FILE, show_default=False, help="Mask, or soft mask.")
@option("-o", to="output", type=FILE, help="CSV file.  [default: MASK_csa.csv beside the mask]")
@measuring(per_slice=0)
@option(
    "-anat",
    type=FILE,
    help="The image: adds areas of the quarters, and symmetry; levels are found in it.",
)
@option("-soft", type=FILE, help="Probability map: adds the soft area.")
@among_norms
@option("-m", to="model", help="Model that made the mask, for -age.  [default: by its sidecar]")
@option("-append", default=0, type=ON_OFF, help="Add the rows to an existing file.")
@option("-plot", type=FILE, help="Also draw the area along the cord (PNG).")
@option("-backend", default="native", type=click.Choice(["native", "sct"]), help="Who measures.")
@flag("-overwrite", help="Replace existing outputs.")
@option("-v", to="verbose", default=1, type=click.IntRange(0, 2), help="0: errors only.")
def command(mask: Path, output: Path | None, **rest: Any) -> int:
    """Measure a mask: cross-sectional area, diameters and shape of the cord."""
    from sct_deepseg_general.csa import table as csa_table
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.job.edited import describe_edited

    path = output or mask.parent / f"{mask.name.removesuffix('.gz').removesuffix('.nii')}_csa.csv"
    _check(path, rest)
    segmentation = nifti.load_map(mask)
    request = csa_request(rest)
    if rest["soft"]:
        request = replace(request, soft=nifti.load_probability(rest["soft"]))
    if rest["backend"] == "sct":
        from sct_deepseg_general.csa import sct

        table = sct.measured(segmentation, request)
    else:
        table = _native(segmentation, request, mask, rest)
    version = f"sct_deepseg_general {__version__}"
    status = describe_edited(mask)
    if status and rest["verbose"]:
        print(f"{printable(mask)} was edited: its sidecar now holds the area of the edited mask.")
    added = bool(rest["append"])
    csa_table.write(path, table, str(mask), version, append=added, status="" if added else status)
    if rest["verbose"]:
        _tell(table, path, rest)
    return 0


def _check(path: Path, rest: Mapping[str, Any]) -> None:
    """Refuse at once what cannot be meant, or would fail or lose something at the end."""
    from sct_deepseg_general.files import clear_abandoned
    from sct_deepseg_general.job.outputs import check_writable

    check_measures(rest, image=bool(rest["anat"]))
    if rest["backend"] == "sct" and (rest["c2c3"] or rest["level_source"] or rest["disc_at"]):
        raise click.UsageError("-c2c3, -levels and -disc-at need -backend native.")
    for name in ("plot", "age"):
        if rest[name] and rest["backend"] == "sct":
            raise click.UsageError(f"-{name} needs -backend native.")
    check_writable((path,), overwrite=rest["overwrite"] or bool(rest["append"]))
    if rest["plot"]:
        check_writable((rest["plot"],), overwrite=rest["overwrite"])
    clear_abandoned(path.parent)


def _native(
    segmentation: Volume, request: CsaRequest, mask: Path, rest: Mapping[str, Any]
) -> Table:
    from sct_deepseg_general.csa.measure import measured

    wanted = level_request(rest)
    answer = None
    if wanted is not None and request.image is not None:
        request, answer = _with_levels(segmentation, request, wanted)
    found = measured(segmentation, request)
    norms = _among_norms(found, mask, rest)
    if rest["plot"]:
        _draw(found, mask, rest["plot"], norms)
    if rest["verbose"]:
        _warn(found, request, mask)
        print(*norm_lines(norms) if norms else (), sep="\n", end="\n" if norms else "")
    if rest["c2c3"]:
        from sct_deepseg_general.csa.c2c3 import c2c3_of

        print(c2c3_line(mask.name, c2c3_of(found), "", answer))
    if norms is None or not norms.places or rest["perslice"]:
        return found.table
    from sct_deepseg_general.norms.columns import with_norms

    return with_norms(found.table, norms)


def _with_levels(
    segmentation: Volume, request: CsaRequest, wanted: LevelRequest
) -> tuple[CsaRequest, LevelAnswer]:
    """The request with the levels found in the image, or the user's, checked and completed.

    Raises:
        ImageError: levels are asked for, no file is given, and those found are in doubt.
    """
    from sct_deepseg_general.errors import ImageError
    from sct_deepseg_general.levels.answer import Given, answered
    from sct_deepseg_general.levels.responses import embedded_network

    assert request.image is not None  # noqa: S101 - for the type checker
    given = Given(request.discs, request.level_map, wanted.anchor)
    answer = answered(request.image, segmentation, embedded_network(), given)
    for sentence in answer.warnings:
        print(f"Warning: {sentence}", file=sys.stderr)
    if request.level_map is not None:
        return request, answer
    if answer.withheld:
        raise ImageError(
            f"The levels are withheld: {'; '.join(answer.withheld)}. Without levels, use "
            "-perslice 1 or -z, and no -age."
        )
    selection = request.selection
    if wanted.c2c3 and not (selection.levels or selection.per_level or selection.per_slice):
        selection = replace(selection, levels=(2, 3))
    return replace(request, discs=answer.discs, selection=selection), answer


def _among_norms(found: Measured, mask: Path, rest: Mapping[str, Any]) -> Assessment | None:
    """Where the levels lie among the norms, by the record of the model that made the mask."""
    asked = norm_request(mask, rest)
    if asked is None:
        return None
    from sct_deepseg_general.norms.assess import assessed
    from sct_deepseg_general.norms.centile import Calibrations
    from sct_deepseg_general.norms.made_by import model_of_mask
    from sct_deepseg_general.quality.uncertainty import IntervalFactors
    from sct_deepseg_general.zoo.zoo import resolve

    model = resolve(rest["model"] or model_of_mask(mask), offline=True)
    asked = replace(asked, repeat=IntervalFactors.from_record(model.intervals).repeat)
    calibrations = Calibrations.from_record(model.norms)
    return assessed(found.morphometrics, found.single_levels, asked, calibrations)


def _draw(found: Measured, mask: Path, path: Path, norms: Assessment | None) -> None:
    from sct_deepseg_general.csa.plot import PlotOptions, save_plot

    options = PlotOptions(title=mask.name)
    if norms is not None:
        options = replace(options, bands=norms.plotted(), band_label=norms.whose)
    save_plot(path, found.morphometrics, found.levels, options)


def _warn(found: Measured, request: CsaRequest, mask: Path) -> None:
    """What the numbers alone would not say."""
    from sct_deepseg_general.levels.slices import missing_discs

    held = found.morphometrics.slices
    if not held.size:
        print(f"Warning: {mask} is empty: there is no cord to measure.", file=sys.stderr)
    elif held.size == 1 and request.angle_correction:
        print(
            f"Warning: {mask} holds one slice: its angle is not known and not corrected.",
            file=sys.stderr,
        )
    gaps = sorted(set(range(held[0], held[-1] + 1)) - set(held.tolist())) if held.size else []
    if gaps:
        print(f"Warning: no cord in slices {_listed(gaps)} of {mask}.", file=sys.stderr)
    missing = missing_discs(request.discs) if request.discs is not None else ()
    if missing:
        print(
            f"Warning: no label for the discs {_listed(missing)}: the level above each covers two.",
            file=sys.stderr,
        )


def _listed(numbers: Any) -> str:
    from sct_deepseg_general.csa.selection import number_list

    return number_list(numbers)


def _tell(table: Table, path: Path, rest: Mapping[str, Any]) -> None:
    for row in table.rows if len(table.rows) <= 20 else ():
        area = row.values[0]
        if area is not None:
            levels = f"level {_listed(row.levels)}, " if row.levels else ""
            print(f"{levels}slices {_listed(row.slices)}: {area:.2f} mm²")
    print(path)
    if rest["plot"]:
        print(rest["plot"])
