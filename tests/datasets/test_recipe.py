from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from phantoms import Convention, phantom_bids, write_json

from sct_deepseg_general.datasets.recipe import (
    Dataset,
    Recipe,
    SplitRule,
    Training,
    read,
    write,
)
from sct_deepseg_general.datasets.sources import index_datasets
from sct_deepseg_general.errors import DatasetError

RECIPE = Recipe(
    "study",
    (Dataset("one", contrasts=("T2w",), trust=0.5), Dataset("far", role="unseen")),
    same_person=(("one/sub-01", "one/sub-02"),),
    split=SplitRule(test=0.3, assigned={"one/sub-01": "train"}),
    training=Training(spacing=(0.8, 0.8, 0.8), minutes=12, mix={"bias": 0.4}),
)


def content(**changes: object) -> dict[str, object]:
    return {"name": "study", "datasets": [{"name": "one"}], **changes}


def test_a_recipe_survives_the_file(tmp_path: Path) -> None:
    write(RECIPE, tmp_path / "recipe.json")
    assert read(tmp_path / "recipe.json") == RECIPE


def test_a_recipe_names_no_place(tmp_path: Path) -> None:
    """The same recipe finds the same cases wherever the datasets lie."""
    indexes = []
    for place in ("here", "there/deep"):
        phantom_bids(tmp_path / place / "one")
        phantom_bids(tmp_path / place / "far")
        indexes.append(index_datasets(RECIPE, [tmp_path / "nowhere", tmp_path / place]))
    names = [[[c.name for c in one.cases] for one in index] for index in indexes]
    assert names[0] == names[1]


def test_a_dataset_in_two_folders_is_one(tmp_path: Path) -> None:
    phantom_bids(tmp_path / "train/one", Convention(people=("01", "02")))
    phantom_bids(tmp_path / "dev/one", Convention(people=("09",)))
    recipe = Recipe("r", (Dataset("one", folder="train/one", also=("dev/one",)),))
    (one,) = index_datasets(recipe, [tmp_path])
    assert [case.name for case in one.labelled] == [f"one_sub-{i}_T2w" for i in ("01", "02", "09")]
    assert one.root == tmp_path
    assert one.cases[2].image.relative_to(one.root).parts[:2] == ("dev", "one")
    phantom_bids(tmp_path / "dev/one", Convention(people=("01",)))
    with pytest.raises(DatasetError, match="in two folders"):
        index_datasets(recipe, [tmp_path])


def test_a_dataset_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'one' is not there.*-data"):
        index_datasets(RECIPE, [tmp_path])


def test_models_are_the_general_one_and_one_for_each_seen_dataset() -> None:
    assert RECIPE.models == ("general", "one")
    assert RECIPE.folder_of("one") == "Dataset102_one"


def test_one_person_under_two_names_is_one() -> None:
    assert RECIPE.person("one", "sub-02") == RECIPE.person("one", "sub-01") == "one/sub-01"
    assert RECIPE.person("one", "sub-03") == "one/sub-03"


def test_a_stored_split_is_sorted() -> None:
    stored = RECIPE.with_split({"one/sub-09": "test", "one/sub-03": "train"})
    assert list(stored.split.assigned) == ["one/sub-03", "one/sub-09"]
    assert replace(stored, split=RECIPE.split) == RECIPE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": [{"name": "one"}, {"name": "one"}]}, "named twice"),
        ({"datasets": [{"name": "a b"}]}, "cannot name a dataset"),
        ({"datasets": [{"name": "general"}]}, "cannot name a dataset"),
        ({"datasets": [{"name": "one", "role": "unseen"}]}, "nothing to train on"),
        (
            {"datasets": [{"name": "one"}, {"name": "two", "folder": "one", "role": "unseen"}]},
            "both seen and unseen",
        ),
        ({"datasets": [{"name": "one", "folder": "../one"}]}, "without '..'"),
        ({"datasets": [{"name": "one", "trust": -1}]}, "trust must be"),
        ({"datasets": [{"name": "one", "labels": "hard"}]}, "did you mean 'label'"),
        ({"split": {"test": 1.0}}, "below 1"),
        ({"split": {"folds": 0}}, "at least 1"),
        ({"split": {"assigned": {"one/sub-01": "val"}}}, "'train' or 'test'"),
        ({"split": {"assigned": {"two/sub-01": "test"}}}, "no person of this recipe"),
        ({"same_person": [["one/01", "one/sub-02"]]}, "no person of this recipe"),
        ({"same_person": [["one/sub-1", "one/sub-2"], ["one/sub-2"]]}, "stands twice"),
        ({"format": 2}, "format must be 1"),
        ({"locator": {"averaging": True}}, "locator.averaging is true"),
        (
            {"training": {"averaging": True, "trainer": "nnUNetTrainer"}},
            "training.averaging is true",
        ),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    path = write_json(tmp_path / "recipe.json", content(**changes))
    with pytest.raises(DatasetError, match=message):
        read(path)


@pytest.mark.parametrize("text", ["", "[", "[]", '{"name": NaN}'])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"recipe\.json"):
        read(path)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.json"):
        read(tmp_path / "none.json")
