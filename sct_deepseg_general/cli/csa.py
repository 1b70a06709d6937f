"""`csa`: area and shape of the cord from any mask, per slice, per level or over a region."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctCommand, flag, option, printable, takes
from sct_deepseg_general.cli.options.csa import (
    ON_OFF,
    MeasureOptions,
    c2c3_line,
    check_measures,
    companion_names,
    csa_request,
    level_request,
    measuring,
)
from sct_deepseg_general.cli.options.endings import PICTURE, check_ending, check_table
from sct_deepseg_general.cli.options.norms import (
    NormOptions,
    among_norms,
    check_own_area,
    norm_lines,
    norm_request,
)
from sct_deepseg_general.cli.options.sct import CSA_FLAGS, taken_over
from sct_deepseg_general.job.outputs import PRODUCER

if TYPE_CHECKING:
    from sct_deepseg_general.csa.aggregate import Table
    from sct_deepseg_general.csa.c2c3 import C2C3
    from sct_deepseg_general.csa.measure import CsaRequest, Measured
    from sct_deepseg_general.image.volume import Volume
    from sct_deepseg_general.job.mask_table import MaskStatus
    from sct_deepseg_general.job.qc_files import QcAreas
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


@dataclass(frozen=True)
class CsaOptions:
    """The values of all options of `csa`."""

    mask: Path
    output: Path | None
    mask_label: int | None
    mask_volume: int | None
    measures: MeasureOptions
    anat: Path | None
    soft: Path | None
    among: NormOptions
    model: str | None
    append: bool
    plot: Path | None
    backend: Literal["native", "sct"]
    overwrite: bool
    qc: Path | None
    qc_image: Path | None
    qc_dataset: str | None
    qc_subject: str | None
    as_json: bool
    verbose: int

    @property
    def prints(self) -> bool:
        """Whether sentences are printed on standard output."""
        return self.verbose > 0 and not self.as_json


class _Command(SctCommand):
    """`csa`, which understands the flags of SCT's `sct_process_segmentation` too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words with SCT's flags taken over. With -s, the mask, -i is its image."""
        words, notes = taken_over(args, CSA_FLAGS)
        if "-s" in words:
            words = [{"-s": "-i", "-i": "-anat"}.get(word, word) for word in words]
        for note in notes:
            print(f"Note: {printable(note)}", file=sys.stderr)
        return super().parse_args(ctx, words)


@click.command(cls=_Command, epilog=_EPILOG)
@option("-i", to="mask", required=True, type=PATH, show_default=False, help="Mask, or soft mask.")
@option("-o", to="output", type=PATH, help="CSV file.  [default: MASK_csa.csv beside the mask]")
@option("-mask-label", type=int, help="Label of the cord, if the mask is a map of labels.")
@option("-mask-volume", type=int, help="Number of the volume, from 0, if the mask is 4D.")
@measuring(per_slice=0)
@option(
    "-anat",
    type=PATH,
    help="The image: adds areas of the quarters, and symmetry; levels are found in it.",
)
@option("-soft", type=PATH, help="Probability map: adds the soft area.")
@among_norms
@option("-m", to="model", help="Model that made the mask, for -age.  [default: from its sidecar]")
@option("-append", default=0, type=ON_OFF, help="Add the rows to an existing file.")
@option("-plot", type=PATH, help="Also draw the area along the cord (PNG).")
@option(
    "-backend",
    default="native",
    type=click.Choice(["native", "sct"]),
    help="Built-in code, or SCT.",
)
@flag("-overwrite", help="Replace existing outputs.")
@option("-qc", type=PATH, help="Folder of the QC page to add to; needs the image.")
@option("-qc-image", type=PATH, help="Image for the QC page.  [default: that of -anat]")
@option("-qc-dataset", help="Dataset name on the QC page.")
@option("-qc-subject", help="Subject name on the QC page.")
@flag("-json", "--json", to="as_json", help="Print one line of JSON (schema area-1), and no text.")
@option("-v", to="verbose", default=1, type=click.IntRange(0, 2), help="0: errors only.")
@takes(CsaOptions)
def command(given: CsaOptions) -> int:
    """Measure a mask: cross-sectional area, diameters and shape of the cord."""
    from sct_deepseg_general.csa.companions import centreline_aside, on_grid_of
    from sct_deepseg_general.csa.table import write
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.job.mask_table import read_mask, status_path, write_status

    mask = given.mask
    path = (
        given.output
        or mask.parent / f"{mask.name.removesuffix('.gz').removesuffix('.nii')}_csa.csv"
    )
    _check(path, given)
    segmentation = read_mask(mask, given.mask_label, given.mask_volume)
    request = csa_request(given.measures, given.anat)
    if given.soft:
        request = replace(request, soft=nifti.load_probability(given.soft))
    request, sentences = on_grid_of(
        segmentation, request, str(mask), companion_names(given.measures, given.anat, given.soft)
    )
    aside = ""
    if request.centreline is not None:
        name = str(given.measures.centerline)
        aside = centreline_aside(request.centreline, segmentation, name)
    if given.verbose:
        _warnings(sentences)
    if given.backend == "sct":
        from sct_deepseg_general.csa import sct

        table, c2c3, norms, areas = sct.measured(segmentation, request), None, None, None
    else:
        table, c2c3, norms, areas = _native(segmentation, request, mask, given)
    table = replace(table, spelled=given.measures.excel)
    status = _status(mask, segmentation, request, given).also(aside)
    write(
        path, table, str(mask), PRODUCER, append=given.append,
        status=status.status, reasons=status.reasons,
    )  # fmt: skip
    write_status(status_path(path), mask, table, status, append=given.append)
    page = _show(given, areas) if given.qc else None
    if given.as_json:
        files = {"Table": path, "Status": status_path(path), "Plot": given.plot, "QC": page}
        from sct_deepseg_general.provenance.line import area_line, as_line

        print(as_line(area_line(mask, (table, status), c2c3, norms, files)))
    elif given.verbose:
        _print_result(table, status, path, given)
    return 0


def _show(given: CsaOptions, areas: QcAreas | None) -> Path:
    """Add the mask to a QC page, with the areas that the table has."""
    from sct_deepseg_general.cli.requests.mask_page import show_mask
    from sct_deepseg_general.job.qc_files import QcFiles

    image, measures = given.qc_image or given.anat, given.measures
    assert image is not None  # noqa: S101 - checked before work began
    assert given.qc is not None  # noqa: S101
    files = QcFiles(
        image, given.mask, soft=given.soft, level_map=measures.vertfile, discs=measures.discfile,
        label=given.mask_label, volume=given.mask_volume,
    )  # fmt: skip
    page = show_mask(given.qc, files, (given.qc_dataset, given.qc_subject), areas)
    if given.prints:
        print(f"QC page: {printable(page)}")
    return page


def _warnings(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        print(f"Warning: {printable(sentence)}", file=sys.stderr)


def _status(mask: Path, segmentation: Volume, request: CsaRequest, given: CsaOptions) -> MaskStatus:
    """Whether the mask is plausible; the sidecar of one that was edited is brought up to date."""
    from sct_deepseg_general.job.edited import describe_edited
    from sct_deepseg_general.job.mask_table import MaskStatus
    from sct_deepseg_general.morphometry.morphometrics import measure
    from sct_deepseg_general.quality.assess import assess_mask

    quality = assess_mask(segmentation, measure(segmentation), request.image)
    edited = describe_edited(mask)
    if edited and given.prints:
        print(f"{printable(mask)} was edited: its sidecar now holds the area of the edited mask.")
    status = edited if edited and quality.status == "ok" else quality.status
    return MaskStatus(status, (*(["the mask was edited"] if edited else []), *quality.reasons))


def _among(given: CsaOptions) -> bool:
    return given.among.age is not None or given.among.contrast is not None


def _check(path: Path, given: CsaOptions) -> None:
    """Refuse at once what cannot be meant, or would fail or lose something at the end."""
    from sct_deepseg_general.files import clear_abandoned
    from sct_deepseg_general.job.mask_table import status_path
    from sct_deepseg_general.job.outputs import check_no_image, check_writable

    check_measures(given.measures, image=bool(given.anat))
    check_own_area(given.among, given.measures.normalize)
    if given.qc and not (given.qc_image or given.anat):
        raise click.UsageError("-qc needs the image to show: give -qc-image or -anat.")
    if given.backend == "sct" and (
        given.measures.c2c3 or given.measures.level_source or given.measures.disc_at
    ):
        raise click.UsageError("-c2c3, -levels and -disc-at need -backend native.")
    for name, value in (("plot", given.plot), ("age", given.among.age)):
        if value and given.backend == "sct":
            raise click.UsageError(f"-{name} needs -backend native.")
    check_table("-o", path)
    check_ending("-plot", given.plot, PICTURE)
    outputs = (path, status_path(path))
    check_no_image((path, *((given.plot,) if given.plot else ())))
    check_writable(outputs, overwrite=given.overwrite or given.append)
    if given.plot:
        check_writable((given.plot,), overwrite=given.overwrite)
    clear_abandoned(path.parent)


def _native(
    segmentation: Volume, request: CsaRequest, mask: Path, given: CsaOptions
) -> tuple[Table, C2C3 | None, Assessment | None, QcAreas]:
    """The table, the area of C2-C3 and the place among the norms where they were asked for, and
    the areas for a QC page.
    """
    from sct_deepseg_general.csa.c2c3 import c2c3_of
    from sct_deepseg_general.csa.measure import measured, region_of
    from sct_deepseg_general.job.correction import with_kept_interval
    from sct_deepseg_general.job.levels import c2c3_words
    from sct_deepseg_general.job.qc_files import QcAreas

    wanted = level_request(given.measures, also=_among(given))
    answer = None
    if wanted is not None and request.image is not None:
        request, answer = _with_levels(segmentation, request, wanted)
    request = _of_c2c3(request) if given.measures.c2c3 else request
    found = with_kept_interval(measured(segmentation, request), mask, segmentation, request)
    norms = _among_norms(found, mask, given)
    if given.plot:
        _draw(found, mask, given.plot, norms)
    if given.verbose:
        _warn(found, request, mask)
    if given.prints:
        print(*norm_lines(norms) if norms else (), sep="\n", end="\n" if norms else "")
    c2c3 = c2c3_of(found) if given.measures.c2c3 else None
    if c2c3 is not None and not given.as_json:
        print(c2c3_line(mask.name, c2c3, "", answer))
    region = region_of(segmentation, found, request)
    areas = QcAreas(found, segmentation.grid, region, c2c3_words(c2c3))
    if norms is None or not norms.places or request.selection.each_slice:
        return found.table, c2c3, norms, areas
    from sct_deepseg_general.norms.columns import with_norms

    return with_norms(found.table, norms), c2c3, norms, areas


def _of_c2c3(request: CsaRequest) -> CsaRequest:
    """The request for C2 and C3 in one row, where no other rows are asked for."""
    asked = request.selection
    if asked.levels or asked.per_level or asked.per_slice:
        return request
    return replace(request, selection=replace(asked, levels=(2, 3)))


def _with_levels(
    segmentation: Volume, request: CsaRequest, wanted: LevelRequest
) -> tuple[CsaRequest, LevelAnswer]:
    """The request with the levels found in the image, or the user's, checked and completed.

    Raises:
        ImageError: levels are asked for, no file is given, and those found are in doubt.
    """
    from sct_deepseg_general.errors import ImageError
    from sct_deepseg_general.levels.answer import Given, answered, needed_discs
    from sct_deepseg_general.levels.responses import embedded_network

    assert request.image is not None  # noqa: S101 - for the type checker
    needed = needed_discs(request.selection.levels, c2c3=wanted.c2c3)
    given = Given(request.discs, request.level_map, wanted.anchor, needed)
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
    return replace(request, discs=answer.discs), answer


def _among_norms(found: Measured, mask: Path, given: CsaOptions) -> Assessment | None:
    """Where the levels lie among the norms, by the record of the model that made the mask."""
    asked = norm_request(mask, given.among)
    if asked is None:
        return None
    from sct_deepseg_general.job.mask_table import MaskNorms
    from sct_deepseg_general.norms.made_by import model_of_mask

    return MaskNorms.of_model(asked, given.model or model_of_mask(mask)).assessed(found)


def _draw(found: Measured, mask: Path, path: Path, norms: Assessment | None) -> None:
    from sct_deepseg_general.csa.plot import PlotOptions, save_plot

    options = PlotOptions(title=mask.name, covers=found.covers)
    if norms is not None:
        options = replace(options, bands=norms.plotted(), band_label=norms.whose)
    save_plot(path, found.morphometrics, found.levels, options)


def _warn(found: Measured, request: CsaRequest, mask: Path) -> None:
    """What the table does not show: an empty mask, a single slice, slices without cord."""
    held = found.morphometrics.slices
    if not held.size:
        _warnings([f"{mask} is empty: there is no cord to measure."])
        return
    if held.size == 1 and request.angle_correction:
        _warnings([f"{mask} holds one slice: its angle is not known and not corrected."])
    gaps = sorted(set(range(held[0], held[-1] + 1)) - set(held.tolist()))
    if gaps:
        _warnings([f"no cord in slices {_listed(gaps)} of {mask}."])
    rows = found.table.rows
    remarks = [f"{row.name}: {remark}." for row in rows for remark in row.remarks]
    if request.selection.each_slice:
        remarks = [*found.doubled, *(f"{remark}." for remark in found.open_levels.values())]
    if found.absent and (request.selection.per_slice or request.selection.per_level):
        remarks.append(f"level {_listed(found.absent)} was asked for and is not there.")
    _warnings(remarks)


def _listed(numbers: Any) -> str:
    from sct_deepseg_general.csa.selection import number_list

    return number_list(numbers)


def _print_result(table: Table, status: MaskStatus, path: Path, given: CsaOptions) -> None:
    for row in table.rows if len(table.rows) <= 20 else ():
        area = row.values[0]
        if area is not None:
            print(f"{row.name}: {area:.2f} mm²")
    for reason in status.reasons:
        print(f"{status.status}: {printable(reason)}")
    print(path)
    if given.plot:
        print(given.plot)
