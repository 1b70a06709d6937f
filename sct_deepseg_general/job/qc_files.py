"""A QC entry of files from anywhere: an image, its mask, and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general import __version__
from sct_deepseg_general.csa.aggregate import Row
from sct_deepseg_general.csa.companions import on_grid_of
from sct_deepseg_general.csa.measure import CsaRequest, Measured
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.companion import brought_over, described
from sct_deepseg_general.image.kinds import binary_mask, check_is_image
from sct_deepseg_general.image.labels import labels_in, load_labels
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Grid, Probability, Segmentation, Volume
from sct_deepseg_general.job.mask_table import read_mask
from sct_deepseg_general.levels.slices import (
    covered_name,
    covers_of,
    from_discs,
    from_levels,
    open_levels,
)
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure
from sct_deepseg_general.qc.entry import QcEntry, SliceArea
from sct_deepseg_general.quality.assess import assess_mask

__all__ = ["QcAreas", "QcFiles", "QcNames", "areas_shown", "entry_of"]


@dataclass(frozen=True)
class QcFiles:
    """The files of an entry: `other` is a second mask, `soft` the probability of the first;
    `level_map` or `discs` give the vertebral levels. `label` and `volume` choose the cord in masks
    that are maps of labels, or 4D.
    """

    image: Path
    mask: Path
    other: Path | None = None
    soft: Path | None = None
    level_map: Path | None = None
    discs: Path | None = None
    label: int | None = None
    volume: int | None = None


@dataclass(frozen=True)
class QcNames:
    """How an entry is filed, and the command that made it."""

    dataset: str
    subject: str
    contrast: str
    site: str = ""
    command: str = ""


@dataclass(frozen=True, eq=False)
class QcAreas:
    """The areas of a mask as they were measured on its own `grid`, and what was asked for: the
    `region`, None for all slices, and the area of C2-C3 in words.
    """

    found: Measured
    grid: Grid
    region: Row | None = None
    c2c3: str = ""


@dataclass(frozen=True, eq=False)
class _Read:
    """The files' contents on the grid of the image, and sentences about those on another."""

    image: Volume
    mask: Segmentation
    other: Segmentation | None
    soft: Probability | None
    sentences: tuple[str, ...]


def entry_of(
    files: QcFiles, names: QcNames, areas: QcAreas | None = None
) -> tuple[QcEntry, tuple[str, ...]]:
    """Read and measure the files of a QC entry.

    Parameters
    ----------
    files : QcFiles
        The image, its mask, and what goes with them.
    names : QcNames
        Dataset, subject, contrast and site of the entry.
    areas : QcAreas, optional
        The areas to show; by default the mask is measured perpendicular to its own centreline.

    Returns
    -------
    entry : QcEntry
        The entry, with the area (mm²) of every slice and the status of the mask.
    sentences : tuple of str
        What the user should know, such as a file on another grid.

    Raises
    ------
    ImageError
        A file cannot be used, or cannot be brought onto the grid of the image.
    """
    read = _read(files)
    table = measure(read.mask)
    quality = assess_mask(read.mask, table, read.image)
    of_slices, sentence, covers = _levels(files, read.mask)
    other: tuple[SliceArea, ...] = ()
    if read.other is not None:
        shapes = measure(read.other)
        other = areas_shown(read.other.grid, shapes, of_slices, covers=covers)
    entry = QcEntry(
        image=read.image,
        segmentation=read.mask,
        probability=read.soft,
        other=read.other,
        csa=areas_shown(read.mask.grid, table, of_slices, quality.flagged, covers=covers),
        other_csa=other,
        status=quality.status,
        reasons=quality.reasons,
        command=names.command,
        input_name=str(files.image),
        mask_name=str(files.mask),
        other_name=str(files.other or ""),
        dataset=names.dataset,
        subject=names.subject,
        contrast=names.contrast,
        site=names.site,
        version=__version__,
    )
    if areas is not None:
        entry = _with_areas(entry, areas, quality.flagged)
    return entry, (*read.sentences, *sentence)


def _with_areas(entry: QcEntry, areas: QcAreas, flagged: tuple[int, ...]) -> QcEntry:
    """The entry with areas that were measured on the mask's grid, in the image's slices."""
    found, image = areas.found, entry.image.grid.reoriented(AXES)
    first = apply_affine(np.linalg.inv(image.affine), areas.grid.reoriented(AXES).affine[:3, 3])
    above = round(float(first[2]))
    shown = areas_shown(areas.grid, found.morphometrics, found.levels, covers=found.covers)
    moved = (replace(one, slice=one.slice + above) for one in shown)
    csa = tuple(
        replace(one, flagged=one.slice in flagged)
        for one in moved
        if 0 <= one.slice < image.shape[2]
    )
    region = areas.region
    slices = () if region is None else region.slices
    return replace(
        entry,
        csa=csa,
        region="" if region is None else region.name,
        region_slices=tuple(z + above for z in slices),
        interval=found.morphometrics.mean_interval(np.array(slices) if slices else None),
        c2c3=areas.c2c3,
    )


