from __future__ import annotations

import time
from pathlib import Path

import pytest
from phantoms import Convention, phantom_bids, shared

from sct_deepseg_general.bids.cases import DatasetSelection
from sct_deepseg_general.bids.dataset import index, roots
from sct_deepseg_general.errors import DatasetError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"image")
    return path


def label_path(root: Path, name: str, place: str = "sub-01/anat") -> Path:
    return touch(root / "derivatives" / "labels" / place / name)


def test_sessions_and_runs_are_separate_cases_with_their_own_labels(tmp_path: Path) -> None:
    root = phantom_bids(
        tmp_path / "ds", Convention(people=("01",), sessions=("1", "2"), runs=("1", "2"))
    )
    cases = index(root).labelled
    assert [(c.session, c.run) for c in cases] == [
        ("ses-1", "run-1"), ("ses-1", "run-2"), ("ses-2", "run-1"), ("ses-2", "run-2"),
    ]  # fmt: skip
    assert all(c.label is not None and c.label.name.startswith(c.stem) for c in cases)
    assert len({c.name for c in cases}) == 4


def test_dwi_with_a_session_is_found(tmp_path: Path) -> None:
    root = phantom_bids(
        tmp_path / "ds",
        Convention(people=("01",), sessions=("1",), contrasts=("dwi",), datatype="dwi"),
    )
    (case,) = index(root).labelled
    assert (case.contrast, case.session) == ("dwi", "ses-1")


def test_what_is_left_out_is_said_with_the_reason(tmp_path: Path) -> None:
    root = phantom_bids(
        tmp_path / "ds",
        Convention(people=("01", "02"), unlabelled=("02",), contrasts=("T2w", "T1w")),
    )
    label_path(root, "sub-09_T2w_seg-manual.nii.gz", "sub-09/anat")
    found = index(root, DatasetSelection(contrasts=("T2w",)))
    assert found.reasons == {
        "no label": 1,
        "contrast T1w not selected": 2,
        "label without an image": 1,
    }
    assert [c.participant for c in found.unlabelled] == ["sub-02"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (DatasetSelection(participants=("02",)), {"sub-02"}),
        (DatasetSelection(participants=("sub-01",)), {"sub-01"}),
        (DatasetSelection(exclude=("sub-01*",)), {"sub-02"}),
        (DatasetSelection(datatypes=("func",)), set()),
    ],
)
def test_selections_by_person(
    tmp_path: Path, selection: DatasetSelection, expected: set[str]
) -> None:
    root = phantom_bids(tmp_path / "ds", Convention(people=("01", "02")))
    assert {c.participant for c in index(root, selection).cases} == expected


def test_selections_by_session_and_run(tmp_path: Path) -> None:
    root = phantom_bids(
        tmp_path / "ds", Convention(people=("01",), sessions=("1", "2"), runs=("1", "2"))
    )
    (case,) = index(root, DatasetSelection(sessions=("2",), runs=("run-1",))).cases
    assert (case.session, case.run) == ("ses-2", "run-1")


@pytest.mark.parametrize("whose", ["image", "label"])
def test_an_image_or_label_without_content_is_reported_apart(tmp_path: Path, whose: str) -> None:
    image = touch(tmp_path / "sub-01/anat/sub-01_T2w.nii.gz")
    label = label_path(tmp_path, "sub-01_T2w_seg-manual.nii.gz")
    absent = image if whose == "image" else label
    absent.unlink()
    absent.symlink_to("../../.git/annex/objects/xX/MD5E-s9--a.nii.gz/MD5E-s9--a.nii.gz")
    dataset = index(tmp_path)
    assert dataset.cases == ()
    assert [case.image for case in dataset.missing] == [image]
    (reason,) = dataset.reasons
    assert reason.startswith(f"{whose}: the content is not present: run 'git annex get'")


def test_a_contrast_that_is_not_selected_is_not_missing(tmp_path: Path) -> None:
    touch(tmp_path / "sub-01/anat/sub-01_T2w.nii.gz")
    touch(tmp_path / "sub-01/anat/sub-01_T1w.nii.gz").write_bytes(b"")
    assert index(tmp_path, DatasetSelection(contrasts=("T2w",))).missing == ()


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_that_is_not_bids_is_refused(tmp_path: Path, make: bool) -> None:
    root = tmp_path / "nothing"
    if make:
        root.mkdir()
    with pytest.raises(DatasetError, match="nothing"):
        index(root)


