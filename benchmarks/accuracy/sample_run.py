"""Segment the sample images, print Dice and CSA against their labels, leave a QC page.

python benchmarks/accuracy/sample_run.py [FOLDER]     (FOLDER: output/)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "data"
COMMAND = Path(sys.executable).with_name("sct_deepseg_sc_general")


def main(output: Path) -> int:
    images = [image for image, _ in samples()]
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    words = [COMMAND, "-i", *images, "-o", output, "-qc", output / "qc", "-offline", "-v", "0"]
    ended = subprocess.run([str(word) for word in words], check=False).returncode
    if ended == 0:
        table(output)
        pictures(output)
        print(
            f"\nMasks, areas, plots and sidecars: {output}\nQC page: {output / 'qc' / 'index.html'}"
        )
    return ended


def samples() -> list[tuple[Path, Path]]:
    """The sample images and their labels."""
    labels = sorted((SAMPLES / "derivatives" / "labels").rglob("*_seg-manual.nii.gz"))
    images = [
        SAMPLES
        / label.relative_to(SAMPLES / "derivatives" / "labels").parent
        / label.name.replace("_seg-manual", "")
        for label in labels
    ]
    return list(zip(images, labels, strict=True))


def table(output: Path) -> None:
    from sct_deepseg_general.image import metrics, nifti
    from sct_deepseg_general.morphometry.morphometrics import measure

    print(f"{'image':<36}{'Dice':>7}{'HD95 mm':>9}{'CSA mm2':>9}{'label':>8}")
    for image, label in samples():
        mask = nifti.load_segmentation(output / image.name.replace(".nii.gz", "_seg.nii.gz"))
        truth = nifti.load_segmentation(label)
        found = metrics.agreement(mask, truth)
        areas = [mean(measure(volume).area) for volume in (mask, truth)]
        distance = found.distances.hausdorff95
        print(
            f"{image.name:<36}{found.overlap.dice:>7.3f}{distance:>9.2f}"
            f"{areas[0]:>9.1f}{areas[1]:>8.1f}"
        )


def pictures(output: Path) -> None:
    """The area along the cord of every sample, as PNG."""
    from sct_deepseg_general.csa import plot as csa_plot
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.morphometry.morphometrics import measure

    for mask in sorted(output.glob("*_seg.nii.gz")):
        areas = measure(nifti.load_segmentation(mask))
        csa_plot.save_plot(mask.with_name(mask.name.replace(".nii.gz", "_csa.png")), areas)


def mean(values: object) -> float:
    import numpy as np

    return float(np.nanmean(values))  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "output"))
