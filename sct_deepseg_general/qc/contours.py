"""The border of a mask as a drawing: closed polygons along the voxels' edges.

The page draws contours as vectors, so that they stay crisp at any zoom, follow the theme and
can be hidden or filled. The border runs along the voxels' own edges: what is drawn is the
mask, not a smoothed opinion of it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["polygons", "svg_path"]

Point = tuple[int, int]

_MOST_SMOOTHINGS = 8


def polygons(mask: NDArray[np.bool_]) -> list[list[Point]]:
    """Closed borders of a 2D `mask` (rows, columns), as lists of corners (column, row).

    Corner (0, 0) is the upper left corner of pixel (0, 0). Objects turn clockwise on the
    screen and holes counter-clockwise; only corners are kept, the last joins the first.
    """
    following = _edges(np.pad(np.asarray(mask, dtype=bool), 1))
    loops = []
    while following:
        start = next(iter(following))
        loops.append(_corners(_loop(following, start)))
    return loops


def svg_path(mask: NDArray[np.bool_], longest: int = 20_000) -> str:
    """The borders of `mask` as the `d` of an SVG path, one unit a pixel; "" for no border.

    Every side is horizontal or vertical, so a corner costs one letter and one number. Where
    the text would exceed `longest` characters (a mask of noise), the mask is smoothed first
    and the smallest borders go.
    """
    mask = np.asarray(mask, dtype=bool)
    for _ in range(_MOST_SMOOTHINGS):
        if 2 * np.count_nonzero(mask) <= longest or _sides(mask) <= 2 * longest:
            break  # a pixel has four sides
        mask = _majority(mask)
    parts = sorted((_subpath(loop) for loop in polygons(mask)), key=len, reverse=True)
    lengths = np.cumsum([len(part) for part in parts])
    return "".join(part for part, end in zip(parts, lengths, strict=True) if end <= longest)


def _sides(mask: NDArray[np.bool_]) -> int:
    padded = np.pad(mask, 1)
    return int(sum(np.count_nonzero(np.diff(padded, axis=axis)) for axis in (0, 1)))


def _majority(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Each pixel as most of its 3 x 3 neighbourhood is."""
    padded = np.pad(mask, 1).astype(np.uint8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    majority: NDArray[np.bool_] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] > 4
    return majority


def _edges(padded: NDArray[np.bool_]) -> dict[Point, list[Point]]:
    """Directed sides of the mask's pixels that face the outside: corner -> next corners."""
    following: dict[Point, list[Point]] = {}
    sides = (  # the neighbour that is outside, and the side's two ends from the pixel's corner
        ((-1, 0), (0, 0), (1, 0)),
        ((0, 1), (1, 0), (1, 1)),
        ((1, 0), (1, 1), (0, 1)),
        ((0, -1), (0, 1), (0, 0)),
    )
    rows, columns = padded.shape
    inside = padded[1:-1, 1:-1]
    for (dr, dc), (x0, y0), (x1, y1) in sides:
        beside = padded[1 + dr : rows - 1 + dr, 1 + dc : columns - 1 + dc]
        for y, x in np.argwhere(inside & ~beside).tolist():
            following.setdefault((x + x0, y + y0), []).append((x + x1, y + y1))
    return following


def _loop(following: dict[Point, list[Point]], start: Point) -> list[Point]:
    loop = [start]
    while True:
        ends = following[loop[-1]]
        point = ends.pop()
        if not ends:
            del following[loop[-1]]
        if point == start:
            return loop
        loop.append(point)


def _corners(loop: list[Point]) -> list[Point]:
    before, after = loop[-1:] + loop[:-1], loop[1:] + loop[:1]
    return [
        b for a, b, c in zip(before, loop, after, strict=True) if (a[0] == b[0]) != (b[0] == c[0])
    ]


def _subpath(loop: list[Point]) -> str:
    parts = [f"M{loop[0][0]} {loop[0][1]}"]
    for (x0, _), (x1, y1) in pairwise(loop):
        parts.append(f"H{x1}" if x1 != x0 else f"V{y1}")
    return "".join(parts) + "Z"
