"""The sessions of a person: which images belong together, in which order, and their dates."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sct_deepseg_general.batch.worklist import from_bids
from sct_deepseg_general.cohort.sessions import scan_day, series_of


def dataset(root: Path, *names: str) -> Path:
    for name in names:
        parts = [word for word in name.split("_") if word.startswith(("sub-", "ses-"))]
        path = root.joinpath(*parts, "anat", f"{name}.nii.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("image")
    return root


def order(root: Path) -> list[list[str]]:
    return [[visit.item.session for visit in own] for own in series_of(from_bids(root).items, root)]


def test_images_of_one_name_in_several_sessions_belong_together(tmp_path: Path) -> None:
    root = dataset(
        tmp_path, "sub-01_ses-1_T2w", "sub-01_ses-2_T2w", "sub-01_ses-1_T1w", "sub-02_ses-1_T2w"
    )
    assert order(root) == [["ses-1", "ses-2"]]


def test_numbers_of_sessions_are_ordered_by_value(tmp_path: Path) -> None:
    names = (f"sub-01_ses-{n}_T2w" for n in (10, 9, 2))
    assert order(dataset(tmp_path, *names)) == [["ses-2", "ses-9", "ses-10"]]


def test_dates_come_before_names(tmp_path: Path) -> None:
    root = dataset(tmp_path, "sub-01_ses-a_T2w", "sub-01_ses-b_T2w")
    (root / "sub-01" / "sub-01_sessions.tsv").write_text(
        "session_id\tacq_time\nses-a\t2024-03-01T10:00:00\nses-b\t2022-03-01\n"
    )
    assert order(root) == [["ses-b", "ses-a"]]


def test_the_date_of_the_image_comes_before_that_of_the_session(tmp_path: Path) -> None:
    root = dataset(tmp_path, "sub-01_ses-1_T2w")
    item = from_bids(root).items[0]
    assert scan_day(item, root) is None
    (root / "sub-01" / "sub-01_sessions.tsv").write_text(
        "session_id\tacq_time\nses-1\t2024-03-01\n"
    )
    assert scan_day(item, root) == date(2024, 3, 1)
    scans = root / "sub-01" / "ses-1" / "sub-01_ses-1_scans.tsv"
    scans.write_text("filename\tacq_time\nanat/sub-01_ses-1_T2w.nii.gz\t1877-06-15T13:45:30.000Z\n")
    assert scan_day(item, root) == date(1877, 6, 15)


@pytest.mark.parametrize("text", ["n/a", "", "last year", "2024-13-01"])
def test_a_text_that_is_no_date_is_none(text: str, tmp_path: Path) -> None:
    root = dataset(tmp_path, "sub-01_ses-1_T2w")
    (root / "sub-01" / "sub-01_sessions.tsv").write_text(f"session_id\tacq_time\nses-1\t{text}\n")
    assert scan_day(from_bids(root).items[0], root) is None
