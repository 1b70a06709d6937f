"""A batch of 100,000 empty images: what the journal, the shards and the tables cost.

    python benchmarks/speed/batch_simulation.py [IMAGES] [SHARDS]      (100000 8)

Every image goes through everything but the segmentation: it is found, decided upon, handed to a
worker process, recorded twice, and put into the tables with a CSV of 60 slices. All shards run
here, one after the other. Prints a table; wall and CPU seconds are of this machine.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sct_deepseg_general.batch import run as batch
from sct_deepseg_general.batch.messages import Outcome, Task, WorkerSettings
from sct_deepseg_general.batch.plan import BatchPlan
from sct_deepseg_general.batch.pool import PoolOptions
from sct_deepseg_general.batch.worker import Work
from sct_deepseg_general.batch.worklist import from_bids
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.files import sha256

SLICES = 60
CSV = (
    '"Slice (I->S)","VertLevel","MEAN(area)","MEAN(diameter_AP)","MEAN(diameter_RL)"\r\n'
    + "".join(f'"{z}","",{70 + z / 7},{7 + z / 90},{12 + z / 90}\r\n' for z in range(SLICES))
)
T = TypeVar("T")


def nothing(_settings: WorkerSettings) -> Work:
    """The work of a worker: a CSV file, and an empty mask and sidecar."""

    def work(task: Task) -> Outcome:
        Path(task.csa).write_text(CSV, newline="")
        for path in (task.segmentation, task.sidecar):
            Path(path).touch()
        paths = (task.segmentation, task.csa, task.sidecar)
        outputs = {path: sha256(Path(path)) for path in paths}
        return Outcome("ok", (), 0.0, 75.0, SLICES, outputs=outputs)

    return work


def main(images: int, shards: int) -> None:
    place = Path(tempfile.mkdtemp(prefix="simulation-"))
    try:
        told("make the dataset", images, lambda: dataset(place / "data", images))
        worklist = told("index", images, lambda: from_bids(place / "data"))
        parts = [
            BatchPlan(
                worklist, place / "out", WorkerSettings(), "0" * 64, part=Shard(index, shards)
            )
            for index in range(1, shards + 1)
        ]
        pool_options = PoolOptions(
            2,
            {"PYTHONPATH": str(Path(__file__).parents[2])},
            None,
            "benchmarks.speed.batch_simulation:nothing",
        )
        told("all shards", images, lambda: [batch.run(part, pool_options) for part in parts])
        merged = told("merge", images, lambda: batch.join(place / "out"))
        told(
            "again, nothing to do",
            images,
            lambda: [batch.run(part, pool_options) for part in parts],
        )
        print(f"\n{merged.images} images, {merged.rows} rows in csa.tsv")
        for name in ("batch/*/journal.jsonl", "csa.tsv", "images.tsv"):
            size = sum(path.stat().st_size for path in (place / "out").glob(name))
            print(f"{name:<24}{size / 1e6:>9.1f} MB{size / images:>9.0f} bytes an image")
    finally:
        shutil.rmtree(place)


def dataset(root: Path, images: int) -> None:
    """Two empty images a person."""
    for person in range(images // 2):
        folder = root / f"sub-{person:06}" / "anat"
        folder.mkdir(parents=True)
        for contrast in ("T1w", "T2w"):
            (folder / f"sub-{person:06}_{contrast}.nii.gz").touch()


def told(step: str, images: int, do: Callable[[], T]) -> T:
    wall, cpu = time.perf_counter(), _cpu()
    result = do()
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{step:<24}{wall:>9.1f} s{cpu:>9.1f} s CPU{1e3 * cpu / images:>8.2f} ms an image"
        f"{peak:>8.0f} MB peak",
        flush=True,
    )
    return result


def _cpu() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(one)[:2]) for one in who)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:3]]
    main(*(numbers + [100_000, 8][len(numbers) :]))
