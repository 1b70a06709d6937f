"""Images of the neck made worse in known ways, with the discs moved along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from sct_deepseg_general.image.volume import Box, Grid, Volume

__all__ = ["Version", "versions"]

Floats = NDArray[np.float64]
_AXES = ("L", "A", "S")


@dataclass(frozen=True, eq=False)
class Version:
    """One image: what was done to it, and its discs (n, 3) in mm, RAS."""

    name: str
    image: Volume
    points: Floats


def versions(
    image: Volume, numbers: NDArray[np.int64], points: Floats, rng: np.random.Generator
) -> Iterator[Version]:
    """The image as it is, and 33 degraded ones: slices, noise, contrast, bends, fields of view."""
    image = image.reoriented(_AXES)
    yield Version("as it is", image, points)
    for mm in (3, 5, 8):
        yield Version(f"slices {mm} mm", slices(image, mm, rng), points)
    for share in (0.03, 0.06, 0.1):
        yield Version(f"noise {100 * share:.0f} %", noisy(image, share, rng), points)
    yield Version("inverted", inverted(image), points)
    yield Version("T1-like greys", t1_like(image), points)
    for _ in range(2):
        yield Version("bias field", shaded(image, 0.5, rng), points)
    for degrees in (-15, 15):
        yield Version("tilted 15 degrees", *tilted(image, points, degrees))
    for mm in (-8, 8):
        yield Version("bent 8 mm", *bent(image, points, mm))
    yield from _views(image, dict(zip(numbers.tolist(), points, strict=True)), points)
    low, top = points[:, 2].min() - 10, height(image)
    for _ in range(4):
        length = rng.uniform(60, 160)
        start = rng.uniform(low, max(low + 1, top - length))
        yield Version("random field of view", cut(image, start, start + length), points)
    for _ in range(4):
        yield _several(image, points, rng)
    for mm in (5, 8):
        worse = noisy(slices(image, mm, rng), 0.05, rng)
        yield Version(f"slices {mm} mm, noise 5 %", worse, points)


def _views(image: Volume, at: dict[int, Floats], points: Floats) -> Iterator[Version]:
    """Fields of view with and without C2/C3, as far as the discs are known."""
    z = {number: point[2] for number, point in at.items()}
    top, bottom = height(image), -1e4
    wanted: dict[str, Callable[[], tuple[float, float]]] = {
        "C2 to C5": lambda: (z[6] - 8, min(top, z[3] + 30)),
        "C2 to C4": lambda: (z[5] + 4, min(top, z[3] + 35)),
        "8 mm above C2/C3 and below": lambda: (bottom, z[3] + 8),
        "below C2/C3": lambda: (bottom, z[3] - 6),
        "below C3/C4": lambda: (bottom, z[4] - 6),
        "C4 to T2": lambda: (z[9] - 16, z[4] - 5),
        "C5 to C7": lambda: (z[8] - 6, z[5] - 3),
        "T1 and below": lambda: (bottom, z[8] - 5),
    }
    for name, limits in wanted.items():
        try:
            yield Version(name, cut(image, *limits()), points)
        except KeyError:
            continue
    middle = points[:, 1].mean()
    yield Version("60 mm front to back", cut(image, middle - 35, middle + 25, axis=1), points)


def _several(image: Volume, points: Floats, rng: np.random.Generator) -> Version:
    turned, moved = tilted(image, points, rng.uniform(-12, 12))
    length, low = rng.uniform(70, 180), moved[:, 2].min() - 10
    start = rng.uniform(low, max(low + 1, height(turned) - length))
    part = slices(cut(turned, start, start + length), float(rng.choice([2, 3, 4, 5, 6, 8])), rng)
    part = noisy(shaded(part, 0.3, rng), rng.uniform(0, 0.05), rng)
    return Version("several at once", part, moved)


def height(image: Volume) -> float:
    """The uppermost slice's place in mm."""
    return float(image.grid.affine[2, 3] + image.grid.affine[2, 2] * (image.grid.shape[2] - 1))


