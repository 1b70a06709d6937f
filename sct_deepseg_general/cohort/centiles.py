"""Centiles of everybody in a batch: columns of `images.tsv`, and a row for each level."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sct_deepseg_general.batch.summary import CSA, IMAGES
from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.norms.centile import Calibrations
from sct_deepseg_general.norms.group import GroupRow, absent, group_rows, write_rows, write_table
from sct_deepseg_general.norms.model import embedded
from sct_deepseg_general.norms.participants import Participant, read_participants
from sct_deepseg_general.quality.uncertainty import IntervalFactors
from sct_deepseg_general.text_files import read_rows, read_text
from sct_deepseg_general.zoo.model import Model

__all__ = ["COLUMNS", "NORMS", "Cohort", "cohort_of", "unplaced", "write_centiles"]

NORMS = "norms.tsv"
LEVEL = "C2-C3"
COLUMNS = {
    "c2c3_centile": "Centile of the area of C2-C3 among healthy people of that age and sex.",
    "c2c3_centile_lower": "Lower end of the interval of the centile.",
    "c2c3_centile_upper": "Upper end of the interval of the centile.",
    "c2c3_z_score": "Standard score of that area among them.",
    "c2c3_interval_against_p5": "Whether the area's interval is below, crosses or is above "
    "the 5th centile.",
    "no_centile": "Why there is no centile.",
}


@dataclass(frozen=True)
class Cohort:
    """The people of a dataset by participant_id; `problem` says why there are none."""

    people: Mapping[str, Participant]
    problem: str = ""


def cohort_of(dataset: Path | None, participants: Path | None, group: str | None) -> Cohort | None:
    """Age, sex and group of the people of a batch.

    Parameters
    ----------
    dataset
        A BIDS dataset, whose participants.tsv is read where `participants` is None.
    participants
        A table of people that the user names.
    group
        The column with the groups to compare.

    Returns
    -------
    Cohort or None
        None where no table is named and the dataset has none. A table of the dataset that cannot
        be used leaves the batch without centiles, and `Cohort.problem` says why.

    Raises
    ------
    NormsError
        The table that the user names, or that a group is to be read from, cannot be used.
    """
    path = participants
    if path is None and dataset is not None and (dataset / "participants.tsv").exists():
        path = dataset / "participants.tsv"
    if path is None:
        if group is not None:
            raise NormsError(
                "-group needs the people's groups: give a participants.tsv with -participants."
            )
        return None
    try:
        return Cohort(read_participants(path, group))
    except NormsError as error:
        if participants is not None or group is not None:
            raise
        return Cohort({}, str(error))


def write_centiles(place: Path, cohort: Cohort, model: Model) -> list[GroupRow]:
    """Write `norms.tsv`, and the centiles of C2-C3 into `images.tsv` and its description.

    Parameters
    ----------
    place
        The folder of a batch's `images.tsv` and `csa.tsv`.
    cohort
        The people.
    model
        The model that made the masks; images that another one made get no centile.

    Returns
    -------
    list of GroupRow
        A row for each level of each image, and one for each person without an image.

    Raises
    ------
    NormsError
        A table of the batch cannot be read.
    OutputError
        A file cannot be written.
    """
    calibrations = Calibrations.from_record(model.norms)
    repeat = IntervalFactors.from_record(model.intervals).repeat
    rows = group_rows(place / CSA, cohort.people, embedded(), calibrations, repeat)
    images = read_rows(place / IMAGES)
    others = {one["image"] for one in images if one["model"] not in {model.digest[:12], "n/a"}}
    rows = [_of_another_model(row) if row.image in others else row for row in rows]
    rows += absent(cohort.people, rows)
    write_rows(place / NORMS, rows)
    _add_columns(place / IMAGES, images, rows)
    return rows


def unplaced(rows: Sequence[GroupRow]) -> dict[str, str]:
    """Why a person has no centile at all, by participant_id."""
    placed = {row.participant for row in rows if row.place is not None}
    reasons: dict[str, set[str]] = {}
    for row in rows:
        if row.participant not in placed:
            reasons.setdefault(row.participant, set()).add(row.reason)
    return {who: "; ".join(sorted(filter(None, why))) for who, why in sorted(reasons.items())}


def _of_another_model(row: GroupRow) -> GroupRow:
    return replace(row, place=None, reason="the mask was made with another model")


def _add_columns(path: Path, images: Sequence[Mapping[str, str]], rows: Sequence[GroupRow]) -> None:
    header = [name for name in images[0] if name not in COLUMNS]
    by_image: dict[str, list[GroupRow]] = {}
    for row in rows:
        by_image.setdefault(row.image, []).append(row)
    lines = [
        [*(one[name] for name in header), *_cells(by_image.get(one["image"], []))] for one in images
    ]
    write_table(path, (*header, *COLUMNS), lines)
    described = path.with_suffix(".json")
    known = json.loads(read_text(described))
    known |= {name: {"Description": text} for name, text in COLUMNS.items()}
    with write_whole(described) as temporary:
        temporary.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def _cells(rows: Sequence[GroupRow]) -> list[str]:
    """The values of `COLUMNS` for one image."""
    row = next((one for one in rows if one.level == LEVEL), None)
    if row is None or row.place is None:
        reasons = [row.reason] if row else [one.reason for one in rows if not one.level]
        return [
            *([""] * (len(COLUMNS) - 1)),
            reasons[0] if reasons else f"{LEVEL} is not whole in the image",
        ]
    place = row.place
    centiles = (place.centile, place.centile_lower, place.centile_upper)
    numbers = [*(f"{value:.1f}" for value in centiles), f"{place.z_score:.2f}"]
    return [*numbers, place.against_fifth, ""]
