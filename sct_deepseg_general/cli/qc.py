"""`qc`: any mask, ours or another tool's, on a QC page; or two masks in one entry."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sct_deepseg_general import __version__
from sct_deepseg_general.cli._click import PROGRAM, SctCommand, option
from sct_deepseg_general.errors import ImageError

if TYPE_CHECKING:
    from sct_deepseg_general.image.volume import Segmentation, Volume
    from sct_deepseg_general.morphometry.morphometrics import Morphometrics
    from sct_deepseg_general.qc.entry import QcEntry, SliceArea
    from sct_deepseg_general.quality.findings import Quality

__all__ = ["command"]

FILE = click.Path(path_type=Path)

_V = TypeVar("_V", bound="Volume")

_EPILOG = f"""\
Examples:
  {PROGRAM} qc -i t2.nii.gz -s t2_seg.nii.gz -qc qc
  {PROGRAM} qc -i t2.nii.gz -s t2_seg.nii.gz -s2 t2_manual.nii.gz -qc qc

Open qc/index.html in a browser: nothing is loaded from the network.
"""


@click.command(cls=SctCommand, epilog=_EPILOG)
@option("-i", to="image", required=True, type=FILE, show_default=False, help="Image.")
@option("-s", to="mask", required=True, type=FILE, show_default=False, help="Its mask.")
@option("-s2", to="other", type=FILE, help="A second mask to compare: a reference, another tool.")
@option("-soft", type=FILE, help="Probability map of the mask.")
@option(
    "-qc", to="folder", required=True, type=FILE, show_default=False, help="Folder of the page."
)
@option("-qc-dataset", to="dataset", help="Dataset name.  [default: as BIDS, or 3 folders above]")
@option("-qc-subject", to="subject", help="Subject name.  [default: as BIDS, or 2 folders above]")
@option("-qc-contrast", to="contrast", help="Contrast.  [default: as BIDS, or the folder]")
@option("-qc-site", to="site", default="", show_default=False, help="Site, for the group page.")
@option("-vertfile", type=FILE, help="Map with the number of the level in each voxel.")
@option("-discfile", type=FILE, help="Single voxels: disc n is the top of vertebra n.")
@option(
    "-volume",
    default=1,
    type=click.IntRange(0, 1),
    help="Include the volume for the interactive viewer.",
)
@option("-v", to="verbose", default=1, type=click.IntRange(0, 2), help="0: errors only.")
def command(image: Path, mask: Path, folder: Path, **rest: Any) -> int:
    """Add an image and its mask to a QC page, or compare two masks there."""
    from sct_deepseg_general.qc.entry import add_entry

    entry = _entry(image, mask, rest)
    page = add_entry(folder, entry, volume=bool(rest["volume"]))
    if rest["verbose"]:
        print(f"{mask}: {entry.status}{''.join(f', {reason}' for reason in entry.reasons)}")
        print(f"QC page: {page}")
    return 0


def _entry(image: Path, mask: Path, rest: Mapping[str, Any]) -> QcEntry:
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.morphometry.morphometrics import measure
    from sct_deepseg_general.qc.entry import QcEntry

    volume = nifti.load(image)

    def given(path: Path | None, load: Callable[[Path], _V]) -> _V | None:
        return None if path is None else _on_grid(load(path), path, volume, image)

    segmentation = _on_grid(nifti.load_segmentation(mask), mask, volume, image)
    other = given(rest["other"], nifti.load_segmentation)
    table = measure(segmentation)
    quality = _quality(segmentation, table)
    dataset, subject, contrast = _names(image, rest)
    return QcEntry(
        image=volume,
        segmentation=segmentation,
        probability=given(rest["soft"], nifti.load_probability),
        other=other,
        csa=_areas(segmentation, table, rest),
        other_csa=() if other is None else _areas(other, measure(other), rest),
        status=quality.status,
        reasons=quality.reasons,
        command=shlex.join([PROGRAM, *sys.argv[1:]]),
        input_name=str(image),
        mask_name=str(mask),
        other_name=str(rest["other"] or ""),
        dataset=dataset,
        subject=subject,
        contrast=contrast,
        site=rest["site"],
        version=__version__,
    )


def _on_grid(value: _V, path: Path, image: Volume, image_path: Path) -> _V:
    if not value.grid.matches(image.grid, tolerance=1e-2):
        raise ImageError(
            f"{path} is not on the grid of {image_path} ({value.grid.shape} and "
            f"{image.grid.shape} voxels, or another affine): resample the mask to the image."
        )
    return value


def _names(image: Path, rest: Mapping[str, Any]) -> tuple[str, str, str]:
    """Dataset, subject and contrast, as given or as the image is named."""
    from sct_deepseg_general.job.job import filed

    dataset, subject, contrast = filed(image)
    return rest["dataset"] or dataset, rest["subject"] or subject, rest["contrast"] or contrast


def _quality(mask: Segmentation, table: Morphometrics) -> Quality:
    """What can be said of a mask alone: its area, its course, its borders."""
    import numpy as np

    from sct_deepseg_general.image.volume import Probability
    from sct_deepseg_general.morphometry.morphometrics import AXES
    from sct_deepseg_general.quality.assess import Evidence, assess

    certain = Probability(mask.data.astype(np.float32), mask.grid)
    upright = mask.grid.reoriented(AXES)
    evidence = Evidence(mask, certain, table, 0.5, found=True, box=upright.box, oriented=upright)
    return assess(evidence)


def _areas(
    mask: Segmentation, table: Morphometrics, rest: Mapping[str, Any]
) -> tuple[SliceArea, ...]:
    import numpy as np

    from sct_deepseg_general.morphometry.morphometrics import AXES
    from sct_deepseg_general.qc.entry import SliceArea

    area = table.area
    names = _level_names(mask, rest)
    grid = mask.grid.reoriented(AXES)
    heights = grid.affine[2, 3] + grid.affine[2, 2] * np.arange(grid.shape[2])
    return tuple(
        SliceArea(int(z), float(heights[z]), float(area[z]), level=names[z] if names else "")
        for z in np.flatnonzero(np.isfinite(area))
    )


def _level_names(mask: Segmentation, rest: Mapping[str, Any]) -> list[str]:
    """The level's name of each slice from the lowest up; empty where no labels were given."""
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.levels import slices as levels
    from sct_deepseg_general.levels.slices import level_name

    if rest["vertfile"] and rest["discfile"]:
        raise click.UsageError("Levels come from -vertfile or from -discfile: give one of them.")
    if rest["vertfile"]:
        numbers = levels.from_levels(nifti.load_map(rest["vertfile"]))
    elif rest["discfile"]:
        numbers = levels.from_discs(nifti.load_map(rest["discfile"]), mask)
    else:
        return []
    return [level_name(int(n)) if n > 0 else "" for n in numbers]
