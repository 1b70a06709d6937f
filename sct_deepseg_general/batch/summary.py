"""The tables and the summary at the end of a batch, and the tables of several shards joined."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path

from sct_deepseg_general.batch.journal import Record
from sct_deepseg_general.batch.tables import ImageResult, joined, write_csa, write_images
from sct_deepseg_general.errors import DatasetError, OutputError
from sct_deepseg_general.files import write_json, write_whole
from sct_deepseg_general.text_files import read_rows

__all__ = [
    "CSA",
    "FAILED",
    "IMAGES",
    "SUMMARY",
    "BatchSummary",
    "MergedTables",
    "check_tables",
    "close",
    "counted",
    "made_with",
    "merge",
]

IMAGES, CSA, SUMMARY, FAILED = "images.tsv", "csa.tsv", "summary.json", "failed.txt"
_HEAD = "\t".join(("participant_id", "session_id", "contrast", "image"))


@dataclass(frozen=True)
class BatchSummary:
    """The number of images of a batch, in all and by status, and what this run did."""

    images: int
    ok: int
    warn: int
    fail: int
    edited: int
    """Images whose mask was edited; their areas are those of the edited masks."""
    error: int
    """Images that could not be segmented."""
    missing: int
    """Images whose content is not on this machine."""
    done: int
    """Images that this run worked on."""
    kept: int
    """Images whose earlier results are up to date, and earlier failures that would recur."""
    blocked: tuple[tuple[str, str], ...]
    """Images that were not segmented because a file would be lost: key and reason."""
    failed: tuple[tuple[str, str], ...]
    """Images without a result ("error" and "missing"): key and reason."""
    left_out: tuple[tuple[str, str], ...]
    """Files that are no images to segment, such as masks: key and reason."""
    seconds: float
    """Duration of this run."""
    model: str
    """Digest of the model."""


def counted(ended: Mapping[str, Record]) -> BatchSummary:
    """The summary of images that ended earlier, by their keys: this run worked on none of them."""
    status = Counter(one.status for one in ended.values())
    return BatchSummary(
        images=len(ended),
        ok=status["ok"],
        warn=status["warn"],
        fail=status["fail"],
        edited=status["edited"],
        error=status["error"],
        missing=status["missing"],
        done=0,
        kept=len(ended),
        blocked=(),
        failed=tuple(
            (key, "; ".join(one.reasons)) for key, one in ended.items() if one.has_no_result
        ),
        left_out=(),
        seconds=0.0,
        model=", ".join(sorted({one.model for one in ended.values()})),
    )


@dataclass(frozen=True)
class MergedTables:
    """The content of joined tables."""

    images: int
    rows: int
    """Rows of the table of areas."""
    missing: tuple[str, ...]
    """Names of the shards, or of the images, that have no result yet."""
    failed: int
    """Images without a result."""


def close(
    folder: Path, place: Path, results: Sequence[ImageResult], summary: BatchSummary, *, csa: bool
) -> int:
    """Write the tables, the summary and the list of failed images.

    Parameters
    ----------
    folder
        The output folder of the batch, which the masks lie below.
    place
        Where the tables are written.
    results
        One for each image, sorted by key.
    summary
        The numbers for `summary.json`.
    csa
        Whether the table of areas is written also where no image has areas; without any, an
        earlier table is removed, whose areas are those of masks that are no more.

    Returns
    -------
    int
        The number of rows of the table of areas.

    Raises
    ------
    OutputError
        A table cannot be written, or the areas of an image cannot be read.
    """
    write_images(place / IMAGES, results)
    rows = 0
    if csa or any(one.csa for one in results):
        rows = write_csa(place / CSA, results, folder)
    else:
        for path in (place / CSA, (place / CSA).with_suffix(".json")):
            path.unlink(missing_ok=True)
    write_json(place / SUMMARY, asdict(summary))
    _write_failed(place / FAILED, [one.item.image for one in results if one.record.has_no_result])
    return rows


def check_tables(place: Path) -> None:
    """Check that tables which would be replaced are those of a batch.

    Raises
    ------
    OutputError
        A file of the same name is of another program, or was made by hand.
    """
    for name, known in ((IMAGES, _HEAD), (CSA, _HEAD), (SUMMARY, '"images"')):
        path = place / name
        if path.exists() and known not in _beginning(path):
            raise OutputError(
                f"{path} is not a table of a batch, and would be replaced: choose another -o, or "
                "rename it."
            )


def made_with(place: Path) -> tuple[frozenset[str], bool]:
    """The models that made the masks of a batch's `images.tsv` in the folder `place` (the
    beginning of their digests), and whether levels were asked for.

    Raises
    ------
    OutputError
        The table cannot be read.
    """
    try:
        rows = read_rows(place / IMAGES)
    except DatasetError as error:
        raise OutputError(str(error)) from error
    models = frozenset(row.get("model", "") for row in rows) - {"", "n/a"}
    return models, any(row.get("levels") not in {None, "", "n/a"} for row in rows)


def _beginning(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            return stream.read(1000)
    except OSError as error:
        raise OutputError(f"Cannot read {path}: {error.strerror or error}.") from error


def merge(
    places: Sequence[Path],
    folder: Path,
    expected: Sequence[str] = (),
    excluded: Set[str] = frozenset(),
) -> MergedTables:
    """Join the tables of several folders, one for each shard.

    If an image is in several tables, the row of its latest run is taken.

    Parameters
    ----------
    places
        The folders with tables.
    folder
        Where the joined tables are written.
    expected
        Names of the folders that a complete batch has.
    excluded
        Images that are left out, by their keys.

    Raises
    ------
    OutputError
        There is no table to join, or one cannot be read or written.
    """
    check_tables(folder)
    once = {place.resolve(): place for place in places}.values()
    here = [place for place in once if (place / IMAGES).exists()]
    if not here:
        raise OutputError(f"There is no table to join below {folder}: run the shards first.")
    winners, failed = _winners(here, excluded)
    joined(folder / IMAGES, [place / IMAGES for place in here], winners)
    with_csa = [place for place in here if (place / CSA).exists()]
    rows = 0
    if with_csa:
        order = {here.index(place): at for at, place in enumerate(with_csa)}
        kept = {key: order[place] for key, place in winners.items() if place in order}
        rows = joined(folder / CSA, [place / CSA for place in with_csa], kept)
    _copy_descriptions(here[-1], folder)
    _write_failed(folder / FAILED, _failed_of(here, winners))
    missing = sorted(set(expected) - {place.name for place in here})
    return MergedTables(len(winners), rows, tuple(missing), failed)


def _winners(places: Sequence[Path], excluded: Set[str]) -> tuple[dict[str, int], int]:
    """For each image the place whose row is of the latest run, and how many are errors."""
    best: dict[str, tuple[int, int, str]] = {}
    for at, place in enumerate(places):
        with (place / IMAGES).open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            for row in rows:
                candidate = (int(row["turn"]), at, row["status"])
                key = row["image"].removeprefix("'")
                if key not in excluded:
                    best[key] = max(candidate, best.get(key, candidate))
    statuses = Counter(status for _, _, status in best.values())
    return {key: at for key, (_, at, _) in best.items()}, statuses["error"] + statuses["missing"]


def _failed_of(places: Sequence[Path], winners: Mapping[str, int]) -> list[Path]:
    """The images that failed in their latest run, from the lists in the places."""
    failed: set[Path] = set()
    for at, place in enumerate(places):
        if (place / FAILED).exists():
            keys = {key for key, winner in winners.items() if winner == at}
            listed = map(Path, (place / FAILED).read_text("utf-8").splitlines())
            failed |= {one for one in listed if _ends_as_one(one, keys)}
    return sorted(failed)


def _ends_as_one(path: Path, keys: Set[str]) -> bool:
    """Whether one of the keys is the end of a path."""
    parts = path.parts
    return any("/".join(parts[at:]) in keys for at in range(len(parts)))


def _copy_descriptions(place: Path, folder: Path) -> None:
    for name in (IMAGES, CSA):
        source = (place / name).with_suffix(".json")
        if source.exists():
            _write_text((folder / name).with_suffix(".json"), source.read_text("utf-8"))


def _write_failed(path: Path, images: Sequence[Path]) -> None:
    """Write the full paths of the images, as `-list` reads them; no file if none failed."""
    if images:
        full = map(os.path.abspath, images)  # resolve would follow the links of annexes
        _write_text(path, "".join(f"{image}\n" for image in full))
    else:
        path.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
