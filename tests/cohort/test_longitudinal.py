"""Change between the sessions of a person, with the embedded model on the sample image."""

from __future__ import annotations

import csv
import os
import shutil
from datetime import date
from pathlib import Path

import pytest
from samples import image_path

from sct_deepseg_general.batch.worklist import Item, from_bids
from sct_deepseg_general.cohort.longitudinal import (
    SessionPair,
    change_plots,
    pairs_of,
    write_changes,
)
from sct_deepseg_general.cohort.sessions import Visit, series_of
from sct_deepseg_general.inference.predictor import Predictor


def visit(session: str, day: date | None) -> Visit:
    return Visit(Item(f"sub-01/{session}", Path(session), "sub-01", session, "T2w"), day)


@pytest.mark.parametrize(
    ("days", "years", "says"),
    [
        ((date(2020, 1, 1), date(2022, 1, 1)), 2.0, ""),
        ((date(2020, 1, 1), None), None, "no acq_time of both sessions"),
        ((date(2020, 1, 1), date(2020, 1, 1)), None, "both images are of one day"),
        (
            (date(2022, 1, 1), date(2020, 1, 1)),
            None,
            "the follow-up is of an earlier day than the baseline: no change per year",
        ),
    ],
)
def test_years_or_the_reason_why_there_are_none(
    days: tuple[date, date | None], years: float | None, says: str
) -> None:
    pair = SessionPair(visit("ses-1", days[0]), visit("ses-2", days[1]))
    assert pair.years == (years if years is None else pytest.approx(years, abs=0.01))
    assert pair.no_years.startswith(says)
    assert bool(pair.no_years) == bool(says)


def test_each_later_session_is_compared_with_the_first() -> None:
    series = [tuple(visit(f"ses-{n}", None) for n in (1, 2, 3))]
    names = [(p.first.item.session, p.later.item.session) for p in pairs_of(series)]
    assert names == [("ses-1", "ses-2"), ("ses-1", "ses-3")]


def dataset(root: Path, statuses: tuple[str, str]) -> tuple[Path, list[SessionPair]]:
    """The sample image as two sessions, and the folder of a batch with its images.tsv."""
    place = root / "out"
    place.mkdir()
    lines = ["image\tstatus\tmask\n"]
    for number, status in enumerate(statuses, 1):
        folder = root / "data" / "sub-01" / f"ses-{number}" / "anat"
        folder.mkdir(parents=True)
        shutil.copy(image_path("T2w"), folder / f"sub-01_ses-{number}_T2w.nii.gz")
        key = f"sub-01/ses-{number}/anat/sub-01_ses-{number}_T2w.nii.gz"
        lines.append(f"{key}\t{status}\t{Path(key).name.replace('_T2w', '_desc-T2w_mask')}\n")
    (place / "images.tsv").write_text("".join(lines))
    items = from_bids(root / "data").items
    return place, pairs_of(series_of(items, root / "data"))


def table(place: Path) -> list[dict[str, str]]:
    with (place / "change.tsv").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.mark.slow
def test_the_same_image_twice_has_not_changed_and_is_compared_once(
    tmp_path: Path, predictor: Predictor
) -> None:
    place, pairs = dataset(tmp_path, ("ok", "warn"))
    records = write_changes(place, pairs, predictor)
    assert change_plots(place, pairs, records) == [place / "change_T2w.png"]
    assert (place / "change_T2w.png").is_file()
    rows = table(place)
    assert {row["change_percent"] for row in rows} == {"0.0"}
    assert {row["percent_per_year"] for row in rows} == {"n/a"}
    assert all("no change per year" in row["reason"] for row in rows)
    kept = place / "sub-01_ses-2_desc-T2w_change.json"
    os.utime(kept, (1, 1))
    write_changes(place, pairs, predictor)
    assert kept.stat().st_mtime == 1
    assert table(place) == rows


def test_an_image_without_a_result_gives_the_reason_and_no_number(
    tmp_path: Path, predictor: Predictor
) -> None:
    place, pairs = dataset(tmp_path, ("ok", "fail"))
    records = write_changes(place, pairs, predictor)
    assert change_plots(place, pairs, records) == []
    (row,) = table(place)
    assert "has the status fail" in row["reason"]
    assert row["change_percent"] == row["baseline_mm2"] == "n/a"
