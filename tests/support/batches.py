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
from sct_deepseg_general.batch.messages import Settings
from sct_deepseg_general.batch.plan import Assignment, Listener
from sct_deepseg_general.batch.pool import Hiring
from sct_deepseg_general.batch.resume import Decision
from sct_deepseg_general.batch.summary import Summary
from sct_deepseg_general.batch.worklist import Filters, from_bids
from sct_deepseg_general.cluster.shards import Shard

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


def hiring(workers: int = 2, log: Path | None = None, **rest: float) -> Hiring:
    environment = {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"}
    if log is not None:
        environment["PHANTOM_LOG"] = str(log)
    return Hiring(workers, environment, rest.get("timeout"), WORK)


def assignment(
    dataset: Path, folder: Path, shard: Shard | None = None, filters: Filters | None = None, **rest
) -> Assignment:
    asked = Assignment(
        from_bids(dataset, filters),
        folder,
        Settings(threshold=0.5),
        "digest",
        shard=shard or Shard(),
    )
    return replace(asked, **rest)


def run(asked: Assignment, hired: Hiring | None = None) -> tuple[Summary, dict[str, Decision]]:
    """Run the batch; gives its summary and what was decided, by the image's stem."""
    told: list[Decision] = []
    summary = batch.run(asked, hired or hiring(), Listener(planned=told.extend))
    return summary, {one.item.stem: one for one in told}


def reasons(asked: Assignment) -> dict[str, tuple[str, str]]:
    return {one.item.stem: (one.act, one.reason) for one in batch.decisions(asked)}


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
    _shard = Shard(*(int(word) for word in sys.argv[4].split("/"))) if sys.argv[4:] else None
    run(assignment(_dataset, _folder, _shard), hiring(2, _log))
