"""`qc`: any mask, ours or another tool's, on a QC page; or two masks in one entry."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
from sct_deepseg_general.cli.options.sct import QC_FLAGS, taken_over

if TYPE_CHECKING:
    from sct_deepseg_general.job.qc_files import QcFiles, QcNames

__all__ = ["command"]


_EPILOG = f"""\
Examples:
  {PROGRAM} qc -i t2.nii.gz -s t2_seg.nii.gz -qc qc
  {PROGRAM} qc -i t2.nii.gz -s t2_seg.nii.gz -s2 t2_manual.nii.gz -qc qc

Open qc/index.html in a browser: nothing is loaded from the network.
"""


@dataclass(frozen=True)
class QcOptions:
    """The values of all options of `qc`."""

    image: Path
    mask: Path
    other: Path | None
    soft: Path | None
    mask_label: int | None
    mask_volume: int | None
    folder: Path
    dataset: str | None
    subject: str | None
    contrast: str | None
    site: str
    vertfile: Path | None
    discfile: Path | None
    volume: bool
    as_json: bool
    verbose: int


class _Command(SctCommand):
    """`qc`, which understands the flags of SCT's `sct_qc` too."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words with SCT's flags taken over."""
        return super().parse_args(ctx, taken_over(args, QC_FLAGS)[0])


@click.command(cls=_Command, epilog=_EPILOG)
@option("-i", to="image", required=True, type=PATH, show_default=False, help="Image.")
@option("-s", to="mask", required=True, type=PATH, show_default=False, help="Its mask.")
@option("-s2", to="other", type=PATH, help="A second mask to compare: a reference, another tool.")
@option("-soft", type=PATH, help="Probability map of the mask.")
@option("-mask-label", type=int, help="Label of the cord, if the mask is a map of labels.")
@option("-mask-volume", type=int, help="Number of the volume, from 0, if the mask is 4D.")
@option(
    "-qc", to="folder", required=True, type=PATH, show_default=False, help="Folder of the page."
)
@option("-qc-dataset", to="dataset", help="Dataset name.  [default: as BIDS, or 3 folders above]")
@option("-qc-subject", to="subject", help="Subject name.  [default: as BIDS, or 2 folders above]")
@option("-qc-contrast", to="contrast", help="Contrast.  [default: as BIDS, or the folder]")
@option("-qc-site", to="site", default="", show_default=False, help="Site, for the group page.")
@option("-vertfile", type=PATH, help="Map with the number of the vertebral level in each voxel.")
@option(
    "-discfile", type=PATH, help="Single voxels with the number of the disc: value 3 is disc C2/C3."
)
@option(
    "-volume",
    default=1,
    type=click.IntRange(0, 1),
    help="Include the volume for the interactive viewer.",
)
@flag("-json", "--json", to="as_json", help="Print one line of JSON (schema qc-1), and no text.")
@option("-v", to="verbose", default=1, type=click.IntRange(0, 2), help="0: errors only.")
@takes(QcOptions)
def command(given: QcOptions) -> int:
    """Add an image and its mask to a QC page, or compare two masks there."""
    from sct_deepseg_general.job.outputs import check_folder
    from sct_deepseg_general.job.qc_files import entry_of
    from sct_deepseg_general.qc.entry import add_entry
    from sct_deepseg_general.qc.folder import check_report, own_folder

    files = _files(given)
    folder = own_folder(given.folder)
    check_folder(folder)
    check_report(folder)
    entry, sentences = entry_of(files, _names(given))
    for sentence in sentences:
        print(f"Warning: {printable(sentence)}", file=sys.stderr)
    page = add_entry(folder, entry, volume=given.volume)
    if given.as_json:
        from sct_deepseg_general.provenance.line import as_line, qc_record

        masks = {"Image": given.image, "Mask": given.mask, "OtherMask": given.other}
        print(as_line(qc_record(masks, entry, page)))
    elif given.verbose:
        print(f"{given.mask}: {entry.status}{''.join(f', {reason}' for reason in entry.reasons)}")
        print(f"QC page: {page}")
    return 0


def _files(given: QcOptions) -> QcFiles:
    from sct_deepseg_general.job.qc_files import QcFiles

    if given.vertfile and given.discfile:
        raise click.UsageError("Levels come from -vertfile or from -discfile: give one of them.")
    return QcFiles(
        image=given.image,
        mask=given.mask,
        other=given.other,
        soft=given.soft,
        level_map=given.vertfile,
        discs=given.discfile,
        label=given.mask_label,
        volume=given.mask_volume,
    )


def _names(given: QcOptions) -> QcNames:
    """Dataset, subject and contrast, as given or as the image is named."""
    from sct_deepseg_general.job.qc_entry import filed
    from sct_deepseg_general.job.qc_files import QcNames

    dataset, subject, contrast = filed(given.image)
    return QcNames(
        dataset=given.dataset or dataset,
        subject=given.subject or subject,
        contrast=given.contrast or contrast,
        site=given.site,
        command=shlex.join([PROGRAM, *sys.argv[1:]]),
    )
