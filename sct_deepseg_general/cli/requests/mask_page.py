"""The entry of a mask that `csa` measured on a QC page."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sct_deepseg_general.cli._click import PROGRAM

if TYPE_CHECKING:
    from sct_deepseg_general.job.qc_files import QcAreas, QcFiles

__all__ = ["show_mask"]


def show_mask(
    folder: Path, files: QcFiles, named: tuple[str | None, str | None], areas: QcAreas | None
) -> Path:
    """Add a mask to the QC page in a folder, with the areas that its table has.

    Parameters
    ----------
    folder : Path
        The folder of the page.
    files : QcFiles
        The mask, its image, and what goes with them.
    named : tuple of str or None
        Dataset and subject; None takes them from the path of the image.
    areas : QcAreas or None
        The areas of the table; None measures the mask for the page.

    Returns
    -------
    Path
        The page.
    """
    from sct_deepseg_general.job.qc_entry import filed
    from sct_deepseg_general.job.qc_files import QcNames, entry_of
    from sct_deepseg_general.qc.entry import add_entry
    from sct_deepseg_general.qc.folder import own_folder

    dataset, subject, contrast = filed(files.image)
    command = shlex.join([PROGRAM, *sys.argv[1:]])
    names = QcNames(named[0] or dataset, named[1] or subject, contrast, command=command)
    entry, _ = entry_of(files, names, areas)
    return add_entry(own_folder(folder), entry)
