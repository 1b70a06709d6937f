"""A training that cannot end well is refused before it begins, and what it needs is estimated."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from phantoms import Convention, phantom_bids

from sct_deepseg_general.datasets.recipe import (
    MIX,
    SPACE,
    Dataset,
    Recipe,
    SplitRule,
    Training,
    checked,
)
from sct_deepseg_general.datasets.sources import index_datasets
from sct_deepseg_general.errors import DatasetError, OutputError
from sct_deepseg_general.recipes import checks
from sct_deepseg_general.recipes.checks import check_disk, check_training
from sct_deepseg_general.recipes.estimate import estimate, seconds_per_iteration

TRAINING = Training(
    spacing=(1.0, 1.0, 3.0),
    patch=(32, 32, 32),
    features=(16, 32, 64, 96),
    epochs=10,
    iterations=100,
)
RECIPE = Recipe("ours", (Dataset("one"),), split=SplitRule(test=0.0), training=TRAINING)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    phantom_bids(tmp_path / "data/one", Convention(people=("01", "02"), shape=(20, 20, 4)))
    return tmp_path / "data"


def test_a_good_recipe_is_estimated_and_nothing_is_written(data: Path, tmp_path: Path) -> None:
    needs = check_training(RECIPE, [data], tmp_path / "out")
    assert needs.images == 2
    assert needs.disk == 2 * 2 * 8 * 20 * 20 * 4
    assert needs.seconds == pytest.approx(10 * 100 * 0.275, rel=0.02)
    assert not (tmp_path / "out").exists()


def test_time_grows_with_what_is_trained() -> None:
    one = seconds_per_iteration(TRAINING)
    assert one == pytest.approx(0.275, rel=0.02)
    assert seconds_per_iteration(replace(TRAINING, patch=(64, 32, 32))) == pytest.approx(2 * one)
    wide = replace(TRAINING, features=(32, 64, 128, 192))
    assert seconds_per_iteration(wide) == pytest.approx(4 * one)
    assert seconds_per_iteration(replace(TRAINING, patch=None)) is None


def test_a_time_limit_and_more_models_count(data: Path) -> None:
    indexes = index_datasets(RECIPE, [data])
    limited = replace(RECIPE, training=replace(TRAINING, minutes=1.0), locator=TRAINING)
    full = estimate(replace(RECIPE, locator=TRAINING), indexes)
    assert full.seconds is not None
    assert estimate(limited, indexes).seconds == pytest.approx(60 + full.seconds / 2)
    assert estimate(RECIPE, indexes, models=3).seconds == pytest.approx(3 * full.seconds / 2)
    planned = replace(RECIPE, training=Training())
    assert estimate(planned, indexes).seconds is None


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("generall", "has no model 'generall': did you mean 'general'"),
        ("xyz", "has no model 'xyz': it has general, one"),
    ],
)
def test_an_unknown_model_is_refused(data: Path, tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        check_training(RECIPE, [data], tmp_path / "out", model)


def test_a_study_needs_somebody_to_test_on(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Nobody is left to test on"):
        check_training(RECIPE, [data], tmp_path / "out", None)


def test_missing_data_a_folder_inside_it_and_a_full_disk_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatasetError, match="is not there"):
        check_training(RECIPE, [tmp_path], tmp_path / "out")
    with pytest.raises(OutputError, match="lies inside the dataset"):
        check_training(RECIPE, [data], data / "one" / "out")
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(OutputError, match="make room"):
        check_training(RECIPE, [data], tmp_path / "out")
    check_disk(tmp_path / "a/b", 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "training.epochs is 0"),
        ({"learning_rate": -1.0}, "training.learning_rate is -1.0"),
        ({"spacing": (1.0, 0.0, 1.0)}, "training.spacing"),
        ({"patch": (4, 32, 32)}, "training.patch"),
        ({"features": (0, 8)}, "training.features"),
        ({"folds": (7,)}, "the folds are 0 to 4"),
        ({"folds": ()}, "training.folds"),
        ({"mix": {"noisy": 0.5}}, "training.mix has no 'noisy'; did you mean 'noise'"),
        ({"space": {"scale": 1.0}}, "training.space has no 'scale'"),
    ],
)
def test_numbers_that_make_no_sense_are_named(changes: dict[str, object], message: str) -> None:
    training = replace(TRAINING, **changes)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=message):
        checked(replace(RECIPE, training=training), "recipe.yaml")


def test_a_locator_needs_its_grid() -> None:
    with pytest.raises(DatasetError, match="locator needs spacing"):
        checked(replace(RECIPE, locator=replace(TRAINING, patch=None)), "recipe.yaml")


def test_the_names_of_mix_and_space_are_those_of_the_augmentation() -> None:
    pytest.importorskip("torch", reason="the torch extra is not installed")
    from sct_deepseg_general.augmentation.contrast import ContrastMix
    from sct_deepseg_general.augmentation.sampling import SpatialRange

    assert set(MIX) == {field.name for field in fields(ContrastMix)}
    assert set(SPACE) == {one.name for one in fields(SpatialRange) if one.type == "float"}
