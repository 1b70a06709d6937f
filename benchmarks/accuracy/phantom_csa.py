"""Known accuracy of the CSA: elliptic tubes of known area, measured on every kind of grid.

Straight, tilted and curved tubes are drawn with their partial volumes; the mask is what is more
than half filled, the probability is the filling. Prints markdown tables of the error in percent
of the analytic area: of the mask, and in brackets of the soft area.

    python benchmarks/accuracy/phantom_csa.py [--quick]
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Axcodes, Grid, Probability, Segmentation
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.morphometry.soft_area import soft_areas

HALF_AXES = (6.25, 4.0)
"""Half the RL and half the AP diameter in mm: a cord of C3."""
AREA = float(np.pi * HALF_AXES[0] * HALF_AXES[1])
IN_PLANE = (0.3, 0.5, 0.8, 1.0, 1.5)
THICKNESS = (0.5, 1.0, 2.5, 5.0, 10.0, 17.5)
SHORTEST, FEWEST_SLICES = 40.0, 6
LEAN = (0.09, 0.28)
"""How far the tubes move to the side and to the front for each mm up, at most."""

Floats = NDArray[np.float64]
Distance = Callable[[Floats, Floats, Floats], tuple[Floats, Floats]]
"""Points (x, y, z) in mm to their place (RL, AP) in the tube's own cross-section."""


@dataclass(frozen=True)
class Errors:
    """Errors in percent of the analytic area over all slices but the outermost."""

    mask: Floats
    soft: Floats


def straight(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    return x + 0 * z, y + 0 * z


def tilted(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """15 degrees in the sagittal plane and 5 in the coronal one."""
    along = np.array([np.tan(np.radians(5)), np.tan(np.radians(15)), 1.0])
    along /= np.linalg.norm(along)
    right = np.array([1.0, 0.0, 0.0]) - along[0] * along
    right /= np.linalg.norm(right)
    front = np.cross(along, right)
    return (
        x * right[0] + y * right[1] + z * right[2],
        x * front[0] + y * front[1] + z * front[2],
    )


def curved(x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats]:
    """An arc of 120 mm radius in the sagittal plane, a strong lordosis."""
    radius = 120.0
    return x + 0 * z, np.hypot(y - radius, z) - radius + 0 * x


TUBES: dict[str, Distance] = {"straight": straight, "tilted": tilted, "curved": curved}


def filling(tube: Distance, in_plane: float, thickness: float, shift: Floats) -> Probability:
    """How full each voxel is, on a LAS grid; `shift` moves the tube, in voxels."""
    slices = max(FEWEST_SLICES, int(SHORTEST / thickness))
    reach = slices * thickness / 2
    across, along = (
        2 * (half + lean * reach + 2.5) for half, lean in zip(HALF_AXES, LEAN, strict=True)
    )
    shape = (round(across / in_plane), round(along / in_plane), slices)
    sub = (round(in_plane / 0.1) | 1, round(thickness / 0.5) | 1)  # odd: no voxel is half full
    x, y = (_samples(n, in_plane, sub[0], s) for n, s in zip(shape[:2], shift[:2], strict=True))
    z = _samples(slices, thickness, sub[1], shift[2])
    values = np.zeros(shape, dtype=np.float32)
    for index in range(slices):
        here = z[index * sub[1] : (index + 1) * sub[1]]
        values[:, :, index] = _share(tube, x, y, here, sub[0])
    affine = np.diag([-in_plane, in_plane, thickness, 1.0])
    return Probability(values, Grid(shape, affine))


def _samples(count: int, size: float, per_voxel: int, shift: float) -> Floats:
    fine = (np.arange(count * per_voxel) + 0.5) / per_voxel - count / 2 - shift
    return fine * size


def _share(tube: Distance, x: Floats, y: Floats, z: Floats, sub: int) -> Floats:
    across, front = tube(x[:, None, None], y[None, :, None], z[None, None, :])
    inside = (across / HALF_AXES[0]) ** 2 + (front / HALF_AXES[1]) ** 2 <= 1
    share = inside.mean(axis=2)
    return share.reshape(x.size // sub, sub, y.size // sub, sub).mean(axis=(1, 3))


def errors(tube: Distance, in_plane: float, thickness: float, repeats: int) -> Errors:
    rng = np.random.default_rng(0)
    mask, soft = [], []
    for _ in range(repeats):
        probability = filling(tube, in_plane, thickness, rng.uniform(-0.5, 0.5, 3))
        segmentation = Segmentation((probability.data > 0.5).astype(np.uint8), probability.grid)
        table = measure(segmentation)
        inner = table.slices[1:-1]
        mask.append(table.area[inner])
        soft.append(soft_areas(probability, segmentation, table)[inner])
    return Errors(*(100 * (np.concatenate(v) / AREA - 1) for v in (mask, soft)))


def orientations() -> list[Axcodes]:
    """All 48 ways to lie in the scanner."""
    axes = itertools.permutations((("L", "R"), ("A", "P"), ("S", "I")))
    return [codes for order in axes for codes in itertools.product(*order)]  # type: ignore[misc]


def worst_over_orientations(tube: Distance) -> float:
    """The largest change (mm²) of a slice's area when the same mask is stored otherwise."""
    probability = filling(tube, 0.8, 2.5, np.array([0.2, -0.3, 0.1]))
    mask = Segmentation((probability.data > 0.5).astype(np.uint8), probability.grid)
    expected = measure(mask).area
    found = [measure(mask.reoriented(codes)).area for codes in orientations()]
    return float(np.nanmax(np.abs(np.array(found) - expected)))


def table(name: str, repeats: int) -> list[str]:
    lines = [
        "",
        f"{name.capitalize()} tube: mean error, % (of the soft area)",
        "",
        "| in-plane \\ slice (mm) | " + " | ".join(f"{t:g}" for t in THICKNESS) + " |",
        "|---" * (len(THICKNESS) + 1) + "|",
    ]
    for in_plane in IN_PLANE:
        cells = []
        for thickness in THICKNESS:
            found = errors(TUBES[name], in_plane, thickness, repeats)
            cells.append(f"{found.mask.mean():+.2f} ({found.soft.mean():+.2f})")
        lines.append(f"| {in_plane:g} | " + " | ".join(cells) + " |")
    return lines


def spread(repeats: int) -> list[str]:
    lines = [
        "",
        "Single slices of a straight tube, slices of 5 mm: error, %",
        "",
        "| in-plane (mm) | mask: SD | mask: largest | soft: SD | soft: largest |",
        "|---|---|---|---|---|",
    ]
    for in_plane in IN_PLANE:
        found = errors(straight, in_plane, 5.0, 4 * repeats)
        cells = (
            f"{values.std():.2f} | {np.abs(values).max():.2f}"
            for values in (found.mask, found.soft)
        )
        lines.append(f"| {in_plane:g} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    repeats = 1 if "--quick" in sys.argv else 4
    print(f"Analytic area {AREA:.2f} mm², axes {2 * HALF_AXES[0]:g} x {2 * HALF_AXES[1]:g} mm")
    for name in TUBES:
        print("\n".join(table(name, repeats)), flush=True)
    print("\n".join(spread(repeats)))
    largest = max(worst_over_orientations(tube) for tube in TUBES.values())
    print(f"\nOver the 48 orientations the area changes by at most {largest:.1e} mm².")
    print(f"(numpy {np.__version__}, nibabel {nib.__version__})")


if __name__ == "__main__":
    main()
