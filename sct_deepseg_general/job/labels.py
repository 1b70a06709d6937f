"""The labels of imported models as files: names as SCT has them, and a table of volumes."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.files import stem_of, write_whole
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Segmentation
from sct_deepseg_general.inference.pipeline import InferenceResult
from sct_deepseg_general.job.outputs import Outputs
from sct_deepseg_general.levels.slices import level_name
from sct_deepseg_general.qc.entry import ShownLabel
from sct_deepseg_general.zoo.labels import Label
from sct_deepseg_general.zoo.model import Model

__all__ = [
    "LabelFile",
    "LabelVolume",
    "has_no_cord",
    "label_files",
    "label_paths",
    "labels_record",
    "labels_shown",
    "main_suffix",
    "of_all_labels",
    "unchecked",
    "volumes",
    "wanted_labels",
    "write_labels",
    "write_volumes",
]

_ROOTLET = re.compile(r"lvl\d+", re.IGNORECASE)
_COLUMNS = ("label", "values", "level", "voxels", "volume_mm3", "objects")


@dataclass(frozen=True)
class LabelFile:
    """One output of an imported model: a mask of one label, or the map of all of them."""

    suffix: str
    """What follows the image's name: "_lesion_seg"."""
    label: Label | None
    """None: the map of all labels, with their values."""


@dataclass(frozen=True)
class LabelVolume:
    """The size of one label in an image, or in one vertebral level of it."""

    label: Label
    level: str
    """The vertebral level ("C3"); "" for the whole image."""
    voxels: int
    volume: float
    """In mm³."""
    objects: int
    """Objects that are connected by faces."""


def label_files(model: Model, only: str | None = None) -> tuple[LabelFile, ...]:
    """The outputs of a model, the main one first, named as SCT names them.

    A model of the cord alone gives `_seg`, one of nerve rootlets one map `_rootlets`, and any
    other one mask `_<label>_seg` for each label. The main output is the cord, if it is among
    the labels.

    Parameters
    ----------
    model : Model
        The model.
    only : str, optional
        The one label that is wanted.
    """
    scheme = model.scheme
    if only is not None:
        return (LabelFile(_suffix(only), scheme.label(only)),)
    if scheme.names == (model.cord_label,):
        return (LabelFile("_seg", scheme.labels[0]),)
    if all(_ROOTLET.fullmatch(name) for name in scheme.names):
        return (LabelFile("_rootlets", None),)
    ordered = sorted(scheme.labels, key=lambda label: label.name != model.cord_label)
    return tuple(LabelFile(_suffix(label.name), label) for label in ordered)


def main_suffix(model: Model, only: str | None = None) -> str:
    """What follows the image's name in the main output of a model: "_seg" for the cord."""
    return "_seg" if model.preprocessing is None else label_files(model, only)[0].suffix


def label_paths(model: Model, only: str | None, outputs: Outputs) -> tuple[Path, ...]:
    """The files of an imported model beside its main mask: further masks, and their volumes."""
    if model.preprocessing is None:
        return ()
    main = outputs.segmentation
    return (*(path for path, _ in _masks(model, only, main)[1:]), _table(main))


def write_labels(
    result: InferenceResult,
    model: Model,
    only: str | None,
    outputs: Outputs,
    temporary: Mapping[Path, Path],
    levels: NDArray[Any] | None,
) -> None:
    """Write the main mask and, of an imported model, its further masks and volumes.

    `temporary` gives the place where each file is written first; `levels` is the vertebral level
    of each slice, from the lowest up, where known.
    """
    main = outputs.segmentation
    if model.preprocessing is None:
        nifti.save(result.segmentation, temporary[main])
        return
    for path, file in _masks(model, only, main):
        nifti.save(_content(result, file), temporary[path])
    write_volumes(temporary[_table(main)], volumes(result, wanted_labels(model, only), levels))


def labels_record(
    result: InferenceResult, model: Model, only: str | None, outputs: Outputs
) -> dict[str, Any]:
    """What the sidecar says of an imported model's labels and of the part that it was run on."""
    if model.preprocessing is None:
        return {}
    files = {file.label: path.name for path, file in _masks(model, only, outputs.segmentation)}
    labels = {
        one.label.name: {
            "Values": list(one.label.values),
            "Volume": round(one.volume, 3),
            "Objects": one.objects,
            "File": files.get(one.label, outputs.segmentation.name),
        }
        for one in volumes(result, wanted_labels(model, only))
    }
    cord = not has_no_cord(model, only)
    main = "The spinal cord: 1 inside, 0 outside, as" if cord else f"Labels {', '.join(labels)}"
    return {"main": main, "labels": labels, "region": _region(result)}


def has_no_cord(model: Model, only: str | None) -> bool:
    """Whether a model's main output is something else than the spinal cord."""
    if model.preprocessing is None:
        return False
    return model.cord_label is None or (only is not None and only != model.cord_label)


