"""Ways to spoil an image or a mask, each as a function of the value and a random generator.

Masks are spoiled together with their probability: what a network would give that is as sure of
the wrong thing as of the right one, so that no check sees the fault by the numbers disagreeing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Box, Grid, Probability, Segmentation, Volume

__all__ = ["IMAGES", "MASKS", "MILD", "on_label", "sure_of"]

Mask = NDArray[np.bool_]
Rng = np.random.Generator
OfMask = Callable[[Mask, tuple[float, float, float], Rng], Mask]
OfImage = Callable[[Volume, Segmentation, Rng], Volume]
SOFTNESS = 0.55
"""mm over which the probability falls at an edge, as the network's does."""


def sure_of(mask: Mask, grid: Grid) -> tuple[Segmentation, Probability]:
    """A mask in LAS as a result on `grid`, with a probability that falls off at its edge."""
    spacing = grid.reoriented(AXES).spacing
    inside = ndimage.distance_transform_edt(mask, sampling=(*spacing[:2], 1000.0))
    outside = ndimage.distance_transform_edt(~mask, sampling=(*spacing[:2], 1000.0))
    distance = np.where(mask, -inside, outside) + np.where(mask, 1, -1) * min(spacing[:2]) / 2
    soft = 0.98 / (1 + np.exp(np.clip(distance / SOFTNESS, -30, 30)))
    soft = np.where(mask, np.maximum(soft, 0.5), np.minimum(soft, 0.49)).astype(np.float32)
    upright = grid.reoriented(AXES)
    back = Probability(soft, upright).reoriented(grid.axcodes)
    probability = Probability(np.ascontiguousarray(back.data), grid)
    return Segmentation((probability.data >= 0.5).astype(np.uint8), grid), probability


def moved(mask: Mask, spacing: tuple[float, float, float], by: tuple[float, float]) -> Mask:
    """The mask moved in the slice by mm, what leaves the image is lost."""
    steps = [round(mm / size) for mm, size in zip(by, spacing, strict=False)]
    padded = np.pad(mask, [(abs(s), abs(s)) for s in steps] + [(0, 0)])
    rolled = np.roll(padded, steps, axis=(0, 1))
    x, y = (slice(abs(s), abs(s) + n) for s, n in zip(steps, mask.shape, strict=False))
    return rolled[x, y]


def somewhere(rng: Rng, least: float, most: float) -> tuple[float, float]:
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(least, most)
    return float(far * np.cos(angle)), float(far * np.sin(angle))


def held(mask: Mask) -> NDArray[np.int64]:
    return np.flatnonzero(mask.any(axis=(0, 1)))


def empty(mask: Mask, _: tuple[float, float, float], __: Rng) -> Mask:
    return np.zeros_like(mask)


def half_along(mask: Mask, _: tuple[float, float, float], rng: Rng) -> Mask:
    slices, out = held(mask), mask.copy()
    middle = len(slices) // 2
    out[:, :, slices[:middle] if rng.random() < 0.5 else slices[middle:]] = False
    return out


def half_across(mask: Mask, _: tuple[float, float, float], rng: Rng) -> Mask:
    out = mask.copy()
    left = rng.random() < 0.5
    for z in held(mask):
        rows = np.flatnonzero(mask[:, :, z].any(axis=1))
        middle = int(rows.mean().round())
        lost = slice(None, middle) if left else slice(middle, None)
        out[lost, :, z] = False
    return out


def shifted(mask: Mask, spacing: tuple[float, float, float], rng: Rng) -> Mask:
    return moved(mask, spacing, somewhere(rng, 6, 9))


def wrong_organ(mask: Mask, spacing: tuple[float, float, float], rng: Rng) -> Mask:
    """A cord's shape in whatever lies 12 to 30 mm beside it, within the image."""
    for _ in range(200):
        out = moved(mask, spacing, somewhere(rng, 12, 30))
        if out.sum() > 0.9 * mask.sum():
            return out
    return moved(mask, spacing, somewhere(rng, 10, 12))


