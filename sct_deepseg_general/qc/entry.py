"""The QC report: an image and its segmentation as an entry of a page.

`add_entry` draws the images; contours, curves and lists are data that the browser draws.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import InLas
from sct_deepseg_general.image.volume import Box, Probability, Segmentation, Volume, to_sct_letters
from sct_deepseg_general.qc.display import DiscMark, Display, displayed
from sct_deepseg_general.qc.folder import PAGE, Attachment, QcRow, new_id, publish
from sct_deepseg_general.qc.mosaic import Mosaic, axial_mosaic, thumbnail
from sct_deepseg_general.qc.raster import heat_png, webp
from sct_deepseg_general.qc.sections import Section, coronal_section, sagittal_section
from sct_deepseg_general.qc.volumes import (
    embedded_image,
    embedded_labels,
    embedded_mask,
    embedded_probability,
    region,
)

__all__ = ["PAGE", "QcEntry", "ShownLabel", "SliceArea", "Status", "add_entry"]

Status = Literal["ok", "warn", "fail"]

_DIGITS = 6  # of means: the page rounds to one, as the terminal does; from two, 64.749 became 64.8
_MOST_BYTES = 290_000  # of an entry without its volume


@dataclass(frozen=True)
class SliceArea:
    """The cord's area in one slice.

    `slice` counts from the most inferior slice of the image, from 0; `position` is its place
    along the inferior-superior axis in mm; `area` and the ends of its interval `lower` and
    `upper` are in mm²; `level` is the vertebral level ("C3", or "" where unknown); `flagged`
    marks a slice to look at.
    """

    slice: int
    position: float
    area: float
    lower: float | None = None
    upper: float | None = None
    level: str = ""
    flagged: bool = False
    norm: tuple[float, float, float] | None = None
    """5th centile, median and 95th centile of people like this one at the slice's level, mm²."""


@dataclass(frozen=True, eq=False)
class ShownLabel:
    """One of several labels: its name and its mask (x, y, z), 0 or 1, on the image's grid."""

    name: str
    mask: Segmentation


@dataclass(frozen=True, eq=False)
class QcEntry:
    """One result as the report shows it; masks, probability and box are on the image's grid.

    `body` holds image, segmentation and probability in LAS, if they exist already.
    `other` is a second mask to compare with (a reference, another tool) and `other_csa` its
    areas. `confidence` in [0, 1] is, where left out, the mean probability inside the mask.
    `input_name` is written as it stands into the lists of marked files; `mask_name` and
    `other_name` are the masks' files; `model` is the model's key (id@version); `seconds` the
    time the result took; `version` the program's. `discs` are drawn with their numbers on the
    sagittal section; `levels` and `c2c3` say in words how sure these are, and the area of C2-C3;
    `norms` where the areas lie among those of healthy people, or why there is no centile.
    `labels` are drawn in place of the mask, each in a colour of its own, with a legend.
    `region` names the region that was asked for and `region_slices` are its slices; the entry's
    mean area, and those of its levels, are over these. `interval` is that of the mean area in mm²,
    which is narrower than the slices' own.
    """

    image: Volume
    segmentation: Segmentation
    probability: Probability | None = None
    other: Segmentation | None = None
    body: InLas | None = None
    box: Box | None = None
    csa: tuple[SliceArea, ...] = ()
    other_csa: tuple[SliceArea, ...] = ()
    status: Status = "ok"
    reasons: tuple[str, ...] = ()
    confidence: float | None = None
    model: str = ""
    command: str = ""
    input_name: str = ""
    mask_name: str = ""
    other_name: str = ""
    dataset: str = ""
    subject: str = ""
    contrast: str = ""
    site: str = ""
    seconds: float | None = None
    version: str = ""
    discs: tuple[DiscMark, ...] = ()
    levels: str = ""
    c2c3: str = ""
    norms: str = ""
    labels: tuple[ShownLabel, ...] = ()
    region: str = ""
    region_slices: tuple[int, ...] = ()
    interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        shape = self.image.grid.shape
        values = {name: getattr(self, name) for name in ("segmentation", "probability", "other")}
        values |= {f"label {label.name}": label.mask for label in self.labels}
        for name, value in values.items():
            if value is not None and value.grid.shape != shape:
                raise ImageError(
                    f"The {name} has {value.grid.shape} voxels and the image {shape}: "
                    "give one on the image's own grid."
                )


