"""The end of a batch: its tables, its numbers, the list of what failed; and shards joined."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sct_deepseg_general.batch.tables import ImageResult, joined, write_csa, write_images
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import write_whole

__all__ = ["CSA", "FAILED", "IMAGES", "SUMMARY", "BatchSummary", "MergedTables", "close", "merge"]

IMAGES, CSA, SUMMARY, FAILED = "images.tsv", "csa.tsv", "summary.json", "failed.txt"


@dataclass(frozen=True)
class BatchSummary:
    """A batch in numbers: images in all and by status, and what this run did."""

    images: int
    ok: int
    warn: int
    fail: int
    error: int
    done: int
    """Images that this run worked on."""
    kept: int
    blocked: tuple[tuple[str, str], ...]
    """Images left out so that no file of another hand is lost, and why."""
    failed: tuple[tuple[str, str], ...]
    """Images of this batch without a result, and why."""
    seconds: float
    """Of this run."""
    model: str


@dataclass(frozen=True)
class MergedTables:
    """What was joined: images, rows of the CSA table, and shards that are not there yet."""

    images: int
    rows: int
    missing: tuple[str, ...]
    failed: int


def close(
    folder: Path, place: Path, lines: Sequence[ImageResult], summary: BatchSummary, *, csa: bool
) -> None:
    """Write the tables and the summary into `place`; the outputs lie below `folder`.

    Raises:
        OutputError: something cannot be written.
    """
    write_images(place / IMAGES, lines)
    if csa:
        write_csa(place / CSA, lines, folder)
    _write_text(place / SUMMARY, json.dumps(asdict(summary), indent=2, ensure_ascii=False) + "\n")
    _write_failed(place / FAILED, [line.item.image for line in lines if _is_failed(line)])


def merge(places: Sequence[Path], folder: Path, expected: Sequence[str] = ()) -> MergedTables:
    """Join the tables in `places` (one a shard) into `folder`.

    Where an image is in several, the row of its latest run counts. `expected` are names of
    places that should be there; those that are not are told.

    Raises:
        OutputError: there is no table to join, or one cannot be read or written.
    """
    once = {place.resolve(): place for place in places}.values()
    here = [place for place in once if (place / IMAGES).exists()]
    if not here:
        raise OutputError(f"There is no table to join below {folder}: run the shards first.")
    winners, failed = _winners(here)
    joined(folder / IMAGES, [place / IMAGES for place in here], winners)
    with_csa = [place for place in here if (place / CSA).exists()]
    rows = 0
    if with_csa:
        order = {here.index(place): at for at, place in enumerate(with_csa)}
        kept = {key: order[place] for key, place in winners.items() if place in order}
        rows = joined(folder / CSA, [place / CSA for place in with_csa], kept)
    _copy_descriptions(here[-1], folder)
    lists = [(place / FAILED).read_text("utf-8") for place in here if (place / FAILED).exists()]
    _write_failed(folder / FAILED, sorted({Path(x) for text in lists for x in text.splitlines()}))
    missing = sorted(set(expected) - {place.name for place in here})
    return MergedTables(len(winners), rows, tuple(missing), failed)


def _winners(places: Sequence[Path]) -> tuple[dict[str, int], int]:
    """For each image the place whose row is of the latest run, and how many are errors."""
    best: dict[str, tuple[int, int, str]] = {}
    for at, place in enumerate(places):
        with (place / IMAGES).open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            for row in rows:
                candidate = (int(row["turn"]), at, row["status"])
                key = row["image"].removeprefix("'")
                best[key] = max(candidate, best.get(key, candidate))
    statuses = Counter(status for _, _, status in best.values())
    return {key: at for key, (_, at, _) in best.items()}, statuses["error"]


def _copy_descriptions(place: Path, folder: Path) -> None:
    for name in (IMAGES, CSA):
        source = (place / name).with_suffix(".json")
        if source.exists():
            _write_text((folder / name).with_suffix(".json"), source.read_text("utf-8"))


def _is_failed(line: ImageResult) -> bool:
    return line.record.status == "error"


def _write_failed(path: Path, images: Sequence[Path]) -> None:
    """The images as `-list` takes them; no file where none failed."""
    if images:
        _write_text(path, "".join(f"{image}\n" for image in images))
    else:
        path.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
