"""Draw what `benchmarks/speed/speed.py` measured: time against field of view and against length.

python benchmarks/speed/speed_plot.py RESULTS PICTURE
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.speed.speed import COMMAND, SCALING, middle, of


def main(results: Path, picture: Path) -> None:
    from matplotlib.figure import Figure

    runs = [json.loads(line) for line in (results / "runs.jsonl").read_text().splitlines()]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    widths = [name for name in SCALING if not name.startswith("length")]
    lengths = [name for name in SCALING if not name.startswith("width")]
    draw(left, runs, widths, [megavoxels(results, name) for name in widths])
    left.set(xlabel="image, million voxels (the same cord)", xlim=(0, None), ylabel="CPU time, s")
    draw(right, runs, lengths, [millimetres(results, name) for name in lengths])
    right.set(xlabel="image along the body, mm (more cord)", xlim=(0, None), ylim=(0, None))
    right.legend(frameon=False)
    figure.savefig(picture, dpi=110)


def draw(axes: Any, runs: list[dict[str, Any]], images: list[str], places: list[float]) -> None:
    measured = [(x, of(runs, name, COMMAND)) for x, name in zip(places, images, strict=True)]
    there = sorted(((x, found) for x, found in measured if found), key=lambda pair: pair[0])
    x = [place for place, _ in there]
    axes.plot(x, [middle(found) for _, found in there], "o-", label="whole command")
    axes.plot(x, [middle(found, "segment") for _, found in there], "s--", label="inference")
    axes.spines[["top", "right"]].set_visible(False)


def megavoxels(results: Path, image: str) -> float:
    x, y, z = opened(results, image).shape
    return x * y * z / 1e6


def millimetres(results: Path, image: str) -> float:
    """The field of view along the body."""
    found = opened(results, image)
    axis = next(i for i, code in enumerate(found.axcodes) if code in "SI")
    return float(found.shape[axis] * found.spacing[axis])


def opened(results: Path, image: str) -> Any:
    from sct_deepseg_general.image import nifti

    return nifti.load(results / "images" / f"{image}.nii.gz").grid


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
