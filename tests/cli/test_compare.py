"""The command `compare`: what it refuses before work begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from phantoms import Convention, phantom_bids

from sct_deepseg_general.cli.compare import command
from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule, write
from sct_deepseg_general.errors import DatasetError


def call(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.parametrize("words", [(), ("-data", "d")])
def test_a_study_needs_a_recipe(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = call("-o", tmp_path / "study", "-notebook", 0, *words)
    assert ended.exit_code == 2
    assert "Give -recipe" in ended.output
    assert not (tmp_path / "study").exists()


def test_nobody_to_test_on_is_said_before_a_model_is_trained(tmp_path: Path) -> None:
    phantom_bids(tmp_path / "one", Convention(people=("01", "02"), shape=(12, 12, 3)))
    recipe = Recipe("r", (Dataset("one"),), split=SplitRule(test=0.0))
    write(recipe, tmp_path / "recipe.json")
    with pytest.raises(DatasetError, match="Nobody is left to test on"):
        call("-recipe", tmp_path / "recipe.json", "-o", tmp_path / "study", "-notebook", 0)
    assert not (tmp_path / "study").exists()
