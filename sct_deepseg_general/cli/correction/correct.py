"""`correct`: a copy of a mask to edit in a viewer, and what the correction changed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctCommand, option, printable, takes

if TYPE_CHECKING:
    from sct_deepseg_general.job.correction import Corrected, Correction

__all__ = ["command", "viewer_words"]

_EPILOG = f"""\
Examples:
  {PROGRAM} correct -i t2.nii.gz                   (makes the copy, prints how to open it)
  {PROGRAM} correct -i t2.nii.gz -open fsleyes
  {PROGRAM} correct -i t2.nii.gz -qc qc            (after it was saved: measures, before and after)
  {PROGRAM} correct -i data/sub-01/anat/sub-01_T2w.nii.gz -s out/sub-01_mask.nii.gz -bids data

The first call makes <image>_label-SC_desc-manual_seg.nii.gz. Edit and save that file in the viewer
under the same name, then give the same command again.
"""


@dataclass(frozen=True)
class CorrectOptions:
    """The values of all options of `correct`."""

    image: Path
    mask: Path | None
    output: Path | None
    dataset: Path | None
    viewer: Literal["fsleyes", "itksnap"] | None
    qc: Path | None
    verbose: int


@click.command(cls=SctCommand, epilog=_EPILOG)
@option("-i", to="image", required=True, type=PATH, show_default=False, help="Image.")
@option("-s", to="mask", type=PATH, help="The mask to correct.  [default: IMAGE_seg beside it]")
@option(
    "-o", to="output", type=PATH, help="Folder or name of the copy.  [default: beside the mask]"
)
@option(
    "-bids",
    to="dataset",
    type=PATH,
    help="The image's BIDS dataset: the copy goes to its derivatives/labels, for training.",
)
@option("-open", to="viewer", type=click.Choice(["fsleyes", "itksnap"]), help="Open a viewer.")
@option("-qc", type=PATH, help="QC page, to which before and after are added.")
@option("-v", to="verbose", default=1, type=click.IntRange(0, 2), help="0: errors only.")
@takes(CorrectOptions)
def command(given: CorrectOptions) -> int:
    """Correct a mask by hand: make a copy to edit, then measure what was changed."""
    from sct_deepseg_general.job.correction import begin, is_untouched, measure_correction

    files = _files(given)
    if given.dataset:
        _describe_labels(given.dataset)
    if not files.manual.exists():
        begin(files)
        _tell_how(files, given, f"Copy to edit: {printable(files.manual)}")
    elif is_untouched(files):
        _tell_how(files, given, f"{printable(files.manual)} was not changed yet.")
    else:
        corrected = measure_correction(files)
        _tell_change(files, corrected, given)
    return 0


def viewer_words(viewer: str, image: Path, mask: Path) -> list[str]:
    """The command line that opens a mask over its image in a viewer, where it can be edited."""
    if viewer == "itksnap":
        return ["itksnap", "-g", str(image), "-s", str(mask)]
    return ["fsleyes", str(image), "-cm", "greyscale", str(mask), "-cm", "red", "-a", "50"]


def _files(given: CorrectOptions) -> Correction:
    from sct_deepseg_general.errors import ImageError
    from sct_deepseg_general.job.correction import Correction, manual_path
    from sct_deepseg_general.job.outputs import outputs_for

    mask = given.mask or outputs_for(given.image).segmentation
    if not mask.exists():
        raise ImageError(f"There is no mask {mask}: segment the image first, or give it with -s.")
    if given.output and given.dataset:
        raise click.UsageError("Give either -o or -bids.")
    return Correction(
        given.image, mask, manual_path(given.image, mask, given.output, given.dataset)
    )


def _describe_labels(dataset: Path) -> None:
    from sct_deepseg_general.batch.naming import describe_labels

    describe_labels(dataset)


def _tell_how(files: Correction, given: CorrectOptions, first: str) -> None:
    """Print how the copy is edited; open the viewer that was asked for."""
    if given.verbose:
        print(first)
        print("Edit it in one of these, and save it under the same name:")
        for viewer in ("fsleyes", "itksnap"):
            print(f"  {shlex.join(viewer_words(viewer, files.image, files.manual))}")
        print("Then give the same command again; it measures the mask and shows what was changed.")
    if given.viewer:
        _open(given.viewer, files)


def _open(viewer: str, files: Correction) -> None:
    from sct_deepseg_general.errors import BackendError

    words = viewer_words(viewer, files.image, files.manual)
    program = shutil.which(words[0])
    if program is None:
        raise BackendError(f"{viewer} is not on the PATH: install it, or use another viewer.")
    subprocess.run([program, *words[1:]], check=False)


def _tell_change(files: Correction, corrected: Corrected, given: CorrectOptions) -> None:
    if given.verbose:
        print(f"{printable(files.manual)}: {corrected.status}, {corrected.change.words}")
        print(f"  {printable(files.csa)}")
        print(f"  {printable(files.sidecar)}")
    if given.qc:
        page = _show(files, corrected, given.qc)
        if given.verbose:
            print(f"  QC page: {printable(page)}")


def _show(files: Correction, corrected: Corrected, folder: Path) -> Path:
    """Add an entry with both masks, and the change in words, to a QC page."""
    from dataclasses import replace

    from sct_deepseg_general.job.qc_entry import filed
    from sct_deepseg_general.job.qc_files import QcFiles, QcNames, entry_of
    from sct_deepseg_general.qc.entry import add_entry

    dataset, subject, contrast = filed(files.image)
    names = QcNames(dataset, subject, contrast, command=shlex.join([PROGRAM, *sys.argv[1:]]))
    entry, _ = entry_of(QcFiles(files.image, files.manual, files.mask), names)
    reasons = (corrected.change.words, *entry.reasons)
    return add_entry(folder, replace(entry, reasons=reasons))
