"""Emulated releases of SCT: imported, and compared with nnU-Net's own predictor.

[SCT_SOURCE=spinalcordtoolbox] python benchmarks/accuracy/released_models.py IMAGE [TASK...]

Builds each release as SCT publishes it (`tests/support/emulated_releases.py`: layout, labels,
plan and folds of the release, a small network), imports its archives, and runs it on the image:
whole, as nnU-Net does, and around the cord. Prints a row of the table in docs/models.md for each:
the least Dice of its labels with those of nnU-Net's predictor, seconds of the processor and the
peak of memory of a process that segments around the cord. With a copy of SCT's source, also the
least Dice with the files that its function `segment_nnunet` writes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SUPPORT = Path(__file__).resolve().parents[2] / "tests" / "support"
sys.path[:0] = [str(SUPPORT), str(SUPPORT.parents[1])]


def row(task: str, image: Path, folder: Path) -> str:
    """The row of one release, made in `folder`."""
    from emulated_releases import BY_TASK, dice, expected, imported

    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.inference.pipeline import Options, segment
    from sct_deepseg_general.inference.predictor import load_predictor

    release = BY_TASK[task]
    results, model = imported(release, folder)
    volume = nifti.load(image)
    channels = [volume] * len(release.channels)
    predictor = load_predictor(model, "openvino", "cpu")
    options = Options(exact=True, largest=False)
    found = segment(volume, predictor, options, others=channels[1:])
    if found.labels is None:
        raise SystemExit(f"{task} was not imported.")
    theirs = expected(release, model, results, channels)
    least = min(
        dice(np.isin(found.labels.data, one.values), np.isin(theirs, one.values))
        for one in model.scheme.labels
    )
    words = [sys.executable, __file__, str(image), "-one", str(folder / "model")]
    done = subprocess.run(
        [*words, "-channels", str(len(channels))], check=True, capture_output=True, text=True
    )
    used = json.loads(done.stdout.splitlines()[-1])
    sct = by_sct(release, results, image, model, found.labels.data)
    kind = f"{release.configuration}, {release.network}"
    return (
        f"| {task} | {kind}, {', '.join(release.folds)} | {len(model.scheme.labels)} | "
        f"{least:.5f} | {sct} | {used['cpu']:.1f} | {used['memory']:.0f} |"
    )


def by_sct(release: Any, results: Path, image: Path, model: Any, ours: Any) -> str:
    """The least Dice with the files of SCT's own function, where its source is at hand."""
    if not os.environ.get("SCT_SOURCE") or release.vote != "mean" or len(release.channels) > 1:
        return "-"
    import nibabel as nib
    from emulated_releases import dice

    from benchmarks.speed import sct_source
    from sct_deepseg_general.inference.imported.region import only_largest
    from sct_deepseg_general.job.labels import label_files

    ours = ours.copy()
    if "canal_seg" in model.scheme.names:  # SCT keeps the largest object of the canal
        only_largest(ours, ("canal_seg",), model.scheme)
    network, inference = sct_source.modules()
    predictor = network.create_nnunet_from_plans(str(results.parent), sct_source.CPU())
    predictor.allow_tqdm = False
    with tempfile.TemporaryDirectory() as scratch:
        files, targets = inference.segment_nnunet(str(image), scratch, predictor, predictor.device)
        theirs = {
            target: np.asarray(nib.load(file).dataobj)
            for target, file in zip(targets, files, strict=True)
        }
    values = []
    for file in label_files(model):
        if file.label is None:  # one map of all labels
            found = theirs[file.suffix]
            labels = [one.values for one in model.scheme.labels]
            values += [dice(np.isin(ours, one), np.isin(found, one)) for one in labels]
        else:
            values.append(dice(np.isin(ours, file.label.values), _same_name(theirs, file) > 0))
    return f"{min(values):.5f}"


def _same_name(theirs: Any, file: Any) -> Any:
    """SCT's file of a label; where the index renames the only label, its only file."""
    return theirs[file.suffix] if file.suffix in theirs else next(iter(theirs.values()))


def peak() -> float:
    """The most memory of this process in MiB; `getrusage` would count its parent too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def one(image: Path, model: Path, channels: int) -> None:
    """Segment around the cord, and print what that took."""
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.inference.pipeline import segment
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.zoo.model import Model

    volume = nifti.load(image)
    segment(volume, load_predictor(Model.load(model)), others=[volume] * (channels - 1))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = {"cpu": usage.ru_utime + usage.ru_stime, "memory": peak()}
    print(json.dumps(used))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("-one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("-channels", type=int, default=1, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.one is not None:
        one(words.image, words.one, words.channels)
        return
    from emulated_releases import RELEASES

    print("| task | network, folds | labels | Dice, nnU-Net | Dice, SCT | CPU s | MiB |")
    print("|---|---|---|---|---|---|---|")
    for release in RELEASES:
        if not words.tasks or release.task in words.tasks:
            with tempfile.TemporaryDirectory() as folder:
                print(row(release.task, words.image, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
