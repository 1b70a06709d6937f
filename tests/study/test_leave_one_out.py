"""Leaving one dataset out: who is trained on what, what is compared, and the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toy_study
from measurements import row

from sct_deepseg_general.datasets.recipe import Dataset, Recipe
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.evaluation.tables import read_csv
from sct_deepseg_general.files import sha256
from sct_deepseg_general.study import compare
from sct_deepseg_general.study.leave_one_out import (
    check,
    leave_one_out,
    leave_one_out_report,
    round_of,
)
from sct_deepseg_general.study.leave_one_out_results import LeaveOneOutResults, results_of
from sct_deepseg_general.study.stages import Study

RECIPE = replace(toy_study.RECIPE, datasets=tuple(Dataset(n) for n in toy_study.CONVENTIONS))
SETS = ("bright", "dark", "far")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_study.make_data(tmp_path_factory.mktemp("toy") / "data")


def run(data: Path, folder: Path, trained: list[str]) -> LeaveOneOutResults:
    def train(recipe: Recipe, raw: Path, output: Path) -> Path:
        trained.append(f"{raw.name.split('_')[1]} of {'+'.join(one.name for one in recipe.seen)}")
        return toy_study.train(recipe, raw, output)

    return leave_one_out(Study(RECIPE, (data,), folder), train, toy_study.load_model)


@pytest.fixture(scope="module")
def study(data: Path) -> tuple[Path, LeaveOneOutResults, list[str]]:
    trained: list[str] = []
    folder = data.parent / "study"
    return folder, run(data, folder, trained), trained


def test_each_general_model_lacks_one_dataset_and_each_specific_one_is_trained_once(study) -> None:
    _, _, trained = study
    general = [one for one in trained if one.startswith("general")]
    assert general == ["general of dark+far", "general of bright+far", "general of bright+dark"]
    assert sorted(one.split()[0] for one in trained if one not in general) == list(SETS)


def test_every_image_is_tested_by_the_general_model_and_all_specific_ones_but_its_own(
    study,
) -> None:
    folder, found, _ = study
    rows = read_csv(folder / "evaluation.csv")
    pairs = {(row.model, row.test_set) for row in rows}
    assert pairs == {(m, s) for m in ("general", *SETS) for s in SETS if m != s}
    images = {"bright": 4, "dark": 4, "far": 6}
    for name in SETS:
        here = [row for row in rows if row.test_set == name]
        assert len(here) == 3 * images[name]
        assert np.isnan(found.dice(name, name))
    assert {one.effect.images for one in found.effects if one.other == "far"} == {8}
    assert {one.effect.people for one in found.effects if one.other == "bright"} == {7}


def test_the_same_command_again_trains_nothing_and_gives_the_same_files(study, data: Path) -> None:
    folder, found, _ = study
    names = ("evaluation.csv", "effects.csv", "recipe.json", "report.html")
    before = [sha256(folder / name) for name in names]
    again: list[str] = []
    assert run(data, folder, again).sentence == found.sentence
    assert again == []
    assert [sha256(folder / name) for name in names] == before
    assert leave_one_out_report(folder).sentence == found.sentence


def test_the_page_has_the_verdict_and_a_point_for_every_image(study) -> None:
    folder, found, _ = study
    text = (folder / "report.html").read_text()
    assert found.sentence in text.replace("&#x27;", "'")
    assert text.count("<svg") == 2
    for one in found.effects:
        assert f"{one.effect.people}</td><td>{one.effect.images}</td>" in text


def test_the_verdict_names_the_closest_model_and_counts_those_that_are_beaten() -> None:
    rows = made({"general": 0.9, "a": 0.8, "b": 0.85, "c": 0.89})
    found = results_of(Recipe("r", tuple(Dataset(n) for n in "abc")), rows)
    assert "higher Dice than 3 of 3 specific models" in found.sentence
    assert "the closest is c, by +0.010 (+0.010 to +0.010)" in found.sentence
    assert "best of all on 3 of 3 datasets" in found.sentence
    failed = results_of(found.recipe, made({"general": 0.2, "a": 0.1, "b": 0.1, "c": 0.1}))
    assert failed.sentence.startswith("There is no verdict")


def made(dice: dict[str, float]) -> list[Measurement]:
    """Eight people with one image in each of three datasets, and the Dice of each model."""
    return [
        row(model, f"{name}/sub-{n}", name, name=f"{name}-{n}", dice=value)
        for name in "abc"
        for model, value in dice.items()
        if model != name
        for n in range(8)
    ]


def test_a_dataset_that_is_not_there_or_alone_cannot_be_left_out() -> None:
    with pytest.raises(DatasetError, match="needs it"):
        round_of(RECIPE, "other")
    with pytest.raises(DatasetError, match="another dataset"):
        round_of(Recipe("one", (Dataset("a"),)), "a")


def test_a_recipe_without_people_to_test_on_can_leave_datasets_out(data: Path) -> None:
    recipe = replace(RECIPE, split=replace(RECIPE.split, test=0.0, assigned={}))
    study = Study(recipe, (data,), data.parent / "unborn")
    with pytest.raises(DatasetError, match="Nobody is left to test on"):
        compare.check(study)
    needs = check(study)
    assert needs.images == 14
    assert not study.folder.exists()


def test_a_dataset_without_labels_is_refused_before_the_first_round(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty" / "sub-01").mkdir(parents=True)
    recipe = replace(RECIPE, datasets=(*RECIPE.datasets, Dataset("empty")))
    with pytest.raises(DatasetError, match="empty"):
        check(Study(recipe, (data, tmp_path), tmp_path / "study"))
