"""The first screen of help: what the command does, five flags, examples and the other commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from sct_deepseg_general.cli import SUBCOMMANDS
from sct_deepseg_general.cli._click import PROGRAM, SctCommand

__all__ = ["GROUPS", "FirstScreenCommand", "show_all"]

_FLAGS = """\
  -i IMAGE ...   the image or images (.nii, .nii.gz), or a DICOM folder
  -o FOLDER/     where to write; made if missing  [default: beside the image]
  -qc FOLDER     add to a QC page, which opens in a browser
  -c2c3          print one line: the mean area of C2 and C3
  -perlevel 1    a row for each vertebral level instead of each slice"""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Input and output": (
        "-i", "-o", "-soft", "-csa", "-overwrite", "-json", "-config", "-v",
    ),
    "Levels and regions": (
        "-c2c3", "-perlevel", "-perslice", "-z", "-vert", "-levels", "-disc-at", "-discfile",
        "-vertfile", "-pmj", "-pmj-distance", "-pmj-extent",
    ),
    "The mask": (
        "-thr", "-largest", "-fill-holes", "-remove-small", "-exact", "-uncertainty", "-strict",
    ),
    "The area": (
        "-angle-corr", "-centerline", "-centerline-algo", "-centerline-smooth",
        "-centerline-exclude-missing", "-normalize", "-normalize-PAM50", "-excel",
    ),
    "Pages and pictures": (
        "-qc", "-qc-dataset", "-qc-subject", "-plot", "-report", "-earlier",
    ),
    "DICOM": ("-series", "-dicom-seg", "-dicom-sr", "-keep-dates"),
    "Comparison with healthy people": ("-age", "-sex", "-contrast"),
    "Models and devices": (
        "-m", "-task", "-install", "-label", "-channels", "-device", "-engine", "-precision",
        "-trust", "-offline",
    ),
    "Help": ("-h", "-help-all", "-version"),
}  # fmt: skip
"""The flags of the main command under the headings of -help-all."""


class FirstScreenCommand(SctCommand):
    """A command whose -h fits one screen and whose -help-all lists every flag by group."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The first screen; or all flags, where `ctx.meta` says so."""
        if not ctx.meta.get(f"{PROGRAM}.all"):
            formatter.write(_first_screen())
            return
        formatter.write(f"Usage: {PROGRAM} -i IMAGE ... [flags]\n")
        options = {name: one for one in self.get_params(ctx) for name in one.opts}
        for heading, names in GROUPS.items():
            rows = [row for row in (_row(options[name], ctx) for name in names) if row]
            with formatter.section(heading):
                formatter.write_dl(rows)
        formatter.write(f"\nThe other commands: {PROGRAM} NAME -h\n")


def show_all(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    """Print every flag by group, and end."""
    if value and not ctx.resilient_parsing:
        ctx.meta[f"{PROGRAM}.all"] = True
        click.echo(ctx.get_help())
        ctx.exit()


def _row(option: click.Parameter, ctx: click.Context) -> tuple[str, str] | None:
    shown = getattr(option, "hidden", False)
    if shown:
        option.hidden = False  # type: ignore[attr-defined]
    return option.get_help_record(ctx)


def _first_screen() -> str:
    return "\n".join([*_lines(), ""])


def _lines() -> Iterator[str]:
    yield f"Usage: {PROGRAM} -i IMAGE ... [-o FOLDER/] [flags]"
    yield ""
    yield "Segments the spinal cord in MR images of any contrast and measures its area."
    yield "Beside t2.nii.gz it writes t2_seg.nii.gz (the mask), t2_seg_csa.csv (areas)"
    yield "and t2_seg.json (how they were made)."
    yield ""
    yield _FLAGS
    yield f"All flags, by group: {PROGRAM} -help-all"
    yield ""
    yield "Examples:"
    yield f"  {PROGRAM} -i t2.nii.gz -qc qc"
    yield f"  {PROGRAM} -i t2.nii.gz -c2c3"
    yield f"  {PROGRAM} -i sub-*/anat/*_T2w.nii.gz -o results/"
    yield ""
    yield f"Commands ({PROGRAM} NAME -h):"
    width = max(map(len, SUBCOMMANDS))
    for name, text in SUBCOMMANDS.items():
        if name != "segment":
            yield f"  {name:<{width}} {text}"
