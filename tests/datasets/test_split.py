from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantoms import Convention, phantom_bids, write_json

from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule
from sct_deepseg_general.datasets.split import (
    fold_of,
    imported,
    part_of,
    split_people,
    training_folds,
)
from sct_deepseg_general.errors import DatasetError

PEOPLE = tuple(f"{i:02}" for i in range(1, 13))
RECIPE = Recipe("study", (Dataset("one"),), split=SplitRule(test=0.4, seed=1))


def dataset(root: Path, people: tuple[str, ...] = PEOPLE, **options: object) -> Path:
    return phantom_bids(root, Convention(people=people, shape=(8, 8, 2), **options))


def test_adding_a_person_moves_nobody(tmp_path: Path) -> None:
    """Trap: the split depended on the folder's content."""
    before = split_people(RECIPE, [index(dataset(tmp_path / "one", PEOPLE[3:]))])
    after = split_people(RECIPE, [index(dataset(tmp_path / "one", PEOPLE))])
    assert len(after.parts) == len(before.parts) + 3
    assert before.parts.items() <= after.parts.items()
    assert before.folds.items() <= after.folds.items()
    assert set(after.parts.values()) == {"train", "test"}


@given(st.text(min_size=1), st.integers(0, 99))
def test_a_place_depends_on_name_and_seed_alone(person: str, seed: int) -> None:
    rule = SplitRule(test=0.5, seed=seed)
    assert part_of(person, rule) == part_of(person, rule)
    assert 0 <= fold_of(person, rule) < rule.folds
    assert part_of(person, SplitRule(test=0.0, seed=seed)) == "train"


def test_the_share_and_the_folds_are_met_on_many_people() -> None:
    rule = SplitRule(test=0.2, folds=4)
    people = [f"ds/sub-{i}" for i in range(4000)]
    assert sum(part_of(one, rule) == "test" for one in people) == pytest.approx(800, rel=0.1)
    for fold in range(4):
        assert sum(fold_of(one, rule) == fold for one in people) == pytest.approx(1000, rel=0.1)
    other = SplitRule(test=0.2, folds=4, seed=1)
    assert any(part_of(one, rule) != part_of(one, other) for one in people)


def test_all_sessions_of_a_person_are_on_one_side(tmp_path: Path) -> None:
    root = dataset(tmp_path / "one", sessions=("1", "2"), runs=("1", "2"))
    assert len(index(root).cases) == 4 * len(PEOPLE)
    assert len(split_people(RECIPE, [index(root)]).parts) == len(PEOPLE)


def test_what_is_stored_goes_before_the_hash(tmp_path: Path) -> None:
    found = [index(dataset(tmp_path / "one"))]
    drawn = split_people(RECIPE, found).parts
    person, part = next((p, part) for p, part in drawn.items() if part == "train")
    kept = split_people(RECIPE.with_split({person: "test"}), found).parts
    assert (part, kept[person]) == ("train", "test")
    assert {**drawn, person: "test"} == kept


def test_one_person_under_two_names_goes_to_one_side(tmp_path: Path) -> None:
    recipe = Recipe(
        "study",
        (Dataset("one"), Dataset("two")),
        same_person=(("one/sub-01", "one/sub-02", "two/sub-01"),),
        split=SplitRule(test=0.3),
    )
    found = [index(dataset(tmp_path / name)) for name in ("one", "two")]
    people = split_people(recipe, found).parts
    assert "one/sub-01" in people
    assert not {"one/sub-02", "two/sub-01"} & set(people)


def test_a_person_both_seen_and_unseen_is_an_error(tmp_path: Path) -> None:
    recipe = Recipe(
        "study",
        (Dataset("one"), Dataset("far", role="unseen")),
        same_person=(("one/sub-01", "far/sub-09"),),
    )
    found = [index(dataset(tmp_path / "one")), index(dataset(tmp_path / "far"))]
    with pytest.raises(DatasetError, match="both in a seen and in an unseen"):
        split_people(recipe, found)


def test_names_of_one_person_in_two_parts_are_an_error(tmp_path: Path) -> None:
    recipe = Recipe(
        "study",
        (Dataset("one"),),
        same_person=(("one/sub-01", "one/sub-02"),),
        split=SplitRule(assigned={"one/sub-01": "train", "one/sub-02": "test"}),
    )
    with pytest.raises(DatasetError, match="one person"):
        split_people(recipe, [index(dataset(tmp_path / "one"))])


def test_a_seen_dataset_with_nobody_to_train_on_is_an_error(tmp_path: Path) -> None:
    found = [index(dataset(tmp_path / "one", ("01",)))]
    with pytest.raises(DatasetError, match="nobody to train on"):
        split_people(RECIPE.with_split({"one/sub-01": "test"}), found)


def test_folds_keep_people_together_and_cover_everybody() -> None:
    people = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    folds = {"a": 0, "b": 2, "c": 2}
    splits = training_folds(folds, people, 4)
    assert [one["val"] for one in splits] == [
        ["a1", "a2"],
        ["b1", "c1"],
        ["b1", "c1"],
        ["a1", "a2"],
    ]
    for one in splits:
        assert not {people[c] for c in one["train"]} & {people[c] for c in one["val"]}
        assert sorted(one["train"] + one["val"]) == sorted(people)


def test_a_single_person_validates_on_themselves() -> None:
    assert training_folds({"a": 3}, {"a1": "a"}, 1) == [{"train": ["a1"], "val": ["a1"]}]


JSON_SPLIT = '{"train": ["sub-01"], "val": ["02"], "test": ["sub-03"]}'
YAML_SPLIT = "one:\n  train: [sub-01, sub-02]\n  test:\n    - sub-03\n"
TSV_SPLIT = "participant_id\tsplit\nsub-01\ttrain\nsub-02\tvalidation\nsub-03\ttest\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("s.json", JSON_SPLIT), ("s.yml", YAML_SPLIT), ("s.tsv", TSV_SPLIT)],
)
def test_an_existing_split_is_imported(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert imported(tmp_path / name, ["one"]) == {
        "one/sub-01": "train",
        "one/sub-02": "train",
        "one/sub-03": "test",
    }


def test_a_table_of_several_datasets_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "s.tsv"
    path.write_text("dataset\tparticipant_id\tsplit\none\tsub-01\ttest\ntwo\tsub-01\ttrain\n")
    assert imported(path, ["one", "two"]) == {"one/sub-01": "test", "two/sub-01": "train"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.json", "{", "JSON"),
        ("s.json", '{"train": ["sub-01"], "test": ["sub-01"]}', "two parts"),
        ("s.json", '{"trian": ["sub-01"]}', "no part"),
        ("s.json", '{"train": ["three/sub-01"]}', "which dataset"),
        ("s.json", "{}", "assigns nobody"),
        ("s.yaml", "!!python/object/apply:os.system ['true']", "YAML"),
        ("s.yaml", "- sub-01", "object of lists"),
        ("s.tsv", "who\twhere\na\tb\n", "columns"),
    ],
)
def test_a_file_that_is_no_split_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DatasetError, match=message):
        imported(tmp_path / name, ["one"])


def test_a_bare_name_among_several_datasets_is_refused(tmp_path: Path) -> None:
    path = write_json(tmp_path / "s.json", {"train": ["sub-01"]})
    with pytest.raises(DatasetError, match="which dataset"):
        imported(path, ["one", "two"])