def unchecked(result: InferenceResult) -> tuple[str, ...]:
    """The reasons why a result without a cord has to be looked at."""
    lost = "no cord was found: the whole image was looked at"
    usual = "not checked: the quality check is of the spinal cord only"
    return (usual,) if result.location.found else (usual, lost)


def labels_shown(result: InferenceResult, model: Model, only: str | None) -> tuple[ShownLabel, ...]:
    """The labels that the QC page draws in colours of their own, the main one first.

    None for a model of one label, or where one was asked for: the mask shows it.
    """
    wanted = wanted_labels(model, only) if model.preprocessing is not None else ()
    if len(wanted) < 2:
        return ()
    ordered = sorted(wanted, key=lambda label: label.name != model.cord_label)
    return tuple(ShownLabel(label.name, result.mask(label)) for label in ordered)


def of_all_labels(result: InferenceResult) -> InferenceResult:
    """The result with the voxels of any label as its mask, without the probability of one."""
    if result.labels is None:
        return result
    every = (result.labels.data > 0).astype(np.uint8)
    return replace(result, segmentation=replace(result.labels, data=every))


def _region(result: InferenceResult) -> dict[str, Any]:
    """The part of the image that the network was run on, in voxels of the model's axes."""
    box, shape = result.location.box, result.oriented.shape
    where = "whole image" if box.shape == shape else "surroundings of the cord"
    return {
        "Seen": where if result.location.found else "whole image, as no cord was found",
        "Axes": "".join(result.oriented.axcodes),
        "Start": list(box.start),
        "Stop": list(box.stop),
        "Shape": list(shape),
    }


def wanted_labels(model: Model, only: str | None) -> tuple[Label, ...]:
    """The labels of a model that are measured: all, or the one asked for."""
    scheme = model.scheme
    return scheme.labels if only is None else (scheme.label(only),)


def _masks(model: Model, only: str | None, main: Path) -> list[tuple[Path, LabelFile]]:
    """The outputs of an imported model with their paths, the main one first."""
    first, *rest = label_files(model, only)
    base = stem_of(main)
    ending = main.name[len(base) :]
    stem = base.removesuffix(first.suffix)
    return [(main, first), *((main.with_name(f"{stem}{o.suffix}{ending}"), o) for o in rest)]


def _table(main: Path) -> Path:
    """The table of volumes of a main output."""
    base = stem_of(main)
    return main.with_name(f"{base}_volumes.csv")


def _content(result: InferenceResult, file: LabelFile) -> Segmentation:
    """What is written into one output."""
    if result.labels is None:
        return result.segmentation
    if file.label is None:
        return result.labels
    # the label that was asked for may have another threshold
    return result.segmentation if file.label.name == result.label else result.mask(file.label)


def volumes(
    result: InferenceResult, labels: Sequence[Label], levels: NDArray[Any] | None = None
) -> tuple[LabelVolume, ...]:
    """The size of each label, in the whole image and, where they are known, in each level.

    Parameters
    ----------
    result : InferenceResult
        The labels of an image.
    labels : sequence of Label
        The labels to measure.
    levels : array of int, optional
        The vertebral level of each slice, from the lowest up; 0 where it is not known.
    """
    voxel = float(np.prod(result.image.grid.spacing))
    return tuple(
        one for label in labels for one in _volumes(result.mask(label), label, levels, voxel)
    )


def write_volumes(path: Path, rows: Sequence[LabelVolume]) -> None:
    """Write the table: a row for each label, then one for each of its levels."""
    with write_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as to:
        table = csv.writer(to, lineterminator="\n")
        table.writerow(_COLUMNS)
        for row in rows:
            values = "+".join(map(str, row.label.values))
            name = re.sub(r"^[=+\-@]", "'", row.label.name)  # no formula for a spreadsheet
            table.writerow((name, values, row.level, row.voxels, f"{row.volume:.3f}", row.objects))


def _suffix(name: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    return f"_{safe}_seg"


def _volumes(
    mask: Segmentation, label: Label, levels: NDArray[Any] | None, voxel: float
) -> Iterator[LabelVolume]:
    upright = mask.reoriented(AXES).data > 0
    yield _volume(upright, label, "", voxel)
    if levels is None:
        return
    each = np.asarray(levels)
    for level in sorted({int(one) for one in each if one}):
        part = upright[:, :, each == level]
        yield _volume(part, label, level_name(level), voxel)


def _volume(mask: NDArray[np.bool_], label: Label, level: str, voxel: float) -> LabelVolume:
    from scipy import ndimage  # 0.2 s, not for -h

    voxels = int(mask.sum())
    return LabelVolume(label, level, voxels, voxels * voxel, int(ndimage.label(mask)[1]))
