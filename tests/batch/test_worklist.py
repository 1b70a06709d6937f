"""The images of a batch: filters, lists, SCT's YAML lists, names."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from batches import people, phantom_dataset

from sct_deepseg_general.batch.naming import describe, places
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


def test_bids_names_keep_the_contrast_and_never_meet(tmp_path):
    names = ["T1w", "T2w", "acq-MTon_MTS", "acq-MToff_MTS", "desc-preproc_T2w", "run-1_T2w"]
    dataset = phantom_dataset(tmp_path / "data", {f"sub-01_{name}": "ok" for name in names})
    found = places(from_bids(dataset).items, tmp_path, "bids")
    masks = {outputs.segmentation.name for outputs in found.values()}
    assert masks == {
        "sub-01_label-SC_desc-T1w_mask.nii.gz",
        "sub-01_label-SC_desc-T2w_mask.nii.gz",
        "sub-01_acq-MTon_label-SC_desc-MTS_mask.nii.gz",
        "sub-01_acq-MToff_label-SC_desc-MTS_mask.nii.gz",
        "sub-01_label-SC_desc-preprocT2w_mask.nii.gz",
        "sub-01_run-1_label-SC_desc-T2w_mask.nii.gz",
    }


def test_a_clash_of_bids_names_is_refused(tmp_path):
    names = {"sub-01_desc-a_T2w": "ok", "sub-01_label-a_T2w": "ok"}
    dataset = phantom_dataset(tmp_path / "data", names)
    with pytest.raises(DatasetError, match="both be written"):
        places(from_bids(dataset).items, tmp_path, "bids")


def test_the_description_is_written_once(tmp_path):
    worklist = from_bids(phantom_dataset(tmp_path / "data", people(1)))
    describe(tmp_path / "out", worklist, "bids")
    path = tmp_path / "out" / "dataset_description.json"
    assert '"GeneratedBy"' in path.read_text()
    path.write_text("mine")
    describe(tmp_path / "out", worklist, "bids")
    assert path.read_text() == "mine"


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
