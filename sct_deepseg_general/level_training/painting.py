"""Spines painted in random greys over real strips, so that shape counts and not contrast.

Values are intensities between 0 and about 1; arrays are (rows from the lowest up, columns).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spine", "painted", "remapped"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Spine:
    """Where the discs of a strip are: `rows`, `numbers`, `front` (mm before the centreline);
    `columns` is the position of each column in mm.
    """

    rows: Floats
    numbers: NDArray[np.int64]
    front: Floats
    columns: Floats


def remapped(image: Floats, rng: np.random.Generator) -> Floats:
    """The intensities, 0 to 1 in any shape, through a random continuous curve, which rises or falls
    in every second case.
    """
    count = int(rng.integers(3, 7))
    knots = np.concatenate([[0.0], np.sort(rng.uniform(0, 1, count - 2)), [1.0]])
    values = rng.uniform(0, 1, count)
    if rng.random() < 0.5:
        values = np.sort(values)
        values = values[::-1] if rng.random() < 0.5 else values
    return np.interp(image, knots, values)


def painted(image: Floats, spine: Spine, rng: np.random.Generator) -> Floats:
    """The strip (rows, columns) with fluid, cord, vertebrae and discs in intensities of their own,
    0 to 1, blurred.
    """
    from scipy.ndimage import gaussian_filter

    brush = _Brush(image, rng)
    shape = _shape(image.shape[0], spine, rng)
    greys = _greys(rng)
    if rng.random() < 0.8:
        brush.fill(shape.canal, greys.fluid)
    if rng.random() < 0.8:
        brush.fill(shape.cord, greys.cord)
    _paint_bones(brush, shape, greys, rng)
    return np.asarray(gaussian_filter(brush.canvas, rng.uniform(0.3, 0.9)))


@dataclass(frozen=True)
class _Greys:
    fluid: float
    cord: float
    bone: float
    disc: float
    rim: float


def _greys(rng: np.random.Generator) -> _Greys:
    """Random greys; every fifth as on T2*-weighted images: bright discs between dark vertebrae."""
    fluid, cord, bone, disc, rim = (float(grey) for grey in rng.uniform(0, 1, 5))
    if rng.random() < 0.2:
        bone = 0.1 + 0.2 * bone
        disc = bone + 0.1 + 0.4 * disc
        return _Greys(0.85 + 0.25 * fluid, 0.5 + 0.3 * cord, bone, disc, bone * 0.8)
    if rng.random() < 0.3:
        fluid = 1.0
    elif rng.random() < 0.25:
        fluid, cord = 0.05, 0.5
    while abs(bone - disc) < 0.12:
        disc = float(rng.uniform(0, 1))
    return _Greys(fluid, cord, bone, disc, rim)


def _paint_bones(brush: _Brush, shape: _Shape, greys: _Greys, rng: np.random.Generator) -> None:
    from scipy.ndimage import binary_dilation

    if rng.random() < 0.5:
        brush.fill(binary_dilation(shape.bone) & ~shape.bone & shape.before_canal, greys.rim)
    brush.fill(shape.bone, greys.bone)
    if rng.random() < 0.7:
        brush.fill(shape.arch, greys.bone)
    if rng.random() < 0.5:
        brush.fill(shape.rim, greys.rim)
    brush.fill(shape.disc, greys.disc)
    if rng.random() < 0.4:
        brush.fill(shape.nucleus, rng.uniform(0, 1))


class _Brush:
    """Fills regions with a grey, a texture and a share of the image's own detail."""

    def __init__(self, image: Floats, rng: np.random.Generator) -> None:
        from scipy.ndimage import gaussian_filter

        texture = gaussian_filter(rng.normal(0, 1, image.shape), rng.uniform(0.6, 2))
        self.canvas = image.copy()
        self._texture = texture / (texture.std() + 1e-6)
        self._detail = image - gaussian_filter(image, 4)
        self._rng = rng

    def fill(self, region: Mask, grey: float) -> None:
        texture = self._texture[region] * self._rng.uniform(0, 0.06)
        detail = self._detail[region] * self._rng.uniform(-0.5, 0.8)
        self.canvas[region] = grey + texture + detail


@dataclass(frozen=True, eq=False)
class _Shape:
    canal: Mask
    cord: Mask
    bone: Mask
    before_canal: Mask
    arch: Mask
    rim: Mask
    disc: Mask
    nucleus: Mask


def _shape(rows: int, spine: Spine, rng: np.random.Generator) -> _Shape:
    """The regions of a stylised spine with its discs where the strip's are.

    Vertebral bodies are 13 mm deep at C3 and deeper below; discs lean to the front in the neck;
    the dens and the front arch of C1 stand above C2. All sizes vary.
    """
    order = np.argsort(spine.rows)
    discs, numbers = spine.rows[order], spine.numbers[order]
    row, x = np.arange(rows, dtype=np.float64)[:, None], spine.columns[None, :]
    front = np.interp(row[:, 0], discs, spine.front[order])[:, None] + rng.normal(0, 0.7)
    level = np.interp(row[:, 0], discs, numbers.astype(np.float64))[:, None]
    depth = np.clip(13 + 0.8 * (level - 3), 12, 24) * rng.uniform(0.85, 1.15)
    lean = rng.normal(-0.12, 0.1) * np.clip((9 - level) / 6, 0, 1) + rng.normal(0, 0.05)
    along = row - lean * (x - front)
    apart = np.abs(along[..., None] - discs).min(axis=-1)
    thick = rng.uniform(1.3, 3.2)
    body = (x >= front) & (x <= front + depth)
    middle = (x > front + 0.25 * depth) & (x < front + 0.75 * depth)
    bone, arch = _bone(row - discs[-1], x - front, body, bool(numbers[-1] == 3), rng)
    return _Shape(
        canal=(x > -rng.uniform(6.5, 9)) & (x < front),
        cord=np.broadcast_to(np.abs(x) < rng.uniform(3.2, 4.6), body.shape),
        bone=bone & (row > discs[0] - 14),
        before_canal=np.broadcast_to(x >= front, body.shape),
        arch=arch,
        rim=body & (apart < thick + 0.9),
        disc=body & (apart < thick),
        nucleus=body & middle & (apart < thick * 0.7),
    )


def _bone(
    up: Floats, ahead: Floats, body: Mask, top: bool, rng: np.random.Generator
) -> tuple[Mask, Mask]:
    """Vertebral bodies, with the dens where the uppermost disc is C2/C3, and the arch of C1.

    `up` is mm above the uppermost disc and `ahead` mm before the canal.
    """
    spine = body & (up <= (15 if top else 14))
    if not top:
        return spine, np.zeros_like(body)
    dens = (up > 14) & (up < rng.uniform(30, 37)) & (ahead >= rng.uniform(1, 3))
    dens = dens & (ahead <= rng.uniform(10, 13))
    arch = (up > 22) & (up < 32) & (ahead > 13.5) & (ahead < 18)
    return spine | dens, arch
