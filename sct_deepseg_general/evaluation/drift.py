"""How much two versions of a model differ on the same images, and what that does to a CSA.

A longitudinal study that changes the model half-way sees a step in its areas that no patient
made. `scale` is the factor that takes the areas of the second version to those of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.datasets.manifest import write_rows
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.image.metrics import agreement
from sct_deepseg_general.image.nifti import load
from sct_deepseg_general.image.volume import Segmentation, Volume
from sct_deepseg_general.morphometry.morphometrics import measure

__all__ = ["ALL", "Drift", "VersionPair", "bland_altman", "drift", "pair", "pairs", "write_pairs"]

ALL = "all"
_WITHIN = 1.96  # standard deviations that hold 95 % of a normal distribution

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class VersionPair:
    """One image segmented by both versions."""

    name: str
    contrast: str
    dice: float
    """Of the two segmentations, 0 to 1."""
    slices: int
    """Slices in which both have cord; the areas are over these."""
    area_a: float
    """Mean cross-sectional area of the first version, mm²; NaN without a common slice."""
    area_b: float
    """The same of the second version."""


@dataclass(frozen=True)
class Drift:
    """The second version against the first, over the images of one contrast or all of them.

    Areas in mm². The interval of `scale` is NaN for a single image.
    """

    contrast: str
    images: int
    """With cord in both versions."""
    lost: int
    """Images in which the two versions share no slice with cord."""
    dice: float
    bias: float
    """Mean of second minus first."""
    bias_percent: float
    """The same in percent of the first version's mean area."""
    low: float
    high: float
    """The range of differences that 95 % of images fall in (limits of agreement)."""
    scale: float
    """Multiply the second version's areas by it to compare them with the first's."""
    scale_low: float
    scale_high: float
    """Its 95 % interval, by leaving out one image at a time."""


def pair(name: str, contrast: str, a: Segmentation, b: Segmentation) -> VersionPair:
    """Two segmentations of one image, on its grid, compared."""
    areas = np.stack([measure(a).area, measure(b).area])
    common = np.isfinite(areas).all(axis=0)
    mean_a, mean_b = areas[:, common].mean(axis=1) if common.any() else (np.nan, np.nan)
    dice = agreement(b, a).overlap.dice
    return VersionPair(name, contrast, dice, int(common.sum()), float(mean_a), float(mean_b))


def pairs(
    images: Iterable[tuple[str, str, Path]],
    segment_a: Callable[[Volume], Segmentation],
    segment_b: Callable[[Volume], Segmentation],
) -> Iterator[VersionPair]:
    """Each image (name, contrast, file), read once and segmented by both versions."""
    for name, contrast, path in images:
        image = load(path)
        yield pair(name, contrast, segment_a(image), segment_b(image))


def drift(versions: Sequence[VersionPair]) -> tuple[Drift, ...]:
    """The drift of each contrast, in alphabetical order, and last over all images.

    Raises
    ------
    DatasetError
        There is no image, or none in which the versions share a slice of cord.
    """
    if not any(one.slices for one in versions):
        raise DatasetError("There is no image in which both models found the cord.")
    contrasts = sorted({one.contrast for one in versions})
    groups = [(name, [one for one in versions if one.contrast == name]) for name in contrasts]
    return tuple(_drift(name, group) for name, group in [*groups, (ALL, list(versions))])


def write_pairs(versions: Iterable[VersionPair], path: Path) -> None:
    """One line an image (CSV or TSV, as the name ends)."""
    write_rows(path, [field.name for field in fields(VersionPair)], (vars(one) for one in versions))


def bland_altman(versions: Sequence[VersionPair], names: tuple[str, str], path: Path) -> None:
    """The difference of the areas against their mean, with bias and limits, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    for contrast in sorted({one.contrast for one in versions}):
        first, second = _areas([one for one in versions if one.contrast == contrast])
        axes.scatter((first + second) / 2, second - first, s=22, label=contrast)
    total = drift(versions)[-1]
    for value, style in ((total.bias, "-"), (total.low, "--"), (total.high, "--")):
        if np.isfinite(value):
            axes.axhline(value, color="black", linewidth=1, linestyle=style)
            axes.annotate(f"{value:+.2f}", (1, value), xycoords=("axes fraction", "data"))
    axes.set_xlabel("Mean of both areas (mm²)")
    axes.set_ylabel(f"{names[1]} minus {names[0]} (mm²)")
    axes.legend(title="Contrast", fontsize="small")
    with write_whole(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))


def _drift(contrast: str, group: Sequence[VersionPair]) -> Drift:
    first, second = _areas(group)
    difference = second - first
    bias = float(difference.mean()) if len(first) else np.nan
    spread = _WITHIN * float(difference.std(ddof=1)) if len(first) > 1 else np.nan
    scale, low, high = _scale(first, second)
    return Drift(
        contrast=contrast,
        images=len(first),
        lost=len(group) - len(first),
        dice=float(np.mean([one.dice for one in group])),
        bias=bias,
        bias_percent=100 * bias / float(first.mean()) if len(first) else np.nan,
        low=bias - spread,
        high=bias + spread,
        scale=scale,
        scale_low=low,
        scale_high=high,
    )


def _areas(group: Iterable[VersionPair]) -> tuple[Floats, Floats]:
    common = [one for one in group if one.slices]
    return np.array([one.area_a for one in common]), np.array([one.area_b for one in common])


def _scale(first: Floats, second: Floats) -> tuple[float, float, float]:
    """The ratio of the mean areas with its jackknife interval."""
    count = len(first)
    if not count:
        return np.nan, np.nan, np.nan
    scale = float(first.sum() / second.sum())
    if count == 1:
        return scale, np.nan, np.nan
    without = (first.sum() - first) / (second.sum() - second)
    error = float(np.sqrt((count - 1) / count * np.sum((without - without.mean()) ** 2)))
    return scale, scale - _WITHIN * error, scale + _WITHIN * error
