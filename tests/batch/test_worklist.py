"""The images of a batch: filters, lists, SCT's YAML lists, names."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path

import pytest
from batches import people, phantom_dataset

from sct_deepseg_general.batch.naming import places
from sct_deepseg_general.batch.worklist import Filters, from_bids, from_list, read_list, read_yaml
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.errors import DatasetError

NAMES = (
    "sub-01_ses-1_T2w",
    "sub-01_ses-2_T2w",
    "sub-01_ses-2_T1w",
    "sub-02_ses-1_T2w",
    "sub-02_ses-1_acq-MTon_MTS",
    "sub-10_ses-1_T2w",
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return phantom_dataset(tmp_path / "data", dict.fromkeys(NAMES, "ok"))


def stems(dataset: Path, **filters) -> set[str]:
    return {item.stem for item in from_bids(dataset, Filters(**filters)).items}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, set(NAMES)),
        ({"participants": ("01",)}, set(NAMES[:3])),
        ({"participants": ("sub-02", "10")}, set(NAMES[3:])),
        ({"sessions": ("2",)}, set(NAMES[1:3])),
        ({"contrasts": ("T1w", "MTon")}, {NAMES[2], NAMES[4]}),
        ({"include": ("sub-01",)}, set(NAMES[:3])),
        ({"include": ("sub-01/ses-2", "sub-10")}, {NAMES[1], NAMES[2], NAMES[5]}),
        ({"include": ("ses-2",)}, set(NAMES[1:3])),
        ({"include": ("sub-0*_T2w",)}, {NAMES[0], NAMES[1], NAMES[3]}),
        ({"include": ("sub-01_ses-1_T2w.nii.gz",)}, {NAMES[0]}),
        ({"exclude": ("sub-01_ses-1_T2w_seg.nii.gz", "sub-02")}, {NAMES[1], NAMES[2], NAMES[5]}),
        ({"include": ("sub-01",), "exclude": ("ses-1",)}, set(NAMES[1:3])),
    ],
)
def test_filters(dataset, filters, expected):
    assert stems(dataset, **filters) == expected


def test_a_subject_is_not_meant_by_the_beginning_of_its_name(dataset):
    assert stems(dataset, include=("sub-1", "sub-10")) == {NAMES[5]}


def test_nothing_left_is_said_with_the_reasons(dataset):
    with pytest.raises(DatasetError, match="6 participant not selected"):
        from_bids(dataset, Filters(participants=("99",)))
    with pytest.raises(DatasetError, match="6 excluded"):
        from_bids(dataset, Filters(exclude=("*",)))


def test_yaml_lists_as_sct_writes_them(tmp_path):
    path = tmp_path / "list.yml"
    path.write_text("FILES_SEG:\n- sub-01_T2w.nii.gz\n- sub-02\nFILES_REG:\n- sub-02\n")
    assert read_yaml(path) == ("sub-01_T2w.nii.gz", "sub-02")
    path.write_text("- sub-01\n- sub-02/ses-1\n")
    assert read_yaml(path) == ("sub-01", "sub-02/ses-1")


@pytest.mark.parametrize(
    "text",
    ["sub-01", "- 1\n", "a: 1\n", "- [a]\n", "a: [", "- !!python/object/apply:os.getpid []\n"],
)
def test_other_yaml_is_refused_and_runs_nothing(tmp_path, text):
    path = tmp_path / "list.yml"
    path.write_text(text)
    with pytest.raises(DatasetError):
        read_yaml(path)


def test_a_list_is_laid_out_as_its_images_are(tmp_path):
    for name in ("a/t2/t2.nii.gz", "b/t2/t2.nii.gz"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("ok")
    listed = tmp_path / "list.txt"
    listed.write_text("# two people\na/t2/t2.nii.gz\n\nb/t2/t2.nii.gz\na/t2/../t2/t2.nii.gz\n")
    worklist = from_list(read_list(listed))
    assert [item.key for item in worklist.items] == ["a/t2/t2.nii.gz", "b/t2/t2.nii.gz"]
    found = places(worklist.items, tmp_path / "out", "sct")
    assert found["a/t2/t2.nii.gz"].segmentation == tmp_path / "out/a/t2/t2_seg.nii.gz"
    with pytest.raises(DatasetError, match="no BIDS name"):
        places(worklist.items, tmp_path / "out", "bids")
    with pytest.raises(DatasetError, match="-root"):
        from_list([tmp_path / "a/t2/t2.nii.gz"], root=tmp_path / "b")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_and_a_yaml_list_of_other_programs_are_read(encoding, tmp_path):
    dataset = phantom_dataset(tmp_path / "data", {"sub-Zoë_T2w": "ok", "sub-02_T2w": "ok"})
    written = unicodedata.normalize("NFD", "sub-Zoë")
    quoted, plain = '"sub-02/anat/sub-02_T2w.nii.gz"', f"{written}/anat/{written}_T2w.nii.gz"
    lines = f"# from a spreadsheet\r\n{quoted}\r\n{plain}\r\n"
    listed, yaml = dataset / "list.txt", dataset / "list.yml"
    listed.write_bytes(lines.encode(encoding))
    yaml.write_bytes(f"- {written}\r\n".encode(encoding))
    items = from_list(read_list(listed)).items
    assert [item.key for item in items] == [
        "sub-02/anat/sub-02_T2w.nii.gz",
        "sub-Zoë/anat/sub-Zoë_T2w.nii.gz",
    ]
    assert all(item.image.exists() for item in items)
    (item,) = from_bids(dataset, Filters().with_lists(yaml, None)).items
    assert item.participant == "sub-Zoë"
    (item,) = from_bids(dataset, Filters(participants=(written,))).items
    assert item.participant == "sub-Zoë"


def test_a_list_of_windows_is_read(tmp_path):
    dataset = phantom_dataset(tmp_path / "data", people(1))
    (dataset / "list.txt").write_text("sub-01\\anat\\sub-01_T2w.nii.gz\r\n")
    assert from_list(read_list(dataset / "list.txt")).items[0].image.exists()


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_several_names_in_a_line_are_refused(separator, tmp_path):
    listed = tmp_path / "list.csv"
    listed.write_text(f"a_T2w.nii.gz{separator}b_T2w.nii.gz\n")
    with pytest.raises(DatasetError, match="several names in a line"):
        read_list(listed)


def test_masks_in_a_list_are_left_out_and_listed(tmp_path):
    for name in ("t2.nii.gz", "t2_seg.nii.gz", "t1_seg.nii.gz"):
        (tmp_path / name).write_text("ok")
    worklist = from_list(sorted(tmp_path.glob("*.nii.gz")))
    assert [item.key for item in worklist.items] == ["t1_seg.nii.gz", "t2.nii.gz"]
    assert [one.key for one in worklist.left_out] == ["t2_seg.nii.gz"]
    assert worklist.left_out[0].reason == "it is named as a mask of t2.nii.gz"
    with pytest.raises(DatasetError, match="1 it is named as a mask"):
        from_list([tmp_path / "t2_seg.nii.gz"])


def test_people_and_sessions_that_are_not_here_are_left_out_and_listed(tmp_path):
    dataset = phantom_dataset(tmp_path / "data", {"sub-01_ses-1_T2w": "ok"})
    (dataset / "sub-01/ses-2").mkdir()
    (dataset / "sub-02").mkdir()
    (dataset / "sub-03").symlink_to("elsewhere")
    worklist = from_bids(dataset)
    assert [(one.key, one.missing) for one in worklist.left_out] == [
        ("sub-01/ses-2", True), ("sub-02", True), ("sub-03", True),
    ]  # fmt: skip
    assert "datalad get" in worklist.left_out[0].reason
    assert "elsewhere, which does not exist" in worklist.left_out[2].reason
    assert from_bids(dataset, Filters(participants=("01",), sessions=("1",))).left_out == ()


def test_shards_share_the_people_out(tmp_path):
    worklist = from_bids(phantom_dataset(tmp_path / "data", people(30)))
    parts = [worklist.part(Shard(index, 4)).items for index in range(1, 5)]
    assert sorted(item.key for part in parts for item in part) == [
        item.key for item in worklist.items
    ]
    more = from_bids(phantom_dataset(tmp_path / "data", {"sub-99_T2w": "ok"}))
    assert set(parts[0]) <= set(more.part(Shard(1, 4)).items)


@pytest.mark.slow
def test_twenty_thousand_files_are_indexed_in_ten_seconds(tmp_path):
    for person in range(5000):
        folder = tmp_path / "data" / f"sub-{person:05}" / "anat"
        folder.mkdir(parents=True)
        for contrast in ("T1w", "T2w", "T2star", "PD"):
            with (folder / f"sub-{person:05}_{contrast}.nii.gz").open("wb") as image:
                image.truncate(1 << 20)
    start = time.process_time()
    worklist = from_bids(tmp_path / "data")
    places(worklist.items, tmp_path / "out", "bids")
    assert len(worklist.items) == 20000
    assert time.process_time() - start < 10
