"""What a batch costs beside its inference, for instance of 20 images by two workers.

    python benchmarks/speed/batch_throughput.py
        [-data FOLDER] [-images 20] [-jobs 2] [-repeats 3] [-no-qc]

The images are those of FOLDER (the samples in tests/data), each several times under other names
until there are enough. Pure inference is the time inside the networks, coarse and close, measured
in this process with one thread on the same images, one after the other. All steps are what
`job.run` does: read, segment, measure, judge, write, draw QC. The batch is the command itself,
started anew each time, with the loading of its workers. Printed are medians over the repeats,
and for pure inference and for all steps two ratios:

    throughput   (their time / jobs) / time of the batch; needs that many idle cores
    CPU          their CPU / user CPU of the batch and all its workers

The second one holds on a machine that others use too; the first one cannot be better.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MANY = 20
MAIN = [sys.executable, "-c", "from sct_deepseg_general.cli import main; main()", "batch"]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Cost:
    """Seconds: on the wall's clock, and of user CPU."""

    wall: float
    cpu: float


@dataclass
class Timed:
    """An engine that adds up what its network takes."""

    engine: Any
    clocks: tuple[Callable[[], float], ...] = (time.perf_counter, time.process_time)
    wall: float = 0.0
    cpu: float = 0.0

    @property
    def name(self) -> str:
        return str(self.engine.name)

    @property
    def device(self) -> str:
        return str(self.engine.device)

    def difference(self, *given: Any) -> Any:
        before = [clock() for clock in self.clocks]
        result = self.engine.difference(*given)
        wall, cpu = (clock() - start for clock, start in zip(self.clocks, before, strict=True))
        self.wall, self.cpu = self.wall + wall, self.cpu + cpu
        return result


def main() -> None:
    asked = _asked()
    os.environ |= ONE_THREAD
    with _dataset(asked.data, asked.images) as (dataset, images):
        repeats = []
        for _ in range(asked.repeats):
            inside = in_one_process(images, dataset.parent / "alone", qc=not asked.no_qc)
            repeats.append((*inside, batch(dataset, asked.jobs, qc=not asked.no_qc)))
    network, steps, whole = (_median(costs) for costs in zip(*repeats, strict=True))
    print(f"{len(images)} images, {asked.jobs} workers, medians of {asked.repeats}")
    print(f"{'':<16}{'wall s':>8}{'CPU s':>8}{'throughput':>12}{'CPU':>8}")
    for name, cost in (("pure inference", network), ("all steps", steps)):
        ratios = cost.wall / asked.jobs / whole.wall, cost.cpu / whole.cpu
        print(f"{name:<16}{cost.wall:>8.1f}{cost.cpu:>8.1f}{ratios[0]:>12.2f}{ratios[1]:>8.2f}")
    print(f"{'the batch':<16}{whole.wall:>8.1f}{whole.cpu:>8.1f}")


def in_one_process(images: list[Path], out: Path, *, qc: bool) -> tuple[Cost, Cost]:
    """The networks alone, and all steps, over all images."""
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.job.job import run
    from sct_deepseg_general.job.outputs import outputs_for
    from sct_deepseg_general.job.values import Job, QcPlace, Request
    from sct_deepseg_general.zoo.zoo import resolve

    found = load_predictor(resolve(None, offline=True))
    engines = [Timed(found.engine), Timed(found.locator)]
    predictor = replace(found, engine=engines[0], locator=engines[1] if found.locator else None)
    out.mkdir()
    jobs = [Job(image, outputs_for(image, out / image.name)) for image in images]
    request = Request(qc=QcPlace(out / "qc") if qc else None)
    run(jobs[0], predictor, request)  # the first one warms up
    for engine in engines:
        engine.wall = engine.cpu = 0.0
    wall, cpu = time.perf_counter(), time.process_time()
    for job in jobs:
        run(job, predictor, request)
    steps = Cost(time.perf_counter() - wall, time.process_time() - cpu)
    shutil.rmtree(out)
    return Cost(sum(one.wall for one in engines), sum(one.cpu for one in engines)), steps


def batch(dataset: Path, jobs: int, *, qc: bool) -> Cost:
    out = dataset.parent / "out"
    words = ["-bids", dataset, "-o", out, "-jobs", jobs, "-threads", 1, "-offline", "-v", 0]
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*MAIN, *map(str, words), *([] if qc else ["-no-qc"])], check=True)
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(out)
    return Cost(wall, after.ru_utime - before.ru_utime)


@contextmanager
def _dataset(data: Path, count: int) -> Iterator[tuple[Path, list[Path]]]:
    """A dataset of `count` links to the images, again from the first after the last."""
    found = sorted(path for path in data.rglob("sub-*.nii.gz") if "derivatives" not in path.parts)
    if not found:
        sys.exit(f"There is no image in {data}.")
    with tempfile.TemporaryDirectory(prefix="throughput-") as name:
        folder = Path(name) / "data"
        images = []
        for number in range(count):
            source = found[number % len(found)]
            place = folder / f"sub-{number:02}" / "anat"
            place.mkdir(parents=True)
            images.append(place / f"sub-{number:02}_{source.name.rpartition('_')[2]}")
            images[-1].symlink_to(source.resolve())
        yield folder, images


def _median(costs: list[Cost]) -> Cost:
    walls, cpus = [one.wall for one in costs], [one.cpu for one in costs]
    return Cost(statistics.median(walls), statistics.median(cpus))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-data", type=Path, default=ROOT / "tests" / "data")
    parser.add_argument("-images", type=int, default=MANY)
    parser.add_argument("-jobs", type=int, default=2)
    parser.add_argument("-repeats", type=int, default=3)
    parser.add_argument("-no-qc", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
