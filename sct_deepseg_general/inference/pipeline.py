"""The straight line from an image to its segmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from sct_deepseg_general.image.volume import (
    Array,
    Grid,
    Probability,
    Segmentation,
    Volume,
    from_sct_letters,
)
from sct_deepseg_general.inference.locate import Location, locate
from sct_deepseg_general.inference.postprocess import Cleaning, segmented
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.inference.preprocess import cut_out, prepared, restored
from sct_deepseg_general.inference.test_time import views

__all__ = ["Options", "Result", "segment"]

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
) -> Result:
    """The cord in an image of any orientation, spacing and contrast.

    `progress` is called with (tiles done, tiles in all).
    """
    options = options or Options()
    model = predictor.model
    oriented = image.reoriented(from_sct_letters(model.orientation))
    location = _location(oriented, predictor, options)
    close = prepared(oriented, location.box, model.spacing, averaging=model.averaging)
    probability = predictor.probability(close, _wanted(location, close.grid), progress)
    restored_probability = restored(probability, oriented.grid, location.box, image.grid)
    probability = replace(restored_probability, header=image.header)
    segmentation = segmented(probability, options.cleaning(model.threshold))
    other = _other(oriented, close, location, predictor) if options.uncertainty else ()
    return Result(image, probability, segmentation, location, oriented.grid, other)


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
