"""The outputs of a batch have names of their own, as BIDS or SCT has them."""

from __future__ import annotations

import pytest
from batches import people, phantom_dataset

from sct_deepseg_general.batch.naming import describe, places
from sct_deepseg_general.batch.worklist import from_bids
from sct_deepseg_general.errors import DatasetError


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
