"""Imported networks: where they look, and the labels they give, as nnU-Net and SCT have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.volume import Box, Grid, Volume
from sct_deepseg_general.inference.engine import Float
from sct_deepseg_general.inference.imported.engine import Half, LabelEngine
from sct_deepseg_general.inference.imported.image import (
    NnunetImage,
    label_map,
    label_probability,
    nnunet_image,
)
from sct_deepseg_general.inference.locate import Location, box_on_grid
from sct_deepseg_general.zoo.labels import LabelScheme
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.record import Crop, Preprocessing

__all__ = ["Labelled", "crop_box", "labelled", "only_largest", "predicted", "prepared_channels"]

_TOWARDS = {
    "L": "left",
    "R": "right",
    "P": "posterior",
    "A": "anterior",
    "I": "inferior",
    "S": "superior",
}
_OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "I": "S", "S": "I"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Labelled:
    """What an imported network gives for an image, in the model's axes x, y, z."""

    labels: NDArray[np.uint8]
    """The value of the label of each voxel."""
    probability: Float
    """Of the label asked for, 0 to 1."""


def crop_box(location: Location, target: Grid, crop: Crop) -> Box:
    """The box around the cord on another grid, with distances of its own in each direction.

    Parameters
    ----------
    location : Location
        Where the locator found the cord; `location.coarse` holds it as a mask.
    target : Grid
        The image's grid in the model's axes.
    crop : Crop
        Distances in mm to keep beyond the cord.

    Returns
    -------
    Box
        The box on `target`, cut at its border; the whole grid if no cord was found.
    """
    around = None if location.coarse is None else Box.around(location.coarse.data)
    if location.coarse is None or around is None:
        return target.box
    grid = location.coarse.grid
    low, high = np.array(around.start, float), np.array(around.stop, float)
    for axis, (code, mm) in enumerate(zip(grid.axcodes, grid.spacing, strict=True)):
        low[axis] -= getattr(crop, _TOWARDS[_OPPOSITE[code]]) / mm
        high[axis] += getattr(crop, _TOWARDS[code]) / mm
    return box_on_grid(low, high, grid, target)


def labelled(
    channels: Sequence[Volume],
    box: Box,
    model: Model,
    engine: LabelEngine,
    name: str,
    progress: Progress | None = None,
) -> Labelled:
    """The labels of an image in the model's axes, from the part of it inside a box.

    Parameters
    ----------
    channels : sequence of Volume
        The images that the network takes together, in the model's axes and on one grid.
    box : Box
        The part to look at; outside, labels and probability are 0.
    model : Model
        The imported model.
    engine : LabelEngine
        What runs its network.
    name : str
        The label whose probability is wanted.
    progress : callable, optional
        Called with (tiles done, tiles in all).

    Raises
    ------
    ImageError
        The number of channels is not that of the network, or they are not on one grid.
    """
    image = prepared_channels(channels, box, model)
    grid = channels[0].grid
    preprocessing = model.preprocessing or Preprocessing()
    found, probability = predicted(image, model, preprocessing, engine, name, progress)
    labels = np.zeros(grid.shape, np.uint8)
    labels[box.slices] = found.transpose(2, 1, 0)
    whole = np.zeros(grid.shape, np.float32)
    whole[box.slices] = probability.transpose(2, 1, 0)
    return Labelled(labels, whole)


def prepared_channels(channels: Sequence[Volume], box: Box, model: Model) -> NnunetImage:
    """The part inside a box of the images in the model's axes, as the network expects it.

    Raises
    ------
    ImageError
        The number of channels is not that of the network, or they are not on one grid.
    """
    _check_channels(channels, model)
    arrays = [np.asarray(one.data[box.slices], np.float32).transpose(2, 1, 0) for one in channels]
    preprocessing = model.preprocessing or Preprocessing()
    spacing = channels[0].grid.spacing[::-1]
    return nnunet_image(arrays, spacing, model.spacing[::-1], preprocessing)


def predicted(
    image: NnunetImage,
    model: Model,
    preprocessing: Preprocessing,
    engine: LabelEngine,
    name: str,
    progress: Progress | None = None,
) -> tuple[NDArray[np.uint8], Float]:
    """The label map and the probability of one label, (z, y, x), of a prepared image.

    Folds are combined by the mean of their logits, as nnU-Net does, or by the majority of their
    label maps, as SCT does for lesion_ms; the probability is then the mean of the folds'.
    """
    scheme, how = model.scheme, preprocessing.logits
    folds = engine.logits(image.data, progress)
    if model.vote == "mean":
        logits = _mean(folds)
        return (
            label_map(logits, image, how, scheme),
            label_probability(logits, image, how, scheme, name),
        )
    maps, total, count = [], np.zeros(image.whole, np.float32), 0
    for logits in folds:
        maps.append(label_map(logits, image, how, scheme))
        total += label_probability(logits, image, how, scheme, name)
        count += 1
    return _majority(maps, scheme), np.asarray(total / count, np.float32)


def only_largest(labels: NDArray[np.uint8], names: Sequence[str], scheme: LabelScheme) -> None:
    """Remove all but the largest object of these labels from a label map (z, y, x), in place.

    Objects are connected by faces, as in SCT. Where a value belongs to another label too, it
    stays.
    """
    from scipy import ndimage  # 0.2 s, not for -h

    for name in names:
        values = scheme.label(name).values
        others = {one for label in scheme.labels if label.name != name for one in label.values}
        objects, count = ndimage.label(np.isin(labels, values))
        if count < 2:
            continue
        sizes = np.bincount(objects.ravel())
        sizes[0] = 0
        minor = (objects > 0) & (objects != int(sizes.argmax()))
        labels[minor & ~np.isin(labels, sorted(others))] = 0


def _check_channels(channels: Sequence[Volume], model: Model) -> None:
    names = ", ".join(model.channels)
    if len(channels) != len(model.channels):
        given = "one image was" if len(channels) == 1 else f"{len(channels)} images were"
        raise ImageError(
            f"{model.key} takes {len(model.channels)} images together ({names}), and {given} "
            "given: give the first with -i and the others with -channels."
        )
    for one in channels[1:]:
        if not one.grid.matches(channels[0].grid):
            raise ImageError(
                f"The images for {model.key} ({names}) must have the same voxels, found "
                f"{channels[0].grid.shape} and {one.grid.shape} or other positions: resample one."
            )


def _mean(folds: Iterator[Half]) -> Half:
    """The mean of the folds' logits, summed in half precision as in nnU-Net."""
    total = next(folds)
    count = 1
    for logits in folds:
        total += logits
        count += 1
    if count > 1:
        total /= np.float16(count)
    return total


def _majority(maps: Sequence[NDArray[np.uint8]], scheme: LabelScheme) -> NDArray[np.uint8]:
    """The value that more than half of the label maps have at a voxel, else 0."""
    found = np.zeros_like(maps[0])
    for value in range(1, max(max(label.values) for label in scheme.labels) + 1):
        votes = np.sum([one == value for one in maps], axis=0, dtype=np.int16)
        found[2 * votes > len(maps)] = value
    return found
