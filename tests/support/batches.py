"""Datasets of phantom images, batches of them in this process, and as a process to kill."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sct_deepseg_general.batch import run as batch
from sct_deepseg_general.batch.messages import WorkerSettings
from sct_deepseg_general.batch.plan import BatchPlan, Decision, Listener
from sct_deepseg_general.batch.pool import PoolOptions
from sct_deepseg_general.batch.summary import BatchSummary
from sct_deepseg_general.batch.worklist import Filters, from_bids
from sct_deepseg_general.cluster.shards import People, Shard

TESTS = Path(__file__).parent
WORK = "phantom_work:made"


def phantom_dataset(root: Path, images: dict[str, str]) -> Path:
    """A BIDS dataset; `images` gives the text of each image by its name ("sub-01_T2w")."""
    for name, text in images.items():
        parts = [word for word in name.split("_") if word.startswith(("sub-", "ses-"))]
        path = root.joinpath(*parts, "anat", f"{name}.nii.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def people(count: int, text: str = "ok") -> dict[str, str]:
    return {f"sub-{number:02}_T2w": text for number in range(1, count + 1)}


def pool_options(workers: int = 2, log: Path | None = None, **rest: float) -> PoolOptions:
    environment = {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    if log is not None:
        environment["PHANTOM_LOG"] = str(log)
    return PoolOptions(workers, environment, rest.get("timeout"), WORK)


def batch_plan(
    dataset: Path, folder: Path, shard: Shard | None = None, filters: Filters | None = None, **rest
) -> BatchPlan:
    plan = BatchPlan(
        from_bids(dataset, filters),
        folder,
        WorkerSettings(threshold=0.5),
        "digest",
        part=shard or Shard(),
    )
    return replace(plan, **rest)


def run(
    plan: BatchPlan, options: PoolOptions | None = None
) -> tuple[BatchSummary, dict[str, Decision]]:
    """Run the batch; gives its summary and what was decided, by the image's stem."""
    told: list[Decision] = []
    summary = batch.run(plan, options or pool_options(), Listener(on_plan=told.extend))
    return summary, {one.item.stem: one for one in told}


def reasons(plan: BatchPlan) -> dict[str, tuple[str, str]]:
    return {one.item.stem: (one.act, one.reason) for one in batch.decisions(plan)}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def begun(log: Path) -> Counter[str]:
    """How often each image was begun."""
    return Counter(log.read_text().split()) if log.exists() else Counter()


def process(dataset: Path, folder: Path, log: Path, words: Sequence[str] = ()) -> subprocess.Popen:
    """The batch as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "PHANTOM_LOG": str(log)}
    command = [sys.executable, "-m", "batches", str(dataset), str(folder), str(log), *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    _dataset, _folder, _log = (Path(word) for word in sys.argv[1:4])
    _word = sys.argv[4] if sys.argv[4:] else "1/1"
    if "/" in _word:
        _plan = batch_plan(_dataset, _folder, Shard(*map(int, _word.split("/"))))
    else:
        _part = People((f"sub-{_word}",))
        _plan = batch_plan(_dataset, _folder, filters=Filters((_word,)), part=_part)
    run(_plan, pool_options(2, _log))