def slices(image: Volume, mm: float, rng: np.random.Generator) -> Volume:
    """Axial slices of `mm` mm, each the mean of those it takes the place of."""
    count = max(1, round(mm / image.grid.spacing[2]))
    number = image.grid.shape[2] // count
    first = int(rng.integers(0, image.grid.shape[2] - number * count + 1))
    part = image.data[:, :, first : first + number * count].astype(np.float32)
    data = part.reshape(*part.shape[:2], number, count).mean(axis=3)
    affine = image.grid.affine.copy()
    affine[:3, 3] = apply_affine(affine, [0, 0, first + (count - 1) / 2])
    affine[:3, 2] *= count
    return Volume(data, Grid(data.shape, affine))


def noisy(image: Volume, share: float, rng: np.random.Generator) -> Volume:
    """Rician noise, of a share of the 99th percentile."""
    data = image.data.astype(np.float32)
    spread = share * np.percentile(data, 99)
    real, imaginary = (rng.normal(0, spread, data.shape) for _ in range(2))
    return Volume(np.hypot(data + real, imaginary).astype(np.float32), image.grid)


def inverted(image: Volume) -> Volume:
    top = np.percentile(image.data, 99.5)
    return Volume((top - np.minimum(image.data, top)).astype(np.float32), image.grid)


def t1_like(image: Volume) -> Volume:
    """Fluid dark, cord bright, bones between."""
    share = np.clip(image.data / np.percentile(image.data, 99.5), 0, 1)
    greys = np.interp(share, [0, 0.15, 0.35, 0.55, 1], [0.05, 0.5, 0.9, 0.6, 0.1])
    return Volume(greys.astype(np.float32), image.grid)


def shaded(image: Volume, spread: float, rng: np.random.Generator) -> Volume:
    """A smooth field, a factor of exp(spread) at one standard deviation."""
    zoom = np.array(image.grid.shape) / 3
    field = ndimage.zoom(
        rng.normal(0, spread, (3, 3, 3)), zoom, order=1, grid_mode=True, mode="nearest"
    )
    return Volume((image.data * np.exp(field)).astype(np.float32), image.grid)


def cut(image: Volume, low: float, high: float, axis: int = 2) -> Volume:
    """What lies between two places in mm along an axis."""
    grid = image.grid
    place = grid.affine[axis, 3] + grid.affine[axis, axis] * np.arange(grid.shape[axis])
    kept = np.flatnonzero((place >= low) & (place <= high))
    start, stop = [0, 0, 0], list(grid.shape)
    start[axis], stop[axis] = int(kept[0]), int(kept[-1]) + 1
    return image.cropped(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])))


def tilted(image: Volume, points: Floats, degrees: float) -> tuple[Volume, Floats]:
    """Turned about the right-left axis; the discs with it."""
    angle, centre = np.deg2rad(degrees), points.mean(axis=0)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    back = _warped(image, lambda at: (at - centre) @ turn + centre)
    return back, (points - centre) @ turn.T + centre


def bent(image: Volume, points: Floats, mm: float) -> tuple[Volume, Floats]:
    """Bent in the sagittal plane, to the front in the middle and to the back at the ends."""
    middle, length = points[:, 2].mean(), np.ptp(points[:, 2]) + 1e-3

    def moved(at: Floats, sign: float) -> Floats:
        off = mm * np.cos(np.pi * np.clip((at[:, 2] - middle) / length, -1, 1))
        return np.stack([at[:, 0], at[:, 1] + sign * off, at[:, 2]], axis=1)

    return _warped(image, lambda at: moved(at, -1)), moved(points, 1)


def _warped(image: Volume, back: Callable[[Floats], Floats]) -> Volume:
    """The image at the places that `back` gives for those of the result (mm)."""
    voxels = np.indices(image.grid.shape).reshape(3, -1).T
    places = back(apply_affine(image.grid.affine, voxels))
    at = apply_affine(np.linalg.inv(image.grid.affine), places)
    data = ndimage.map_coordinates(image.data.astype(np.float32), at.T, order=1, cval=0)
    return Volume(data.reshape(image.grid.shape), image.grid)
