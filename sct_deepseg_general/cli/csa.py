"""`csa`: area and shape of the cord from any mask, per slice, per level or over a region."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sct_deepseg_general import __version__
from sct_deepseg_general.cli._click import PROGRAM, SctCommand, flag, option

if TYPE_CHECKING:
    from sct_deepseg_general.aggregate import Selection, Table
    from sct_deepseg_general.csa import CsaRequest, Measured
    from sct_deepseg_general.volume import Volume

__all__ = ["command"]

ON_OFF = click.IntRange(0, 1)
FILE = click.Path(path_type=Path)

_EPILOG = f"""\
Examples:
  {PROGRAM} csa -i t2_seg.nii.gz -perslice 1
  {PROGRAM} csa -i t2_seg.nii.gz -vert 2:4 -perlevel 1 -discfile discs.nii.gz -plot csa.png
  {PROGRAM} csa -i t2_seg.nii.gz -pmj pmj.nii.gz -pmj-distance 60
  {PROGRAM} csa -i t2_seg.nii.gz -perslice 1 -soft t2_softseg.nii.gz

The columns and their values are those of SCT's sct_process_segmentation.
"""


class _Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from 8.2
    """A list such as 2:4 or 2,5, as a tuple of numbers."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        from sct_deepseg_general.csa_table import parse_number_list

        if isinstance(value, tuple):
            return value
        try:
            return parse_number_list(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command(cls=SctCommand, epilog=_EPILOG)
@option("-i", to="mask", required=True, type=FILE, show_default=False, help="Mask, or soft mask.")
@option("-o", to="output", type=FILE, help="CSV file.  [default: MASK_csa.csv beside the mask]")
@option("-perslice", default=0, type=ON_OFF, help="A row for each slice.")
@option("-perlevel", default=0, type=ON_OFF, help="A row for each vertebral level.")
@option("-z", to="slices", type=_Numbers(), help="Only these slices, such as 5:23.")
@option("-vert", to="levels", type=_Numbers(), help="Only these levels, such as 2:9 (C2 to T2).")
@option("-vertfile", type=FILE, help="Map with the number of the level in each voxel.")
@option("-discfile", type=FILE, help="Single voxels: disc n is the top of vertebra n.")
@option("-pmj", type=FILE, help="Single voxel: the pontomedullary junction.")
@option("-pmj-distance", type=float, help="Centre of the region, in mm below the junction.")
@option("-pmj-extent", type=float, default=20.0, help="Length of the region in mm.")
@option("-angle-corr", default=1, type=ON_OFF, help="Measure perpendicular to the centreline.")
@option("-centerline", type=FILE, help="Mask to take the centreline from instead.")
@option(
    "-centerline-algo",
    default="bspline",
    type=click.Choice(["bspline", "polyfit", "linear", "nurbs"]),
    help="Fit of the centreline.",
)
@option("-centerline-smooth", default=30.0, help="Smoothing of bspline; mm of window of linear.")
@option("-anat", type=FILE, help="The image: adds areas of the quarters, and symmetry.")
@option("-soft", type=FILE, help="Probability map: adds the soft area.")
@option("-normalize-PAM50", to="pam50", default=0, type=ON_OFF, help="Slices of the template.")
@option(
    "-normalize",
    multiple=True,
    help="Area of the average person: sex 0 brain-volume 960606 [thalamus-volume 13942] (mm³).",
)
@option("-append", default=0, type=ON_OFF, help="Add the rows to an existing file.")
@option("-plot", type=FILE, help="Also draw the area along the cord (PNG).")
@option("-backend", default="native", type=click.Choice(["native", "sct"]), help="Who measures.")
@flag("-overwrite", help="Replace existing outputs.")
@option("-v", to="verbose", default=1, type=click.IntRange(0, 2), help="0: errors only.")
def command(mask: Path, output: Path | None, **rest: Any) -> int:
    """Measure a mask: cross-sectional area, diameters and shape of the cord."""
    from sct_deepseg_general import csa_table, nifti

    path = output or mask.parent / f"{mask.name.removesuffix('.gz').removesuffix('.nii')}_csa.csv"
    _check(path, rest)
    segmentation = nifti.load_map(mask)
    request = _request(rest)
    if rest["backend"] == "sct":
        from sct_deepseg_general.backends import backend

        table = backend("sct").measured(segmentation, request)
    else:
        table = _native(segmentation, request, mask, rest)
    version = f"sct_deepseg_general {__version__}"
    csa_table.write(path, table, str(mask), version, append=bool(rest["append"]))
    if rest["verbose"]:
        _tell(table, path, rest)
    return 0


def _check(path: Path, rest: Mapping[str, Any]) -> None:
    """Refuse at once what cannot be meant, or would fail or lose something at the end."""
    from sct_deepseg_general.files import clear_abandoned
    from sct_deepseg_general.outputs import check_writable

    if rest["vertfile"] and rest["discfile"]:
        raise click.UsageError("Levels come from -vertfile or from -discfile: give one of them.")
    for name, given, needed in (
        ("-vert", rest["levels"], rest["vertfile"] or rest["discfile"]),
        ("-perlevel", rest["perlevel"], rest["vertfile"] or rest["discfile"]),
        ("-normalize-PAM50", rest["pam50"], rest["vertfile"] or rest["discfile"]),
    ):
        if given and not needed:
            raise click.UsageError(f"{name} needs -vertfile or -discfile.")
    _check_region(rest)
    if rest["plot"] and rest["backend"] == "sct":
        raise click.UsageError("-plot needs -backend native.")
    check_writable((path,), overwrite=rest["overwrite"] or bool(rest["append"]))
    if rest["plot"]:
        check_writable((rest["plot"],), overwrite=rest["overwrite"])
    clear_abandoned(path.parent)


def _check_region(rest: Mapping[str, Any]) -> None:
    if rest["pam50"] and not rest["perslice"]:
        raise click.UsageError("-normalize-PAM50 needs -perslice 1.")
    if rest["pmj_distance"] is not None and rest["pmj"] is None:
        raise click.UsageError("-pmj-distance needs -pmj.")
    if rest["pmj"] and rest["pmj_distance"] is None and not rest["perslice"]:
        raise click.UsageError("-pmj needs -pmj-distance or -perslice 1.")


def _request(rest: Mapping[str, Any]) -> CsaRequest:
    from sct_deepseg_general.centreline import CentrelineFit
    from sct_deepseg_general.csa import CsaRequest
    from sct_deepseg_general.nifti import load_probability

    return CsaRequest(
        selection=_selection(rest),
        angle_correction=bool(rest["angle_corr"]),
        fit=CentrelineFit(rest["centerline_algo"], rest["centerline_smooth"]),
        level_map=_loaded(rest["vertfile"]),
        discs=_loaded(rest["discfile"]),
        pmj=_loaded(rest["pmj"]),
        pmj_distance=rest["pmj_distance"],
        pmj_extent=rest["pmj_extent"],
        image=_loaded(rest["anat"]),
        centreline=_loaded(rest["centerline"]),
        soft=load_probability(rest["soft"]) if rest["soft"] else None,
        to_pam50=bool(rest["pam50"]),
        person=_person(rest["normalize"]),
    )


def _selection(rest: Mapping[str, Any]) -> Selection:
    from sct_deepseg_general.aggregate import Selection

    return Selection(
        slices=rest["slices"] or (),
        levels=rest["levels"] or (),
        per_slice=bool(rest["perslice"]),
        per_level=bool(rest["perlevel"]),
    )


def _loaded(path: Path | None) -> Volume | None:
    from sct_deepseg_general.nifti import load_map

    return load_map(path) if path else None


def _person(words: tuple[str, ...]) -> Any:
    from sct_deepseg_general import area_norm

    if not words:
        return None
    names, values = words[::2], words[1::2]
    try:
        pairs = tuple((name, float(value)) for name, value in zip(names, values, strict=True))
    except ValueError:
        raise click.UsageError("-normalize takes pairs of a name and a number.") from None
    return area_norm.person(pairs)


def _native(
    segmentation: Volume, request: CsaRequest, mask: Path, rest: Mapping[str, Any]
) -> Table:
    from sct_deepseg_general.csa import measured

    found = measured(segmentation, request)
    if rest["plot"]:
        _draw(found, mask, rest["plot"])
    if rest["verbose"]:
        _warn(found, request, mask)
    return found.table


def _draw(found: Measured, mask: Path, path: Path) -> None:
    from sct_deepseg_general.csa_plot import PlotOptions, save_plot

    save_plot(path, found.morphometrics, found.levels, PlotOptions(title=mask.name))


def _warn(found: Measured, request: CsaRequest, mask: Path) -> None:
    """What the numbers alone would not say."""
    from sct_deepseg_general.levels import missing_discs

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
    from sct_deepseg_general.csa_table import number_list

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
