"""Measure all that the record of a general model needs, and put it into the record.

Four measurements, one after the other, each written into the model folder, which is sealed again:

- `intervals`: the factors of the interval of an area, and what typical images look like
  (interval_coverage; needs the labels that the model was trained on),
- `repeatability`: how far a second scan lies off (repeatability),
- `norms`: the ratio of the model's values to those of the norms (norms_calibration),
- `change`: the standard deviation of a change between scan and rescan (scan_rescan_change).

A record without `norms` gives no centiles, and one without `change` gives changes without an
interval. The folder is changed in place: for the embedded model, run `models pin` afterwards.

    python -m benchmarks.quality.release_figures -m MODEL_FOLDER -labels harmonised/ harmonised-dev/
    python -m benchmarks.quality.release_figures -m MODEL_FOLDER -only norms change
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.support.labelled import ROOT, shared

PARTS = ("intervals", "repeatability", "norms", "change")


def commands(model: Path, labels: Sequence[Path], parts: Sequence[str]) -> list[list[str]]:
    """The measurements as modules with their arguments, in order."""
    data, folder = shared(), str(model)
    written = ["-m", folder, "-write", folder]
    found = {
        "intervals": ["quality.interval_coverage", "-labels", *map(str, labels), *written],
        "repeatability": ["accuracy.repeatability", *written],
        "norms": ["quality.norms_calibration", "-root", str(data), *written],
        "change": ["quality.scan_rescan_change", "-same", "-root",
                   str(data / "train" / "gmchallenge"), *written],
    }  # fmt: skip
    return [found[part] for part in PARTS if part in parts]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-m", dest="model", type=Path, required=True, help="model folder to change")
    parser.add_argument(
        "-labels", nargs="+", type=Path, default=[],
        help="labels that the model was trained on, as harmonise_labels.py writes them",
    )  # fmt: skip
    parser.add_argument("-only", nargs="+", choices=PARTS, default=PARTS, help="a part of them")
    given = parser.parse_args()
    if not (given.model / "model.json").is_file():
        parser.error(f"{given.model} is not a model folder: it has no model.json.")
    if "intervals" in given.only and not given.labels:
        parser.error("intervals need -labels; leave them out with -only repeatability norms change")
    for module, *arguments in commands(given.model.resolve(), given.labels, given.only):
        print(f"\n{module}", flush=True)
        subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}", *arguments], cwd=ROOT, check=True
        )


if __name__ == "__main__":
    main()
