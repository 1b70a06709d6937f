"""The straight line from an image to its segmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from sct_deepseg_general.errors import ImageError, ModelError
from sct_deepseg_general.image.volume import (
    Array,
    Grid,
    Probability,
    Segmentation,
    Volume,
    from_sct_letters,
)
from sct_deepseg_general.inference.imported import crop_box, labelled, only_largest
from sct_deepseg_general.inference.locate import Location, locate
from sct_deepseg_general.inference.postprocess import Cleaning, segmented
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.inference.preprocess import cut_out, prepared, restored
from sct_deepseg_general.inference.test_time import views
from sct_deepseg_general.zoo.labels import Label
from sct_deepseg_general.zoo.record import Crop

__all__ = ["Options", "Result", "segment"]

_DIRECTIONS = ("superior", "inferior", "left", "right", "anterior", "posterior")
_V = TypeVar("_V", bound=Volume)
REACH = 6.0  # mm around the coarse cord within which every voxel is looked at closely


@dataclass(frozen=True)
class Options:
    """What a user may change. None leaves the model's own value."""

    threshold: float | None = None
    largest: bool = True
    fill_holes: bool = True
    exact: bool = False
    """Look at the whole image closely: no crop, no tile left out."""
    uncertainty: bool = False
    """Look in several ways (see `views`), to see how sure the result is. Seven times as slow."""
    label: str | None = None
    """The label of an imported model that is wanted; None: the cord, or else all of them."""

    def cleaning(self, model_threshold: float) -> Cleaning:
        threshold = model_threshold if self.threshold is None else self.threshold
        return Cleaning(threshold, self.largest, self.fill_holes)


@dataclass(frozen=True, eq=False)
class Result:
    """An image, its probability of cord and its segmentation, all on the image's grid."""

    image: Volume
    probability: Probability
    segmentation: Segmentation
    location: Location
    """The crop, on the grid `oriented`."""
    oriented: Grid
    """The image's grid in the model's axes."""
    other: tuple[Probability, ...] = ()
    """The probability in other views of the image, each on its own grid in the crop."""

    labels: Segmentation | None = None
    """Of an imported model: the value of the label of each voxel."""
    label: str = ""
    """Of an imported model: the label that `segmentation` and `probability` are of."""

    def mask(self, label: Label) -> Segmentation:
        """One label of an imported model as a mask."""
        if self.labels is None:
            return self.segmentation
        return replace(self.labels, data=np.isin(self.labels.data, label.values).astype(np.uint8))

    def other_probabilities(self, grid: Grid | None = None) -> Iterator[Probability]:
        """The probability of each of the other views, one by one, on the image's grid.

        `grid` may be the same grid in another axis order.
        """
        for probability in self.other:
            onto = grid or self.image.grid
            yield restored(probability, self.oriented, self.location.box, onto)


def segment(
    image: Volume,
    predictor: Predictor,
    options: Options | None = None,
    progress: Callable[[int, int], None] | None = None,
    others: Sequence[Volume] = (),
) -> Result:
    """Segment the cord, or the labels of an imported model, in an image.

    Parameters
    ----------
    image : Volume
        An image of any orientation, voxel size and contrast.
    predictor : Predictor
        The model and the engine that runs it.
    options : Options, optional
        What the user changes.
    progress : callable, optional
        Called with (tiles done, tiles in all).
    others : sequence of Volume
        Further images that the network takes together with the first.

    Returns
    -------
    Result
        Segmentation and probability on the image's grid.
    """
    options = options or Options()
    model = predictor.model
    if model.preprocessing is not None:
        return _labelled(image, others, predictor, options, progress)
    if others:
        raise ImageError(f"{model.key} takes one image, and {1 + len(others)} were given.")
    oriented = image.reoriented(from_sct_letters(model.orientation))
    location = _location(oriented, predictor, options)
    close = prepared(oriented, location.box, model.spacing, averaging=model.averaging)
    probability = predictor.probability(close, _wanted(location, close.grid), progress)
    restored_probability = restored(probability, oriented.grid, location.box, image.grid)
    probability = replace(restored_probability, header=image.header)
    segmentation = segmented(probability, options.cleaning(model.threshold))
    other = _other(oriented, close, location, predictor) if options.uncertainty else ()
    return Result(image, probability, segmentation, location, oriented.grid, other)