@pytest.mark.parametrize(
    ("kept", "left", "reason"),
    [
        (
            "sub-01_T2w.nii",
            "sub-01/anat/sub-01_T2w.nii.gz",
            "the same name as sub-01_T2w.nii in anat",
        ),
        (
            "sub-01_T2w.nii.gz",
            "sub-01/func/sub-01_T2w.nii.gz",
            "the same name as sub-01_T2w.nii.gz in",
        ),
        (
            "sub-01_T2w.nii",
            "sub-02/anat/sub-01_acq-x_T2w.nii",
            "named sub-01 in the folder of sub-02",
        ),
        (
            "sub-01_T2w.nii",
            "sub-01/ses-2/anat/sub-01_ses-1_T2w.nii",
            "named ses-1 in the folder of ses-2",
        ),
    ],
)
def test_an_image_that_another_or_its_folder_contradicts_is_left_out_by_name(
    kept: str, left: str, reason: str, tmp_path: Path
) -> None:
    touch(tmp_path / "sub-01" / "anat" / kept)
    touch(tmp_path / left)
    found = index(tmp_path)
    assert [case.image.name for case in found.cases] == [kept]
    (told,) = (one for one in found.skipped if one.reason != "no label")
    assert told.path == tmp_path / left
    assert told.reason.startswith(reason)


def test_an_image_without_the_session_of_its_folder_is_taken(tmp_path: Path) -> None:
    touch(tmp_path / "sub-01" / "ses-1" / "anat" / "sub-01_T2w.nii.gz")
    assert len(index(tmp_path).cases) == 1


def test_a_label_of_another_person_and_a_second_one_of_a_name_are_told(tmp_path: Path) -> None:
    for who in ("01", "02"):
        touch(tmp_path / f"sub-{who}" / "anat" / f"sub-{who}_T2w.nii.gz")
    label_path(tmp_path, "sub-01_T2w_seg-manual.nii.gz", "sub-02/anat")
    label_path(tmp_path, "sub-02_T2w_seg-manual.nii", "sub-02/anat")
    label_path(tmp_path, "sub-02_T2w_seg-manual.nii.gz", "sub-02/anat")
    found = index(tmp_path)
    assert [case.label and case.label.name for case in found.cases] == [
        None, "sub-02_T2w_seg-manual.nii",
    ]  # fmt: skip
    assert {one.reason for one in found.skipped} == {
        "no label",
        "label named sub-01 in the folder of sub-02",
        "the same name as sub-02_T2w_seg-manual.nii",
    }


def test_a_folder_of_datasets_stands_for_them(tmp_path: Path) -> None:
    for name in ("b", "a"):
        touch(tmp_path / name / "sub-01/anat/sub-01_T2w.nii.gz")
    (tmp_path / "empty").mkdir()
    assert roots(tmp_path) == (tmp_path / "a", tmp_path / "b")
    assert roots(tmp_path / "a") == (tmp_path / "a",)
    with pytest.raises(DatasetError, match="holds no BIDS dataset"):
        roots(tmp_path / "empty")


def test_twenty_thousand_files_are_indexed_within_ten_seconds(tmp_path: Path) -> None:
    """Processor time: the machine may be busy with other things."""
    for person in range(2500):
        for place in ("", "derivatives/labels"):
            folder = tmp_path / place / f"sub-{person:04}" / "anat"
            folder.mkdir(parents=True)
            end = "_seg-manual.nii.gz" if place else ".nii.gz"
            for contrast in ("T1w", "T2w", "T2star", "PDw"):
                with (folder / f"sub-{person:04}_{contrast}{end}").open("wb") as image:
                    image.truncate(1 << 20)
    start = time.process_time()
    found = index(tmp_path)
    assert len(found.labelled) == 10_000
    assert time.process_time() - start < 10


def test_the_published_datasets_are_read_as_they_are() -> None:
    root = shared("data") / "train"
    counts = {p.name: len(index(p).labelled) for p in sorted(root.iterdir())}
    assert counts == {
        "epi": 1, "gmchallenge": 8, "lesion": 2, "montreal": 8,
        "spinegeneric": 3, "template": 1, "tutorial": 2,
    }  # fmt: skip
    assert index(root / "tutorial").reasons == {"no label": 4}
    assert index(root / "montreal").reasons == {"no label": 1}
