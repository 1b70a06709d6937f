"""Emulated releases of SCT: imported, and compared with nnU-Net's own predictor.

python benchmarks/accuracy/released_models.py IMAGE [TASK...]

Builds each release as SCT publishes it (`tests/support/emulated_releases.py`: layout, labels,
plan and folds of the release, a small network), imports its archives, and runs it on the image:
whole, as nnU-Net does, and around the cord. Prints a row of the table in docs/models.md for each:
the least Dice of its labels with those of nnU-Net's predictor, seconds of the processor and the
peak of memory of a process that segments around the cord.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SUPPORT = Path(__file__).resolve().parents[2] / "tests" / "support"
sys.path.insert(0, str(SUPPORT))


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
    kind = f"{release.configuration}, {release.network}"
    return (
        f"| {task} | {kind}, {', '.join(release.folds)} | {len(model.scheme.labels)} | "
        f"{least:.5f} | {used['cpu']:.1f} | {used['memory']:.0f} |"
    )


def one(image: Path, model: Path, channels: int) -> None:
    """Segment around the cord, and print what that took."""
    from sct_deepseg_general.image import nifti
    from sct_deepseg_general.inference.pipeline import segment
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.zoo.model import Model

    volume = nifti.load(image)
    segment(volume, load_predictor(Model.load(model)), others=[volume] * (channels - 1))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = {"cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss / 1024}
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

    print(
        "| task | network, folds | labels | least Dice | CPU s | MiB |\n|---|---|---|---|---|---|"
    )
    for release in RELEASES:
        if not words.tasks or release.task in words.tasks:
            with tempfile.TemporaryDirectory() as folder:
                print(row(release.task, words.image, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
