from __future__ import annotations

from pathlib import Path

import pytest
from phantoms import Convention, phantom_bids

from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.datasets.build import build
from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.cases import (
    cases_of_indexes,
    cases_of_manifest,
    training_data_of,
)


def test_what_a_model_has_seen_is_read_from_its_folder(tmp_path: Path) -> None:
    root = phantom_bids(tmp_path / "ds", Convention(people=("01", "02")))
    rule = SplitRule(assigned={"ds/sub-01": "train", "ds/sub-02": "test"})
    recipe = Recipe("r", (Dataset("ds"),), split=rule, same_person=(("ds/sub-01", "ds/sub-07"),))
    built = build(recipe, [tmp_path], tmp_path / "out")
    seen = training_data_of(tmp_path / "out")
    assert seen.people == {"ds/sub-01", "ds/sub-07"}
    assert seen.images == {one.image_sha256 for one in built.entries if one.part == "train"}
    (case,) = cases_of_manifest(built.entries, {"ds": root})
    assert case == cases_of_indexes([index(root)])[1]
    assert not seen.has(case)
    assert not training_data_of(root).known


def test_datasets_of_one_name_are_refused(tmp_path: Path) -> None:
    """Their people sub-01 would count as one person."""
    roots = [phantom_bids(tmp_path / site / "bids", Convention()) for site in ("a", "b")]
    with pytest.raises(DatasetError, match="Two datasets are named bids"):
        cases_of_indexes([index(root) for root in roots])
