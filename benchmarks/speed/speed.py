"""What a segmentation costs, beside nnU-Net's own predictor and SCT's inference code.

python benchmarks/speed/speed.py [-n 5] [-images small,neck] [-methods "command;SCT"]

Each run is a process of its own, with the same weights and as many threads; the methods take
turns, so that a machine that slows down slows all of them. Time and memory are those the
system accounts to the finished process. What was measured is kept in `-results`, so that slow
methods can be run apart; the tables are of everything kept. `SCT_SOURCE` names a copy of SCT's
source; without one its rows are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COMMAND, OURS = "command", ("command", "command with -qc", "command with -exact")
UNMIRRORED, IN_CROP, DEFAULTS = "nnU-Net, no mirroring", "nnU-Net in our crop", "nnU-Net, defaults"
PEERS = (IN_CROP, UNMIRRORED, DEFAULTS, "SCT", "SCT, box given")
SLOW = (UNMIRRORED, DEFAULTS, "SCT", "command with -exact")
SCALING = ("length-0.25", "length-0.5", "length-0.75", "neck", "width-1.5", "width-2.0")
Run = dict[str, Any]


def main() -> int:
    words = _parser().parse_args()
    images = words.results / "images"
    if not (images / "small.nii.gz").exists():
        subprocess.run([sys.executable, str(HERE / "speed_images.py"), str(images)], check=True)
    runs = words.results / "runs.jsonl"
    for turn in range(max(words.n, words.slow_n)):
        for name in filter(None, words.images.split(",")):
            image = images / f"{name}.nii.gz"
            for method in filter(None, words.methods.split(";")):
                wanted = words.slow_n if method in SLOW and name != "small" else words.n
                if turn < wanted and image.exists() and _there(method):
                    run = measured(method, image, words.results, words.threads)
                    with runs.open("a") as stream:
                        stream.write(json.dumps(run) + "\n")
    report([json.loads(line) for line in runs.read_text().splitlines()], words.results)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("-n", type=int, default=5, help="runs of each")
    parser.add_argument("-slow-n", type=int, default=1, help="runs of the slow ones on the neck")
    parser.add_argument("-images", default="small,neck")
    parser.add_argument("-methods", default=";".join((*OURS[:2], *PEERS)), help="between ;")
    parser.add_argument("-threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("-results", type=Path, default=ROOT / "output" / "speed")
    return parser


def _there(method: str) -> bool:
    return not method.startswith("SCT") or "SCT_SOURCE" in os.environ


def measured(method: str, image: Path, results: Path, threads: int) -> Run:
    """One process, and what the system says it took."""
    folder = results / image.name.split(".nii")[0] / method.replace(" ", "-").replace(",", "")
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, str(HERE / "speed_methods.py"), method, str(image), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "nnUNet_compile": "f"}
    started = time.perf_counter()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{method} failed on {image}: see {folder / 'log'}")
    marks = json.loads((folder / "marks.json").read_text())
    return {
        "method": method,
        "image": folder.parent.name,
        "threads": threads,
        "wall": wall,
        "user": used.ru_utime,
        "peak": marks["peak"],
        "steps": marks["steps"],
    }


def report(runs: list[Run], results: Path) -> None:
    for image in ("small", "length-0.25", "neck"):
        _table(runs, image, results)
    _steps(runs)
    _scaling(runs)


def of(runs: list[Run], image: str, method: str) -> list[Run]:
    return [run for run in runs if run["image"] == image and run["method"] == method]


def middle(runs: list[Run], step: str = "", which: int = 1) -> float:
    """The median of the CPU time of a step, or of the user time of whole processes."""
    return median(run["steps"].get(step, [0, 0])[which] if step else run["user"] for run in runs)


def _table(runs: list[Run], image: str, results: Path) -> None:
    ours = of(runs, image, COMMAND)
    if not ours:
        return
    print(f"\n| {image} | runs | whole: user s | wall s | peak MB | inference: CPU s | times ours "
          "| Dice to nnU-Net | in our crop |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    for method in (*OURS, *PEERS):
        found = of(runs, image, method)
        if not found:
            continue
        inference = middle(found, "segment")
        times = inference / middle(ours, "segment")
        peak, wall = median(r["peak"] for r in found), median(r["wall"] for r in found)
        print(f"| {method} | {len(found)} | {middle(found):.1f} | {wall:.1f} | {peak:.0f} "
              f"| {inference:.2f} | {times:.1f} | {_dice(results, image, method, UNMIRRORED)} "
              f"| {_dice(results, image, method, IN_CROP)} |")  # fmt: skip


def _steps(runs: list[Run]) -> None:
    names = {
        "start-up": "start-up",
        "model": "model load",
        "load": "read",
        "segment": "inference",
        "_measured": "area",
        "assess_result": "quality",
        "write": "write",
        "show": "QC entry",
        "all else": "all else",
    }
    heads = ["CPU s", *names.values()]
    print("\n| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for image in ("small", "neck"):
        found = of(runs, image, OURS[1])
        if found:
            print(f"| {image} | " + " | ".join(f"{middle(found, s):.2f}" for s in names) + " |")


def _scaling(runs: list[Run]) -> None:
    base = of(runs, "neck", COMMAND)
    if not base:
        return
    print(
        "\n| image | whole: user s | to the neck | inference: CPU s | to the neck |\n"
        + "|---" * 5
        + "|"
    )
    for image in SCALING:
        found = of(runs, image, COMMAND)
        if found:
            whole, inference = middle(found), middle(found, "segment")
            print(f"| {image} | {whole:.2f} | {whole / middle(base):.2f} | {inference:.2f} "
                  f"| {inference / middle(base, 'segment'):.2f} |")  # fmt: skip


def _dice(results: Path, image: str, method: str, other: str) -> str:
    """Agreement of the masks of two methods."""
    from sct_deepseg_general.image import nifti

    paths = [
        results / image / name.replace(" ", "-").replace(",", "") / "seg.nii.gz"
        for name in (method, other)
    ]
    if not all(path.exists() for path in paths):
        return ""
    first, second = (nifti.load_segmentation(path).data > 0 for path in paths)
    return f"{2 * (first & second).sum() / max(first.sum() + second.sum(), 1):.4f}"


if __name__ == "__main__":
    sys.exit(main())