def _labelled(
    image: Volume,
    others: Sequence[Volume],
    predictor: Predictor,
    options: Options,
    progress: Callable[[int, int], None] | None,
) -> Result:
    """The result of an imported model."""
    model, scheme = predictor.model, predictor.model.scheme
    if options.uncertainty:
        raise ModelError(f"-uncertainty does not work with imported models such as {model.key}.")
    name = options.label or model.cord_label or scheme.names[0]
    wanted = scheme.label(name)
    axes = from_sct_letters(model.orientation)
    channels = [one.reoriented(axes) for one in (image, *others)]
    location = _surroundings(channels[0], predictor, options)
    found = labelled(channels, location.box, model, predictor.labels, name, progress)
    if options.largest:
        cord = (model.cord_label,) if model.cord_label else ()
        only_largest(found.labels, cord if model.largest is None else model.largest, scheme)
    grid = channels[0].grid
    probability = _on_image(Probability(found.probability, grid), image)
    labels = _on_image(Segmentation(found.labels, grid), image)
    mask = np.isin(labels.data, wanted.values)
    if options.threshold is not None:
        mask = probability.data >= options.threshold
    segmentation = replace(labels, data=mask.astype(np.uint8))
    return Result(image, probability, segmentation, location, grid, labels=labels, label=name)


def _on_image(volume: _V, image: Volume) -> _V:
    """A volume in the model's axes, in the image's."""
    back = volume.reoriented(image.grid.axcodes)
    data = np.ascontiguousarray(back.data)
    return replace(back, data=data, grid=image.grid, header=image.header)


def _surroundings(oriented: Volume, predictor: Predictor, options: Options) -> Location:
    """Where an imported model looks: around the cord that the embedded locator finds."""
    model, by = predictor.model, predictor.located_by
    if by is None or by.locator is None or options.exact:
        return Location(oriented.grid.box, None, found=True, confidence=1.0)
    axes = from_sct_letters(by.orientation)
    upright = oriented.reoriented(axes)
    location = locate(
        upright,
        predictor.coarse_probability,
        by.locator.spacing,
        by.locator.threshold,
        model.margin,
    )
    crop = model.crop or Crop(**dict.fromkeys(_DIRECTIONS, model.margin))
    box = crop_box(location, oriented.grid, crop)
    coarse = location.coarse and location.coarse.reoriented(oriented.grid.axcodes)
    return replace(location, box=box, coarse=coarse)


def _other(
    oriented: Volume, close: Volume, location: Location, predictor: Predictor
) -> tuple[Probability, ...]:
    model = predictor.model
    crop = cut_out(oriented, location.box, model.spacing, averaging=model.averaging)
    return tuple(
        predictor.probability(view, _wanted(location, view.grid)) for view in views(crop, close)
    )


def _location(oriented: Volume, predictor: Predictor, options: Options) -> Location:
    locator = predictor.model.locator
    if locator is None or options.exact:
        return Location(oriented.grid.box, None, found=True, confidence=1.0)
    return locate(
        oriented,
        predictor.coarse_probability,
        locator.spacing,
        locator.threshold,
        predictor.model.margin,
    )


def _wanted(location: Location, grid: Grid) -> Array | None:
    """Where the model must look closely: the coarse cord and `REACH` mm around it."""
    if location.coarse is None:
        return None
    from scipy import ndimage  # 0.2 s, not for -h

    coarse = location.coarse
    steps = max(1, int(np.ceil(REACH / min(coarse.grid.spacing))))
    ball = ndimage.generate_binary_structure(3, 1)
    grown = ndimage.binary_dilation(coarse.data > 0, ball, iterations=steps)
    return Volume(grown.astype(np.uint8), coarse.grid).resampled_to(grid, order=0).data > 0