def add_entry(folder: Path, entry: QcEntry, volume: bool = True, at_once: bool = True) -> Path:
    """Add an entry to the QC report in a folder.

    Parameters
    ----------
    folder : Path
        The report's folder; it is made if it does not exist.
    entry : QcEntry
        The image (x, y, z) with its mask and areas (mm²). An entry of the same image and mask
        takes the place of the earlier one.
    volume : bool
        Include the part of the image around the cord for the interactive viewer; without it an
        entry takes at most 300 kB.
    at_once : bool
        Show the entry at once. If false, the page is brought up to date every few seconds only,
        and by `folder.refresh` in the end.

    Returns
    -------
    Path
        The page to open in a browser.

    Raises
    ------
    OutputError
        The folder cannot be written to, or holds the report of another tool.

    Notes
    -----
    Any number of processes may add entries at the same time.

    Examples
    --------
    >>> from sct_deepseg_general.image import nifti
    >>> image, mask = nifti.load(Path("t2.nii.gz")), nifti.load_segmentation(Path("t2_seg.nii.gz"))
    >>> add_entry(Path("qc"), QcEntry(image, mask)).as_posix()
    'qc/index.html'
    """
    row = _row(entry, new_id())
    attachments = _views(entry, row.id, volume)
    if volume:
        attachments = (*attachments, _volumes(entry, row.id))
    publish(folder, row, attachments, at_once)
    return folder / PAGE


def _row(entry: QcEntry, name: str) -> QcRow:
    held = set(entry.region_slices)
    csa = [a for a in entry.csa if not entry.region or a.slice in held]
    areas = [a.area for a in csa if math.isfinite(a.area)]
    return QcRow(
        id=name,
        date=f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
        dataset=entry.dataset,
        subject=entry.subject,
        contrast=entry.contrast,
        site=entry.site,
        input=entry.input_name,
        status=entry.status,
        reasons=entry.reasons,
        csa=_rounded(float(np.mean(areas)), _DIGITS) if areas else None,
        csa_sd=_rounded(float(np.std(areas)), _DIGITS) if areas else None,
        confidence=_confidence(entry),
        dice=_dice(entry),
        levels=_level_means(csa),
        seconds=_rounded(entry.seconds),
        model=entry.model,
        key=_key(entry),
        region=entry.region,
    )


def _key(entry: QcEntry) -> str:
    """The same for every entry of one image and one mask, whatever was made of them since."""
    files = (entry.input_name, entry.mask_name, entry.other_name)
    places = [os.path.abspath(name) if name else "" for name in files]  # noqa: PTH100 - of no file
    words = (entry.dataset, entry.subject, *places, "" if entry.mask_name else entry.model)
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def _confidence(entry: QcEntry) -> float | None:
    if entry.confidence is not None or entry.probability is None:
        return _rounded(entry.confidence, 4)
    inside = entry.probability.data[entry.segmentation.data > 0]
    return _rounded(float(inside.mean()), 4) if inside.size else None


def _dice(entry: QcEntry) -> float | None:
    if entry.other is None:
        return None
    ours, theirs = entry.segmentation.data > 0, entry.other.data > 0
    both = int(ours.sum()) + int(theirs.sum())
    return _rounded(2 * int((ours & theirs).sum()) / both, 4) if both else None


def _level_means(csa: Sequence[SliceArea]) -> tuple[tuple[str, float], ...]:
    names = dict.fromkeys(a.level for a in csa if a.level and math.isfinite(a.area))
    means = [(name, [a.area for a in csa if a.level == name]) for name in names]
    return tuple((name, round(float(np.nanmean(areas)), _DIGITS)) for name, areas in means)


