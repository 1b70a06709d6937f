"""Filter files select images by the entities of their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.bids.filter import matches, read_filter, selected
from sct_deepseg_general.errors import DatasetError

NAMES = (
    "sub-01/ses-1/anat/sub-01_ses-1_T2w.nii.gz",
    "sub-01/ses-2/anat/sub-01_ses-2_run-01_T2w.nii.gz",
    "sub-02/ses-1/anat/sub-02_ses-1_acq-sag_T1w.nii",
    "sub-02/ses-1/func/sub-02_ses-1_task-rest_bold.nii.gz",
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).touch()
    return tmp_path / "d"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{"suffix": "T2w"}', {0, 1}),
        ('{"suffix": ["T1w", "bold"]}', {2, 3}),
        ('{"session": "1", "suffix": "T2w"}', {0}),
        ('{"session": "ses-2"}', {1}),
        ('{"run": 1}', {1}),
        ('{"run": null, "suffix": "T2w"}', {0}),
        ('{"datatype": "func"}', {3}),
        ('{"acquisition": ["sag", null]}', {0, 1, 2, 3}),
        ('{"extension": ".nii"}', {2}),
        ('{"subject": "02", "task": "rest"}', {3}),
    ],
)
def test_a_query_selects_by_entity(
    dataset: Path, tmp_path: Path, query: str, expected: set[int]
) -> None:
    (tmp_path / "f.json").write_text(f'{{"one": {query}}}')
    assert set(selected(dataset, tmp_path / "f.json")) == {NAMES[number] for number in expected}


def test_an_image_needs_to_match_one_query_only(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text('{"a": {"suffix": "T1w"}, "b": {"suffix": "bold"}}')
    assert len(selected(dataset, tmp_path / "f.json")) == 2


def test_an_empty_query_matches_everything(dataset: Path) -> None:
    assert all(matches(case, {}) for case in index(dataset).missing)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "cannot be read"),
        ("[]", "one object of queries"),
        ('{"a": 3}', "one object of queries"),
        ('{"a": {"colour": "red"}}', "'colour' in 'a'"),
        ('{"a": {"suffix": "PD"}}', "No image of"),
    ],
)
def test_a_wrong_filter_is_one_sentence(
    dataset: Path, tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(DatasetError, match=sentence):
        selected(dataset, tmp_path / "f.json")


def test_a_byte_order_mark_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(b'\xef\xbb\xbf{"a": {"suffix": "T2w"}}')
    assert read_filter(tmp_path / "f.json") == {"a": {"suffix": "T2w"}}
