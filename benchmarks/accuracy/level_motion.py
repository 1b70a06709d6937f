"""By how much people moved along the spine between the T2w image, on which discs were drawn, and
another image of theirs: where the mutual information of the two is largest.

For each image of the disc table whose discs were carried over from a T2w image that is here, the
T2w image is averaged over the other's slices and moved. Compared is the spine (4 to 35 mm before
the cord, 15 mm to each side). Positive: discs lie higher up in the image than the table says.

    python -m benchmarks.accuracy.level_motion [-m MODEL]
"""

from __future__ import annotations

import warnings
from itertools import product
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.accuracy.levels import mask_of
from benchmarks.support.labelled import asking, shared
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.level_training.table import read_table
from sct_deepseg_general.levels.course import course_of

Floats = NDArray[np.float64]

AHEAD, BESIDE, NEAR = (4.0, 35.0), 15.0, 8.0  # mm: what is compared
ALONG = np.arange(-10.0, 10.5, 1.0)
ACROSS = np.arange(-3.0, 3.5, 1.5)


def main() -> None:
    options = asking(__doc__ or "").parse_args()
    warnings.simplefilter("ignore")
    data = shared()
    names = {known.image for known in read_table(data / "levels" / "discs.tsv")}
    print("| image | slices, mm | moved up, mm | mutual information there | unmoved | 10 mm off |")
    print("|---|---|---|---|---|---|")
    for name in sorted(names):
        other = Path(name).parent / f"{Path(name).name.split('_')[0]}_T2w.nii.gz"
        if not name.endswith("_T2w.nii.gz") and other.as_posix() in names:
            print(row(data / name, data / other, options.model), flush=True)


def row(path: Path, other: Path, model: str | None) -> str:
    image = nifti.load(path).reoriented(("L", "A", "S"))
    places, values = spine(image, mask_of(image, model))
    thickness = image.grid.spacing[2]
    alike = np.array([likeness(places, values, averaged(other, thickness), z) for z in ALONG])
    best = peak(ALONG, alike)
    ends = max(alike[0], alike[-1])
    name = path.name.removesuffix(".nii.gz")
    figures = f"{alike.max():.2f} | {alike[ALONG == 0][0]:.2f} | {ends:.2f}"
    return f"| {name} | {thickness:.1f} | {-best:+.1f} | {figures} |"


def spine(image: Volume, mask: Volume) -> tuple[Floats, Floats]:
    """The places in mm (n, 3) and the intensities of the voxels that are compared."""
    course = course_of(mask)
    curve = course.points[course.inside]
    voxels = np.indices(image.grid.shape).reshape(3, -1).T
    places = apply_affine(image.grid.affine, voxels)
    beside = curve[np.abs(places[:, 2:] - curve[None, :, 2]).argmin(axis=1)]
    left, ahead, up = (places - beside).T
    chosen = (np.abs(left) < BESIDE) & (ahead > AHEAD[0]) & (ahead < AHEAD[1]) & (np.abs(up) < NEAR)
    return places[chosen], np.asarray(image.data, np.float64).reshape(-1)[chosen]


def averaged(path: Path, thickness: float) -> Volume:
    image = nifti.load(path).reoriented(("L", "A", "S"))
    count = max(1, round(thickness / image.grid.spacing[2]))
    data = ndimage.uniform_filter1d(image.data.astype(np.float32), count, axis=2)
    return Volume(data, image.grid)


def likeness(places: Floats, values: Floats, other: Volume, along: float) -> float:
    """The mutual information with the other image, the best over shifts across the cord."""
    inverse = np.linalg.inv(other.grid.affine)
    found = []
    for left, front in product(ACROSS, ACROSS):
        at = apply_affine(inverse, places + np.array([left, front, along]))
        inside = ((at >= 0) & (at <= np.array(other.grid.shape) - 1)).all(axis=1)
        if inside.mean() > 0.5:
            beside = ndimage.map_coordinates(other.data, at[inside].T, order=1)
            found.append(mutual_information(values[inside], beside))
    return max(found, default=0.0)


def mutual_information(first: Floats, second: Floats) -> float:
    """In nats, of 32 by 32 bins."""
    share = np.histogram2d(first, second, bins=32)[0]
    share /= share.sum()
    apart = share.sum(axis=1, keepdims=True) * share.sum(axis=0, keepdims=True)
    there = share > 0
    return float((share[there] * np.log(share[there] / apart[there])).sum())


def peak(at: Floats, values: Floats) -> float:
    """Where a parabola through the values within 2 mm of the largest one has its top."""
    near = np.abs(at - at[values.argmax()]) <= 2
    a, b, _ = np.polyfit(at[near], values[near], 2)
    return float(-b / (2 * a)) if a < 0 else float(at[values.argmax()])


if __name__ == "__main__":
    main()
