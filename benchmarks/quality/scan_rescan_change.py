"""Change between scan and rescan of one person, where there is none.

The pairs of gmchallenge: run 1 and run 2 of a session, and two sessions of one person; each as
run 1 against run 2. Also, what different people look like: their alignment must be refused.

    python -m benchmarks.quality.scan_rescan_change -root data/train/gmchallenge
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np

from benchmarks.support.model_record import write_fields
from sct_deepseg_general.change.measure import ALL, Scan, Slices, compared
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import Predictor, load_predictor
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.zoo.zoo import resolve

PIECE = 15.0
"""Length (mm) of about one level."""


def plain(pair: tuple[Path, Path], predictor: Predictor) -> float:
    """Change in per cent of the mean area, each image segmented by itself."""
    areas = [measure(segment(nifti.load(p), predictor).segmentation).area[2:-2] for p in pair]
    a, b = (np.nanmean(area) for area in areas)
    return float(200 * (b - a) / (a + b))


def pieces(slices: Slices) -> list[float]:
    """Change in per cent over pieces of 15 mm."""
    step = float(np.median(np.diff(slices.position)))
    count = max(1, round(slices.position.size * step / PIECE))
    parts = zip(np.array_split(slices.first, count), np.array_split(slices.second, count),
                strict=True)  # fmt: skip
    return [float(200 * (b.mean() - a.mean()) / (a.mean() + b.mean())) for a, b in parts]


def person(path: Path) -> str:
    return path.name.split("_")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-root", type=Path, required=True)
    parser.add_argument("-m", default=None)
    parser.add_argument("-write", type=Path, help="model folder to put the result into")
    parser.add_argument("-same", action="store_true", help="leave out pairs of different people")
    given = parser.parse_args()
    predictor = load_predictor(resolve(given.m))
    images = sorted(given.root.glob("sub-*/ses-*/anat/*_T2star.nii.gz"))
    rows = []
    short: list[float] = []
    print("first\tsecond\tcorrelation\tarea %\tboundary %\tplain %")
    for a, b in itertools.combinations(images, 2):
        if given.same and person(a) != person(b):
            continue
        names = "\t".join(p.name.removesuffix("_T2star.nii.gz") for p in (a, b))
        try:
            found = compared(Scan(nifti.load(a), {}), Scan(nifti.load(b), {}), predictor)
        except ImageError as error:
            print(f"{names}\t{str(error)[:60]}", flush=True)
            continue
        change = {c.name: c for c in found.changes}[ALL]
        boundary = change.boundary_percent if change.boundary is not None else np.nan
        row = (change.percent, boundary, plain((a, b), predictor))
        same = person(a) == person(b)
        rows.extend([row] if same else [])
        short.extend(pieces(found.slices) if same else [])
        print(f"{names}\t{found.likeness:.3f}\t" + "\t".join(f"{v:+.2f}" for v in row)
              + ("" if same else "\tNOT ONE PERSON"), flush=True)  # fmt: skip
    table = np.array(rows)
    fields: dict[str, float] = {}
    for name, column in zip(("area", "boundary", "plain"), table.T, strict=True):
        known = column[np.isfinite(column)]
        fields[f"{name}_sd"] = round(float(np.sqrt(np.mean(known**2))), 2)
        rms, largest = np.sqrt(np.mean(known**2)), np.abs(known).max()
        print(f"{name}: {known.size} pairs, root mean square of the change "
              f"{rms:.2f} %, largest {largest:.2f} %")  # fmt: skip
    level = float(np.sqrt(np.mean(np.square(short))))
    print(f"pieces of {PIECE:.0f} mm: {len(short)}, root mean square of the change {level:.2f} %")
    record = {"change": {"area_sd": fields["area_sd"], "level_sd": round(level, 2),
                         "boundary_sd": fields["boundary_sd"],
                         "pairs": len(rows)}}  # fmt: skip
    print(json.dumps(record, indent=2))
    if given.write is not None:
        write_fields(given.write, record)


if __name__ == "__main__":
    main()
