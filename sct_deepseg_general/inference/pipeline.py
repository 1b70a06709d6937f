"""From an image to its segmentation: find the cord, run the network, return to the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ArgumentError, ImageError, ModelError
from sct_deepseg_general.image.blank import blank_planes
from sct_deepseg_general.image.kinds import check_is_image
from sct_deepseg_general.image.las import InLas
from sct_deepseg_general.image.volume import (
    Array,
    Grid,
    Probability,
    Segmentation,
    Volume,
    from_sct_letters,
)
from sct_deepseg_general.inference.imported.region import crop_box, labelled, only_largest
from sct_deepseg_general.inference.locate import Location, everywhere, locate
from sct_deepseg_general.inference.postprocess import Cleaning, Smallest, segmented, without_small
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.inference.preprocess import cut_out, prepared, restored
from sct_deepseg_general.inference.test_time import views
from sct_deepseg_general.zoo.labels import Label
from sct_deepseg_general.zoo.record import Crop

__all__ = ["InferenceResult", "Options", "segment"]

_DIRECTIONS = ("superior", "inferior", "left", "right", "anterior", "posterior")
_CANAL = "canal_seg"
"""SCT's name of the canal, of which it keeps the largest object too."""
_V = TypeVar("_V", bound=Volume)
REACH = 6.0  # mm around the coarse mask within which the network runs


@dataclass(frozen=True)
class Options:
    """How an image is segmented. None stands for the model's own value."""

    threshold: float | None = None
    largest: bool = True
    fill_holes: bool = True
    exact: bool = False
    """Run the network on the whole image, without a crop."""
    uncertainty: bool = False
    """Also segment six altered copies of the image (see `test_time.views`) and report how much
    the result varies. It takes seven times as long."""
    label: str | None = None
    """The label of an imported model to segment; None: the cord, or else all of them."""
    smallest: Smallest | None = None
    """The size of the smallest object that is kept; None: all sizes."""

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise ArgumentError(
                f"A threshold of {self.threshold:g} makes no mask: give a number above 0, up to 1."
            )

    def cleaning(self, model_threshold: float) -> Cleaning:
        """How the probability becomes a mask; `model_threshold`, in (0, 1), is the default."""
        threshold = model_threshold if self.threshold is None else self.threshold
        return Cleaning(threshold, self.largest, self.fill_holes)

    def least_voxels(self, grid: Grid) -> float:
        """The voxels of the smallest object that is kept on a grid; 0: all are."""
        return 0.0 if self.smallest is None else self.smallest.voxels(grid.spacing)