def _read(files: QcFiles) -> _Read:
    """The volumes of the files; only the mask itself is never resampled, as its area is shown."""
    image = nifti.load(files.image)
    check_is_image(image, str(files.image))
    sentences: list[str] = []
    mask = _mask(files, files.mask, image, sentences, exact=True)
    other = None if files.other is None else _mask(files, files.other, image, sentences)
    soft = None
    if files.soft is not None:
        probability = nifti.load_probability(files.soft)
        brought = brought_over(probability, "image", image, str(files.soft), str(files.image))
        soft = brought.volume
        if mask.data.any() and not soft.data[mask.data > 0].any():
            raise ImageError(f"{files.soft} is 0 in all of {files.mask}: check that it belongs.")
        sentences.append(brought.sentence)
    return _Read(image, mask, other, soft, tuple(filter(None, sentences)))


def _mask(
    files: QcFiles, path: Path, image: Volume, sentences: list[str], *, exact: bool = False
) -> Segmentation:
    """A mask on the grid of the image; with `exact`, one that needs resampling is refused."""
    onto = files.image
    mask = binary_mask(_chosen(path, files), str(path))
    brought = brought_over(mask, "mask", image, str(path), str(onto))
    if exact and not brought.exact:
        raise ImageError(
            f"{path} is not on the grid of {onto} ({described(mask.grid)}; "
            f"{described(image.grid)}), and resampling would change its area: give the image that "
            "it was drawn on."
        )
    sentences.append(brought.sentence)
    return brought.volume


def _chosen(path: Path, files: QcFiles) -> Volume:
    """A mask, with the label and the volume that were chosen where it holds several."""
    if path == files.mask:
        return read_mask(path, files.label, files.volume)
    label = files.label if labels_in(nifti.load_map(path)) else None
    return read_mask(path, label)


def _levels(
    files: QcFiles, mask: Segmentation
) -> tuple[NDArray[np.int64] | None, tuple[str, ...], dict[int, tuple[int, ...]]]:
    """The vertebral level of each slice (LAS), what the user should know of the labels, and the
    levels that hold more than one vertebra.
    """
    if files.level_map is None and files.discs is None:
        return None, (), {}
    names = {"level_map": str(files.level_map), "discs": str(files.discs)}
    given = CsaRequest(
        level_map=None if files.level_map is None else load_labels(files.level_map),
        discs=None if files.discs is None else load_labels(files.discs),
    )
    given, sentences = on_grid_of(mask, given, str(files.mask), names)
    if given.discs is None:
        assert given.level_map is not None  # noqa: S101 - for the type checker
        return from_levels(given.level_map), sentences, {}
    covers = covers_of(given.discs)
    doubled = [
        f"{covered_name(level, covers)} are one level, as a disc between them is not labelled"
        for level in covers
    ]
    ends = open_levels(given.discs).values()
    return from_discs(given.discs, mask), (*sentences, *doubled, *ends), covers


def areas_shown(
    grid: Grid,
    table: Morphometrics,
    of_slices: NDArray[np.int64] | None,
    flagged: tuple[int, ...] = (),
    bands: Mapping[int, tuple[float, float, float]] | None = None,
    covers: Mapping[int, tuple[int, ...]] | None = None,
) -> tuple[SliceArea, ...]:
    """The area (mm²) of each slice with cord as the QC page shows it, from the lowest up.

    `of_slices` is the vertebral level of every slice of the image (0: none) and `flagged` are the
    slices to look at; `grid` is the image's, in any axis order; `bands` is the norm's range (mm²)
    of each level.

    Raises
    ------
    ImageError
        The table has another number of slices than the grid.
    """
    upright = grid.reoriented(AXES)
    if len(table.shapes) != upright.shape[2]:
        raise ImageError("The table of areas belongs to another image: measure the mask again.")
    heights = upright.affine[2, 3] + upright.affine[2, 2] * np.arange(upright.shape[2])
    area, lower, upper = table.area, table.area_lower, table.area_upper
    return tuple(
        SliceArea(
            int(z),
            float(heights[z]),
            float(area[z]),
            None if lower is None else float(lower[z]),
            None if upper is None else float(upper[z]),
            covered_name(int(of_slices[z]), covers or {})
            if of_slices is not None and of_slices[z]
            else "",
            int(z) in flagged,
            bands.get(int(of_slices[z])) if bands and of_slices is not None else None,
        )
        for z in table.slices
    )