def _views(entry: QcEntry, name: str, volume: bool) -> tuple[Attachment, ...]:
    display = _display(entry)
    mosaic = axial_mosaic(display)
    sagittal, coronal = sagittal_section(display), coronal_section(display)
    facts = _script("view", name, _view(entry, mosaic, sagittal, coronal, volume))
    files = [
        Attachment("view.js", facts),
        Attachment("thumb.webp", webp(thumbnail(display))),
        Attachment("sagittal.webp", webp(sagittal.image)),
        Attachment("coronal.webp", webp(coronal.image)),
    ]
    heats = ("axial", mosaic.heat), ("sagittal", sagittal.heat), ("coronal", coronal.heat)
    files += [Attachment(f"{plane}-p.png", heat_png(h)) for plane, h in heats if h is not None]
    room = _MOST_BYTES - sum(len(file.data) for file in files)
    return (*files, Attachment("axial.webp", _fitting(mosaic, room)))


def _display(entry: QcEntry) -> Display:
    """Everything in display axes, from the volumes in LAS where there are some."""
    body, box = entry.body, entry.box
    masks = (entry.image, entry.segmentation, entry.probability)
    if body is not None:
        masks = (body.image, body.segmentation, body.probability)
        box = None if box is None else box.on_axes(entry.image.grid, body.image.grid)
    labels = [label.mask for label in entry.labels]
    return displayed(*masks, entry.other, box, entry.discs, labels)


def _fitting(mosaic: Mosaic, room: int) -> bytes:
    """The mosaic's sheet in the best quality that fits into `room` bytes."""
    for quality in (88, 75, 60, 35, 10):
        data = webp(mosaic.sheet, quality)
        if len(data) <= room:
            break
    return data


def _view(
    entry: QcEntry, mosaic: Mosaic, sagittal: Section, coronal: Section, volume: bool
) -> dict[str, Any]:
    grid = entry.image.grid
    return {
        "axial": {
            "tiles": [
                [tile.number, tile.contour, tile.other, *([tile.labels] if tile.labels else [])]
                for tile in mosaic.tiles
            ],
            "columns": mosaic.columns,
            "voxels": mosaic.voxels,
            "pixels": mosaic.pixels,
            "of": mosaic.of,
        },
        "sagittal": _section(sagittal),
        "coronal": _section(coronal),
        "csa": [_area(a) for a in entry.csa],
        "otherCsa": [_area(a) for a in entry.other_csa],
        "shape": grid.shape,
        "spacing": [round(step, 4) for step in grid.spacing],
        "orientation": to_sct_letters(grid.axcodes),
        "frames": entry.image.frames,
        "mask": entry.mask_name,
        "otherMask": entry.other_name,
        "command": entry.command,
        "version": entry.version,
        "levels": entry.levels,
        "c2c3": entry.c2c3,
        "norms": entry.norms,
        "heat": entry.probability is not None,
        "other": entry.other is not None,
        "volume": volume,
        "labels": [label.name for label in entry.labels],
        "region": list(entry.region_slices) if entry.region else None,
        "interval": entry.interval and [_rounded(end, _DIGITS) for end in entry.interval],
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "voxels": section.voxels,
        "mm": [round(side, 2) for side in section.millimetres],
        "contour": section.contour,
        "other": section.other,
        "box": section.box,
        "discs": section.discs,
        "labels": section.labels,
    }


def _area(a: SliceArea) -> list[Any]:
    numbers = [_rounded(value) for value in (a.position, a.area, a.lower, a.upper)]
    norm = [] if a.norm is None else [[_rounded(value) for value in a.norm]]
    return [int(a.slice), *numbers, a.level, bool(a.flagged), *norm]


def _volumes(entry: QcEntry, name: str) -> Attachment:
    box = region(entry.segmentation, entry.box)
    volumes = {
        "image": embedded_image(entry.image, box),
        "mask": embedded_mask(entry.segmentation, box),
    }
    if entry.other is not None:
        volumes["other"] = embedded_mask(entry.other, box)
    if entry.labels:
        volumes["labels"] = embedded_labels([label.mask for label in entry.labels], box)
    if entry.probability is not None:
        volumes["probability"] = embedded_probability(entry.probability, box)
    return Attachment("volume.js", _script("volume", name, volumes))


def _script(kind: str, name: str, value: dict[str, Any]) -> bytes:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return f'qc.{kind}("{name}",{text});\n'.encode("ascii")


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
