"""Change between the sessions of each person of a batch: `change.tsv`, a row for each level.

The comparison of two images is kept in a JSON file beside the later one's mask, with the hashes of
both images and of the model; it is made again only where one of them has changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sct_deepseg_general import __version__
from sct_deepseg_general.batch.summary import IMAGES
from sct_deepseg_general.change.dates import years_between
from sct_deepseg_general.change.levels import disc_points
from sct_deepseg_general.change.measure import Scan
from sct_deepseg_general.change.output import COLUMNS, as_record, compared_visits
from sct_deepseg_general.cohort.change_plot import courses_of, save_change_plot
from sct_deepseg_general.cohort.sessions import Visit
from sct_deepseg_general.errors import DeepsegError, ImageError
from sct_deepseg_general.files import sha256, stem_of, write_json
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.labels import load_labels
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.norms.group import write_table
from sct_deepseg_general.text_files import read_rows

__all__ = ["CHANGE", "SessionPair", "change_plots", "pairs_of", "write_changes"]

CHANGE = "change.tsv"
_WHO = ("participant_id", "contrast", "baseline_session", "followup_session", "baseline",
        "followup", "years")  # fmt: skip
_MEASURED = tuple(name for name in COLUMNS if name not in {"baseline", "followup"})


@dataclass(frozen=True)
class SessionPair:
    """The first image of a person and a later one."""

    first: Visit
    later: Visit

    @property
    def years(self) -> float | None:
        """Years between them; None where `no_years` says why."""
        first, later = self.first.day, self.later.day
        if self.no_years or first is None or later is None:
            return None
        return years_between(first, later)

    @property
    def no_years(self) -> str:
        """Why there is no change per year; "" where there is one."""
        first, later = self.first.day, self.later.day
        if first is None or later is None:
            return "no acq_time of both sessions in scans.tsv or sessions.tsv: no change per year"
        try:
            years_between(first, later)
        except ImageError as error:
            sentence = str(error).partition(":")[0]
            return f"{sentence[0].lower()}{sentence[1:]}: no change per year"
        return ""


def pairs_of(series: Sequence[Sequence[Visit]]) -> list[SessionPair]:
    """Each later image of a series with its first."""
    return [SessionPair(own[0], later) for own in series for later in own[1:]]


def write_changes(
    place: Path,
    pairs: Sequence[SessionPair],
    predictor: Predictor,
    on_pair: Callable[[SessionPair, Mapping[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Compare the images of each pair, and write `change.tsv`.

    Parameters
    ----------
    place
        The folder of a batch's `images.tsv`.
    pairs
        What is compared.
    predictor
        The model.
    on_pair
        Called with each pair and its record.

    Returns
    -------
    list of dict
        The record of each pair: `Levels`, as of a comparison of two images, or `Reason`.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    images = {row["image"]: row for row in read_rows(place / IMAGES)}
    records = []
    for pair in pairs:
        record = _record(place, pair, images, predictor)
        records.append(record)
        if on_pair is not None:
            on_pair(pair, record)
    lines = [
        line for pair, record in zip(pairs, records, strict=True) for line in _lines(pair, record)
    ]
    write_table(place / CHANGE, (*_WHO, *_MEASURED, "reason"), lines)
    return records


def change_plots(
    place: Path, pairs: Sequence[SessionPair], records: Sequence[Mapping[str, Any]]
) -> list[Path]:
    """Draw `change_CONTRAST.png` for each contrast with a result, in the folder `place`, and
    return the files.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    compared = [(p.first, p.later, p.years, r) for p, r in zip(pairs, records, strict=True)]
    courses = courses_of(compared)
    written = []
    for contrast in sorted({course.contrast for course in courses}):
        path = place / f"change_{contrast}.png"
        save_change_plot(path, [course for course in courses if course.contrast == contrast])
        written.append(path)
    return written


def _record(
    place: Path, pair: SessionPair, images: Mapping[str, Mapping[str, str]], predictor: Predictor
) -> dict[str, Any]:
    for visit in (pair.first, pair.later):
        row = images.get(visit.item.key)
        if row is None or row["status"] in {"error", "missing", "fail"}:
            status = row["status"] if row else "not segmented"
            return {"Reason": f"{visit.item.key} has the status {status}"}
    path = _path(place, images[pair.later.item.key]["mask"])
    inputs = _inputs(pair, predictor)
    kept = _kept(path, inputs)
    if kept is not None:
        return kept
    try:
        record = _compared(pair, predictor)
    except DeepsegError as error:
        record = {"Reason": str(error)}
    record["Inputs"] = inputs
    write_json(path, record)
    return record


def _compared(pair: SessionPair, predictor: Predictor) -> dict[str, Any]:
    first, later = ((Path(one.item.key), _scan(one)) for one in (pair.first, pair.later))
    return as_record(compared_visits(first, later, pair.years, predictor))


def _scan(visit: Visit) -> Scan:
    discs = visit.item.discs
    points = disc_points(load_labels(discs)) if discs is not None else {}
    return Scan(nifti.load(visit.item.image), points, visit.item.key)


def _inputs(pair: SessionPair, predictor: Predictor) -> dict[str, Any]:
    """What a comparison depends on."""
    files = [visit.item.image for visit in (pair.first, pair.later)]
    files += [visit.item.discs for visit in (pair.first, pair.later) if visit.item.discs]
    return {
        "Files": [sha256(path) for path in files],
        "Model": predictor.model.digest,
        "Version": __version__,
        "Years": pair.years,
    }


def _kept(path: Path, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of an earlier run on the same files with the same model."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("Inputs") == inputs else None


def _path(place: Path, mask: str) -> Path:
    name = place / mask
    stem = stem_of(name)
    stem = stem.removesuffix("_seg").removesuffix("_mask")
    return name.with_name(f"{stem}_change.json")


def _lines(pair: SessionPair, record: Mapping[str, Any]) -> list[list[str]]:
    first, later = pair.first.item, pair.later.item
    years = "" if pair.years is None else f"{pair.years:.3f}"
    who = [first.participant, first.contrast, first.session, later.session, first.key, later.key]
    who.append(years)
    if "Reason" in record:
        return [[*who, *([""] * len(_MEASURED)), record["Reason"]]]
    return [
        [*who, *(_cell(level[name]) for name in _MEASURED), pair.no_years]
        for level in record["Levels"]
    ]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
