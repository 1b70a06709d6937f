"""How a model's areas become the norms': the ratio to published areas of the same people.

The whole-spine people whose T2w images are here, level by level from C2 to T2: the published mean
area (or diameter) over the model's. Each person's ratio is the mean over the levels; `sd` is the
standard deviation between people plus the standard error of the mean, in squares: what is not
known of the next person's ratio. Prints the `norms` field of the model's record.

    python -m benchmarks.quality.norms_calibration -root data/ -m MODEL
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine

from benchmarks.quality.synthetic_atrophy import discs_of
from benchmarks.support.model_record import write_fields
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.levels.slices import from_discs
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure
from sct_deepseg_general.norms.assess import whole_levels
from sct_deepseg_general.zoo.zoo import resolve

PEOPLE = {
    "sub-errsm18": "train/montreal/sub-errsm18/anat/sub-errsm18_T2w.nii.gz",
    "sub-errsm20": "dev/unlabelled/sub-errsm20/anat/sub-errsm20_T2w.nii.gz",
    "sub-errsm22": "train/montreal/sub-errsm22/anat/sub-errsm22_T2w.nii.gz",
    "sub-errsm24": "train/montreal/sub-errsm24/anat/sub-errsm24_T2w.nii.gz",
}
COLUMNS = {"area": "area_mm2", "diameter_AP": "diameter_AP_mm", "diameter_RL": "diameter_RL_mm"}
FIELDS = {"area": "area", "diameter_AP": "diameter_ap", "diameter_RL": "diameter_rl"}
LEVELS = ("C2", "C3", "C4", "C5", "C6", "C7", "T1", "T2")


def published(path: Path) -> dict[tuple[str, str, str], float]:
    """Mean of the PAM50 slices, by our name, level and measure."""
    values: dict[tuple[str, str, str], list[float]] = {}
    with path.open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            level = int(row["level"])
            if row["structure"] == "spinal_cord" and 2 <= level <= 9:
                for measure_, column in COLUMNS.items():
                    key = (row["our_name"], LEVELS[level - 2], measure_)
                    values.setdefault(key, []).append(float(row[column]))
    return {key: float(np.nanmean(found)) for key, found in values.items()}


def marked(image: Volume, points: dict[int, np.ndarray]) -> Volume:
    """A volume with each disc's number at its voxel."""
    data = np.zeros(image.grid.shape, np.int16)
    for number, point in points.items():
        at = np.rint(apply_affine(np.linalg.inv(image.grid.affine), point)).astype(int)
        data[tuple(np.clip(at, 0, np.array(data.shape) - 1))] = number
    return Volume(data, image.grid)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-root", type=Path, required=True)
    parser.add_argument("-m", default=None)
    parser.add_argument("-write", type=Path, help="model folder to put the result into")
    given = parser.parse_args()
    predictor = load_predictor(resolve(given.m))
    known = published(given.root / "published" / "same_people_per_slice.tsv")
    ratios: dict[str, list[float]] = {name: [] for name in COLUMNS}
    print("person\tmeasure\t" + "\t".join(LEVELS) + "\tmean")
    for person, name in PEOPLE.items():
        image = nifti.load(given.root / name)
        cord = segment(image, predictor).segmentation
        table: Morphometrics = measure(cord)
        discs = marked(image, discs_of(given.root / "levels" / "discs.tsv", name, lowest=11))
        whole = whole_levels(table.area, from_discs(discs, cord))
        for of in COLUMNS:
            values = table.column(FIELDS[of])
            row = [known.get((person, level, of), np.nan) / np.nanmean(values[whole[level]])
                   if level in whole else np.nan for level in LEVELS]  # fmt: skip
            ratios[of].append(float(np.nanmean(row)))
            shown = "\t".join(f"{r:.3f}" for r in [*row, ratios[of][-1]])
            print(f"{person}\t{of}\t{shown}", flush=True)
    record = {}
    for of, found in ratios.items():
        spread = np.std(found, ddof=1)
        record[of] = {"ratio": round(float(np.mean(found)), 4),
                      "sd": round(float(spread * np.sqrt(1 + 1 / len(found))), 4),
                      "people": len(found)}  # fmt: skip
    fields = {"norms": {"T2w": record}}
    print(json.dumps(fields, indent=2))
    if given.write is not None:
        write_fields(given.write, fields)


if __name__ == "__main__":
    main()
