"""What a training needs in images, disk, memory and time, from file headers and settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from sct_deepseg_general.bids.cases import Case, DatasetIndex
from sct_deepseg_general.datasets.recipe import Recipe, Training

__all__ = ["Estimate", "estimate", "seconds_per_iteration"]

_BYTES = 8  # of an image voxel and its label, both float32
_BASE_MEMORY = 2 << 30  # torch, nnU-Net and a process that draws patches
_SECONDS = 9e-9
"""Seconds for each channel pair and patch voxel: 0.275 s for one iteration of the embedded model's
network (2 patches of 32 x 32 x 32 voxels, 16 to 96 channels) on two CPU cores."""


@dataclass(frozen=True)
class Estimate:
    """What the training of one model needs."""

    images: int
    """Labelled images that are converted."""
    disk: int
    """Bytes of the nnU-Net dataset and of the prepared cases, at most."""
    memory: int
    """Bytes of memory of the training, roughly."""
    seconds: float | None
    """Time of the training on two CPU cores, roughly; None where nnU-Net plans the network."""


def estimate(recipe: Recipe, indexes: Iterable[DatasetIndex], models: int = 1) -> Estimate:
    """Estimate what training needs, from the headers of the images that a recipe takes.

    Parameters
    ----------
    recipe : Recipe
        The recipe; its `training` and `locator` decide time and memory.
    indexes : iterable of DatasetIndex
        What each of its datasets holds, as `sources.index_datasets` gives it.
    models : int
        Number of models that are trained one after the other.

    Returns
    -------
    Estimate
        Images, bytes and seconds. An image whose header cannot be read counts nothing.
    """
    cases = [case for one in indexes for case in one.labelled]
    headers = [found for case in cases if (found := _extent(case)) is not None]
    voxels = sum(int(np.prod(shape)) for shape, _ in headers)
    prepared = [
        _BYTES * sum(_working_voxels(one, training) for one in headers)
        for _, training in recipe.networks
    ]
    times = [_seconds(training) for _, training in recipe.networks]
    known = [time for time in times if time is not None]
    return Estimate(
        images=len(cases),
        disk=int(_BYTES * voxels + models * sum(prepared)),
        memory=int(_BASE_MEMORY + 2 * max(prepared)),
        seconds=models * sum(known) if len(known) == len(times) else None,
    )


def seconds_per_iteration(training: Training) -> float | None:
    """Seconds of one iteration on two CPU cores; None where patch or channels are not given.

    The time of a convolution grows with the square of the channels and with the voxels, of which
    each stage has an eighth of the stage before.
    """
    if training.patch is None or not training.features:
        return None
    work = sum(float(channels**2) / 8.0**stage for stage, channels in enumerate(training.features))
    return _SECONDS * training.batch * float(np.prod(training.patch)) * work


def _seconds(training: Training) -> float | None:
    each: float | None = seconds_per_iteration(training)
    if each is None:
        return None if training.minutes is None else training.minutes * 60 * len(training.folds)
    full = each * training.epochs * training.iterations
    once: float = full if training.minutes is None else min(full, training.minutes * 60)
    return once * len(training.folds)


def _extent(case: Case) -> tuple[tuple[int, ...], tuple[float, ...]] | None:
    """Voxels and mm along each axis of the image on disk; None if there is no such header."""
    try:
        header = nib.load(case.image).header
        zooms = tuple(float(mm) for mm in header.get_zooms()[:3])
        return tuple(int(n) for n in header.get_data_shape()[:3]), zooms
    except (OSError, ValueError, ImageFileError):
        return None


def _working_voxels(extent: tuple[tuple[int, ...], tuple[float, ...]], training: Training) -> float:
    """Voxels of a prepared case, at most: the image, cut to the margin across its shorter axes."""
    size = sorted(n * mm for n, mm in zip(*extent, strict=True))
    wide = 2 * training.margin + 20  # mm across the cord
    volume = min(size[0], wide) * min(size[1], wide) * size[2]
    spacing = training.spacing or extent[1]
    return volume / float(np.prod(spacing))