def leaking(mask: Mask, spacing: tuple[float, float, float], rng: Rng) -> Mask:
    """A blob of 7 mm radius grows out of a fifth of the slices, but at least two."""
    slices, out = held(mask), mask.copy()
    count = max(2, len(slices) // 5)
    first = int(rng.integers(0, max(1, len(slices) - count)))
    aside = somewhere(rng, 6, 7)
    x, y = (np.arange(n) * s for n, s in zip(mask.shape[:2], spacing[:2], strict=True))
    for z in slices[first : first + count]:
        cx, cy = (
            c * s + a
            for c, s, a in zip(ndimage.center_of_mass(mask[:, :, z]), spacing, aside, strict=False)
        )
        out[:, :, z] |= (x[:, None] - cx) ** 2 + (y[None, :] - cy) ** 2 <= 49
    return out


def swollen(mask: Mask, spacing: tuple[float, float, float], _: Rng) -> Mask:
    """The whole canal: 3 mm more all round."""
    far = ndimage.distance_transform_edt(~mask, sampling=(*spacing[:2], 1000.0))
    return np.asarray(far <= 3.0)


def thin(mask: Mask, spacing: tuple[float, float, float], _: Rng) -> Mask:
    """Only what lies 2 mm inside."""
    far = ndimage.distance_transform_edt(mask, sampling=(*spacing[:2], 1000.0))
    return np.asarray(far > min(2.0, 0.75 * far.max()))


def gappy(mask: Mask, _: tuple[float, float, float], rng: Rng) -> Mask:
    """A third of the slices between the ends are lost."""
    slices, out = held(mask)[1:-1], mask.copy()
    lost = rng.choice(slices, max(1, len(slices) // 3), replace=False)
    out[:, :, lost] = False
    return out


def blob(mask: Mask, spacing: tuple[float, float, float], _: Rng) -> Mask:
    """A ball of 14 mm radius where the cord's middle is."""
    centre = np.array(ndimage.center_of_mass(mask)) * spacing
    axes = [np.arange(n) * s - c for n, s, c in zip(mask.shape, spacing, centre, strict=True)]
    far = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    return np.asarray(far <= 14)


def zigzag(mask: Mask, spacing: tuple[float, float, float], rng: Rng) -> Mask:
    """Slices in turn 4 to 6 mm to the left and to the right."""
    out = np.zeros_like(mask)
    for turn, z in enumerate(held(mask)):
        by = (float(rng.uniform(4, 6) * (-1) ** turn), 0.0)
        out[:, :, z : z + 1] = moved(mask[:, :, z : z + 1], spacing, by)
    return out


MASKS: dict[str, OfMask] = {
    "empty": empty,
    "half, along": half_along,
    "half, across": half_across,
    "shifted": shifted,
    "wrong organ": wrong_organ,
    "leaking": leaking,
    "the canal": swollen,
    "the core": thin,
    "slices lost": gappy,
    "a ball": blob,
    "zigzag": zigzag,
}


def _like(image: Volume, data: NDArray[np.generic]) -> Volume:
    return replace(image, data=np.asarray(data, np.float32), header=None)


def noise(image: Volume, _: Segmentation, rng: Rng) -> Volume:
    """Nothing but noise, as a magnitude image has it."""
    real, imaginary = rng.normal(0, 50, (2, *image.data.shape))
    return _like(image, np.hypot(real, imaginary))


def clouds(image: Volume, _: Segmentation, rng: Rng) -> Volume:
    """Smooth noise, its structures some mm wide."""
    rough = rng.normal(0, 1, image.data.shape)
    return _like(
        image, 100 + 1e3 * ndimage.gaussian_filter(rough, 3 / np.array(image.grid.spacing))
    )


def beside(image: Volume, label: Segmentation, rng: Rng) -> Volume:
    """The image beside the cord: a part without a voxel of it."""
    upright = image.reoriented(AXES)
    cord = np.flatnonzero(label.reoriented(AXES).data.any(axis=(1, 2)))
    margin = int(np.ceil(6 / upright.grid.spacing[0]))
    low, high = int(cord[0]) - margin, int(cord[-1]) + margin
    whole = upright.grid.shape
    left = low > whole[0] - high
    box = Box((0, 0, 0), (low, *whole[1:])) if left else Box((high, 0, 0), whole)
    if min(box.shape) < 1 or box.shape[0] * upright.grid.spacing[0] < 15:
        return noise(image, label, rng)
    return upright.cropped(box)


def cut(image: Volume, label: Segmentation, _: Rng) -> Volume:
    """The field of view ends in the middle of the cord."""
    upright = image.reoriented(AXES)
    mask = label.reoriented(AXES).data
    middle = int(np.argwhere(mask)[:, 0].mean().round())
    return upright.cropped(Box((0, 0, 0), (middle + 1, *upright.grid.shape[1:])))


def buried(image: Volume, _: Segmentation, rng: Rng) -> Volume:
    """Noise twice as strong as the tissue."""
    level = 2 * float(np.percentile(image.data, 90))
    return _like(image, np.abs(image.data + rng.normal(0, level, image.data.shape)))


def ghosts(image: Volume, _: Segmentation, __: Rng) -> Volume:
    """Three replicas as bright as the image itself, along its longest axis in the slice."""
    upright = image.reoriented(AXES)
    axis = int(np.argmax(upright.grid.shape[:2]))
    step = upright.grid.shape[axis] // 4
    total = sum(np.roll(upright.data.astype(float), k * step, axis) for k in range(4))
    turned = _like(upright, np.asarray(total)).reoriented(image.grid.axcodes)
    return _like(image, turned.data)


def shaken(image: Volume, _: Segmentation, rng: Rng) -> Volume:
    """Every other line of k-space comes from a place 6 to 14 mm away: motion."""
    upright = image.reoriented(AXES)
    data = np.fft.fft(upright.data.astype(float), axis=1)
    place = np.fft.fftfreq(upright.grid.shape[1])
    lines = rng.random(place.size) < 0.5
    far = rng.uniform(6, 14, place.size) / upright.grid.spacing[1]
    phase = np.where(lines, np.exp(-2j * np.pi * place * far), 1)
    moved_ = np.abs(np.fft.ifft(data * phase[None, :, None], axis=1))
    return _like(image, _like(upright, moved_).reoriented(image.grid.axcodes).data)


def dark(image: Volume, label: Segmentation, _: Rng) -> Volume:
    """The signal is lost around the middle half of the cord, as beside metal."""
    upright = image.reoriented(AXES)
    slices = held(label.reoriented(AXES).data > 0)
    quarter = max(1, len(slices) // 4)
    data = upright.data.astype(float)
    lost = slices[quarter : max(len(slices) - quarter, quarter + 1)]
    data[:, :, lost] = np.random.default_rng(0).normal(0, 1e-3, data[:, :, lost].shape)
    return _like(image, _like(upright, data).reoriented(image.grid.axcodes).data)


def shuffled(image: Volume, _: Segmentation, rng: Rng) -> Volume:
    """The voxels of blocks of 4 mm stand in any order: all the intensities, no anatomy."""
    size = [max(1, round(4 / s)) for s in image.grid.spacing]
    count = [max(1, n // s) for n, s in zip(image.grid.shape, size, strict=True)]
    data = image.data[tuple(slice(0, c * s) for c, s in zip(count, size, strict=True))]
    blocks = data.reshape(count[0], size[0], count[1], size[1], count[2], size[2])
    blocks = blocks.transpose(0, 2, 4, 1, 3, 5).reshape(-1, *size)
    blocks = blocks[rng.permutation(len(blocks))].reshape(*count, *size)
    data = blocks.transpose(0, 3, 1, 4, 2, 5).reshape(data.shape)
    return _like(image.cropped(Box((0, 0, 0), data.shape)), data)


IMAGES: dict[str, OfImage] = {
    "noise": noise,
    "clouds": clouds,
    "beside the cord": beside,
    "shuffled": shuffled,
    "cut field of view": cut,
    "noise twice the signal": buried,
    "ghosts": ghosts,
    "motion": shaken,
    "signal lost": dark,
}


def mirrored(image: Volume, _: Segmentation, __: Rng) -> Volume:
    """Left and right changed places: as good as another person."""
    axis = next(a for a, code in enumerate(image.grid.axcodes) if code in "LR")
    return _like(image, np.flip(image.data, axis))


def grainy(image: Volume, _: Segmentation, rng: Rng) -> Volume:
    """A little more noise: 4 % of the bright tissue."""
    level = 0.04 * float(np.percentile(image.data, 90))
    return _like(image, np.abs(image.data + rng.normal(0, level, image.data.shape)))


def shaded(image: Volume, _: Segmentation, __: Rng) -> Volume:
    """A coil's brightness that falls to 60 % from one end of the image to the other."""
    ramp = np.linspace(1, 0.6, image.data.shape[0])[:, None, None]
    return _like(image, image.data * ramp)


MILD: dict[str, OfImage] = {"mirrored": mirrored, "grainy": grainy, "shaded": shaded}


def on_label(change: str, label: Segmentation, image: Volume) -> Segmentation:
    """The label of an image that was changed: mirrored or cut with it."""
    if change == "mirrored":
        axis = next(a for a, code in enumerate(label.grid.axcodes) if code in "LR")
        return replace(label, data=np.flip(label.data, axis))
    if label.grid.matches(image.grid):
        return label
    return label.resampled_to(image.grid)
