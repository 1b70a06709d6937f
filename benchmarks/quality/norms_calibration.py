"""How a model's areas become the norms': the ratio to published areas of the same people.

The whole-spine people whose T2w images are here, level by level from C2 to T2: the published mean
area (or diameter) over the model's. The ratio is the mean over the people of `train`; `sd` is what
is not known of the ratio at one level of another person: the spread between people, that between
the levels of a person, and the standard error of the mean, added in squares. The person of `dev`
takes no part in it and is a check. Prints the `norms` field of the model's record.

    python -m benchmarks.quality.norms_calibration -root data/ -m MODEL [-write MODEL_FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from benchmarks.quality.synthetic_atrophy import discs_of
from benchmarks.support.model_record import write_fields
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import Predictor, load_predictor
from sct_deepseg_general.levels.slices import from_discs
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure
from sct_deepseg_general.norms.assess import whole_levels
from sct_deepseg_general.zoo.zoo import resolve

Floats = NDArray[np.float64]
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


def marked(image: Volume, points: Mapping[int, Floats]) -> Volume:
    """A volume with each disc's number at its voxel."""
    data = np.zeros(image.grid.shape, np.int16)
    for number, point in points.items():
        at = np.rint(apply_affine(np.linalg.inv(image.grid.affine), point)).astype(int)
        data[tuple(np.clip(at, 0, np.array(data.shape) - 1))] = number
    return Volume(data, image.grid)


def calibration(ratios: Sequence[Floats]) -> dict[str, float]:
    """Ratio, standard deviation for one level of another person, and number of people.

    Parameters
    ----------
    ratios
        Of each person at each level, NaN where not known.
    """
    means = np.array([np.nanmean(own) for own in ratios])
    rest = np.concatenate([own - np.nanmean(own) for own in ratios])
    rest = rest[np.isfinite(rest)]
    between = float(np.var(means, ddof=1)) * (1 + 1 / means.size)
    within = float(np.sum(rest**2)) / (rest.size - means.size)
    sd = np.sqrt(between + within)
    return {"ratio": round(float(means.mean()), 4), "sd": round(float(sd), 4),
            "people": means.size}  # fmt: skip


def ratios_of(
    image: Volume, discs: Volume, predictor: Predictor, known: Mapping[tuple[str, str], float]
) -> dict[str, Floats]:
    """Published value over the model's at each of `LEVELS`, by measure."""
    cord = segment(image, predictor).segmentation
    table: Morphometrics = measure(cord)
    whole = whole_levels(table.area, from_discs(discs, cord))
    return {
        of: np.array([
            known.get((level, of), np.nan) / np.nanmean(table.column(field)[whole[level]])
            if level in whole else np.nan for level in LEVELS])
        for of, field in FIELDS.items()
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-root", type=Path, required=True)
    parser.add_argument("-m", default=None)
    parser.add_argument("-write", type=Path, help="model folder to put the result into")
    given = parser.parse_args()
    predictor = load_predictor(resolve(given.m))
    known = published(given.root / "published" / "same_people_per_slice.tsv")
    found: dict[str, dict[str, Floats]] = {}
    print("person\tmeasure\t" + "\t".join(LEVELS) + "\tmean")
    for person, name in PEOPLE.items():
        image = nifti.load(given.root / name)
        discs = marked(image, discs_of(given.root / "levels" / "discs.tsv", name, lowest=11))
        own = {key[1:]: value for key, value in known.items() if key[0] == person}
        found[person] = ratios_of(image, discs, predictor, own)
        for of, row in found[person].items():
            shown = "\t".join(f"{r:.3f}" for r in [*row, np.nanmean(row)])
            print(f"{person}\t{of}\t{shown}", flush=True)
    seen = [person for person, name in PEOPLE.items() if name.startswith("train/")]
    record = {of: calibration([found[person][of] for person in seen]) for of in FIELDS}
    for line in checked(record, {p: r for p, r in found.items() if p not in seen}):
        print(line)
    fields = {"norms": {"T2w": record}}
    print(json.dumps(fields, indent=2))
    if given.write is not None:
        write_fields(given.write, fields)


def checked(
    record: Mapping[str, Mapping[str, float]], others: Mapping[str, Mapping[str, Floats]]
) -> Iterator[str]:
    """How many levels of other people lie within 1.645 standard deviations of the ratio."""
    for person, by_measure in others.items():
        for of, row in by_measure.items():
            off = (row[np.isfinite(row)] - record[of]["ratio"]) / record[of]["sd"]
            inside = int((np.abs(off) <= 1.645).sum())
            text = f"{person}, not in the ratio\t{of}\tmean {off.mean():+.2f} sd"
            yield f"{text}, {inside} of {off.size} levels within 1.645 sd"


if __name__ == "__main__":
    main()