@dataclass(frozen=True, eq=False)
class InferenceResult:
    """An image, its probability of cord and its segmentation, all on the image's grid."""

    image: Volume
    probability: Probability
    segmentation: Segmentation
    location: Location
    """The crop, on the grid `oriented`."""
    oriented: Grid
    """The image's grid in the model's axes."""
    other: tuple[Probability, ...] = ()
    """The probability in altered copies of the image, each on its own grid in the crop."""

    labels: Segmentation | None = None
    """Of an imported model: the value of the label of each voxel."""
    label: str = ""
    """Of an imported model: the label that `segmentation` and `probability` are of."""
    least_voxels: float = 0.0
    """Of an imported model: the voxels of the smallest object that a mask holds."""

    def in_las(self) -> InLas:
        """The image, its segmentation and its probability in LAS."""
        return InLas.of(self.image, self.segmentation, self.probability)

    def mask(self, label: Label) -> Segmentation:
        """One label of an imported model as a mask (x, y, z), 0 or 1, on the image's grid."""
        if self.labels is None:
            return self.segmentation
        data = _large_enough(np.isin(self.labels.data, label.values), self.least_voxels)
        return replace(self.labels, data=data)

    def other_probabilities(self, grid: Grid | None = None) -> Iterator[Probability]:
        """The probability of each altered copy, one by one, float32 in [0, 1] on the image's grid.

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
) -> InferenceResult:
    """Segment the cord, or the labels of an imported model, in an image of any contrast.

    Parameters
    ----------
    image : Volume
        Intensities (x, y, z) on their grid, with axes in any order and voxels of any size.
    predictor : Predictor
        The model with its engine, from `load_predictor`.
    options : Options, optional
        Threshold, cleaning, crop and repetitions; by default the model's own.
    progress : callable, optional
        Called with (tiles done, tiles in all).
    others : sequence of Volume
        Further images that the network takes together with the first.

    Returns
    -------
    InferenceResult
        Probability (float32, 0 to 1) and segmentation (uint8, 0 or 1) on the grid of `image`,
        with its header. Where the image has no signal the segmentation is 0; the labels of an
        imported model stay as its network gives them.

    Raises
    ------
    ImageError
        `image` is a mask, a probability map or a map of labels.
    ModelError
        The network gives values that are not finite.

    Notes
    -----
    A locator, a small network at 3 mm, finds the cord; the crop around it is resampled to the
    model's voxel size and z-scored, the network runs in overlapping tiles, and its probability is
    interpolated back and thresholded.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.image import nifti
    >>> from sct_deepseg_general.inference.predictor import load_predictor
    >>> from sct_deepseg_general.zoo.zoo import resolve
    >>> result = segment(nifti.load(Path("t2.nii.gz")), load_predictor(resolve(None)))
    >>> result.segmentation.grid.shape == result.image.grid.shape
    True
    """
    options = options or Options()
    check_is_image(image, "The image")
    model = predictor.model
    if model.preprocessing is not None:
        return _labelled(image, others, predictor, options, progress)
    if others:
        raise ImageError(f"{model.key} takes one image, and {1 + len(others)} were given.")
    oriented = image.reoriented(from_sct_letters(model.orientation))
    location = _location(oriented, predictor, options)
    close = prepared(oriented, location.box, model.spacing, averaging=model.averaging)
    probability = predictor.probability(close, _region(location, close.grid), progress)
    probability = restored(probability, oriented.grid, location.box, image.grid)
    cleaning = options.cleaning(model.threshold)
    blank = blank_planes(image, probability.data >= cleaning.threshold)
    data = blank.cleared(probability.data) if blank.any else probability.data
    probability = replace(probability, data=data, header=image.header)
    segmentation = segmented(probability, cleaning, blank)
    least = options.least_voxels(image.grid)
    segmentation = replace(segmentation, data=_large_enough(segmentation.data, least))
    other = _other(oriented, close, location, predictor) if options.uncertainty else ()
    return InferenceResult(image, probability, segmentation, location, oriented.grid, other)


def _labelled(
    image: Volume,
    others: Sequence[Volume],
    predictor: Predictor,
    options: Options,
    progress: Callable[[int, int], None] | None,
) -> InferenceResult:
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
        usual = tuple(one for one in scheme.names if one in (model.cord_label, _CANAL))
        only_largest(found.labels, usual if model.largest is None else model.largest, scheme)
    grid = channels[0].grid
    probability = _on_image(Probability(found.probability, grid), image)
    labels = _on_image(Segmentation(found.labels, grid), image)
    mask = np.isin(labels.data, wanted.values)
    if options.threshold is not None:
        mask = probability.data >= options.threshold
    least = options.least_voxels(image.grid)
    segmentation = replace(labels, data=_large_enough(mask, least))
    return InferenceResult(
        image, probability, segmentation, location, grid,
        labels=labels, label=name, least_voxels=least,
    )  # fmt: skip


def _large_enough(mask: Array, voxels: float) -> NDArray[np.uint8]:
    """The mask (x, y, z) as 0/1, without objects of fewer voxels."""
    return (without_small(mask, voxels) if voxels else mask).astype(np.uint8)


def _on_image(volume: _V, image: Volume) -> _V:
    """A volume in the model's axes, in the image's."""
    back = volume.reoriented(image.grid.axcodes)
    data = np.ascontiguousarray(back.data)
    return replace(back, data=data, grid=image.grid, header=image.header)


def _surroundings(oriented: Volume, predictor: Predictor, options: Options) -> Location:
    """Where an imported model looks: around the cord that the embedded locator finds."""
    model, by = predictor.model, predictor.located_by
    if by is None or by.locator is None or options.exact:
        return everywhere(oriented)
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
        predictor.probability(view, _region(location, view.grid)) for view in views(crop, close)
    )


def _location(oriented: Volume, predictor: Predictor, options: Options) -> Location:
    locator = predictor.model.locator
    if locator is None or options.exact:
        return everywhere(oriented)
    return locate(
        oriented,
        predictor.coarse_probability,
        locator.spacing,
        locator.threshold,
        predictor.model.margin,
    )


def _region(location: Location, grid: Grid) -> Array | None:
    """Where the network must run: the coarse mask and `REACH` mm around it."""
    if location.coarse is None:
        return None
    from scipy import ndimage  # 0.2 s, not for -h

    coarse = location.coarse
    steps = max(1, int(np.ceil(REACH / min(coarse.grid.spacing))))
    ball = ndimage.generate_binary_structure(3, 1)
    grown = ndimage.binary_dilation(coarse.data > 0, ball, iterations=steps)
    return Volume(grown.astype(np.uint8), coarse.grid).resampled_to(grid, order=0).data > 0
