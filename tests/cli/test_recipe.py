"""`recipe init` and `recipe check` at the command line, and what `train` refuses at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from phantoms import Convention, phantom_bids

from sct_deepseg_general.cli import recipe as recipe_command
from sct_deepseg_general.cli import train as train_command
from sct_deepseg_general.cli._click import run
from sct_deepseg_general.datasets.recipe import read

Ended = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str]) -> Ended:
    def call(name: str, *words: object) -> tuple[int, str, str]:
        module = {"recipe": recipe_command, "train": train_command}[name]
        with pytest.raises(SystemExit) as end:
            run(module.command, name, [str(word) for word in words])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    small = {"people": ("01", "02", "03", "04"), "shape": (12, 12, 3)}
    phantom_bids(tmp_path / "a", Convention(**small))
    phantom_bids(tmp_path / "b", Convention(**small, contrasts=("T1w",)))
    return tmp_path


def test_init_writes_what_check_accepts(ended: Ended, folder: Path) -> None:
    path = folder / "recipe.yaml"
    code, out, _ = ended(
        "recipe", "init", "-bids", folder / "a", "-unseen", folder / "b", "-o", path
    )
    assert code == 0
    assert "a (seen): 4 of 4 images are labelled, 4 people: T2w 4" in out
    assert f"train -recipe {path} -o trained/" in out
    assert "-data" not in out
    assert [one.role for one in read(path).datasets] == ["seen", "unseen"]
    code, again, _ = ended("recipe", "check", "-recipe", path)
    assert code == 0
    assert again.splitlines() == out.splitlines()[:-2]
    assert "estimate: 8 labelled images; training needs about" in again


def test_a_recipe_beside_no_dataset_names_the_folder(ended: Ended, folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    path = folder / "elsewhere/recipe.yaml"
    _, out, _ = ended("recipe", "init", "-bids", folder / "a", "-o", path)
    assert f"-data {folder}" in out
    code, _, err = ended("recipe", "check", "-recipe", path)
    assert code == 1
    assert "Say with -data" in err
    assert ended("recipe", "check", "-recipe", path, "-data", folder)[0] == 0


def test_init_overwrites_only_when_told(ended: Ended, folder: Path) -> None:
    path = folder / "recipe.yaml"
    words = ("recipe", "init", "-bids", folder / "a", "-o", path)
    assert ended(*words)[0] == 0
    assert ended(*words)[0] == 1
    assert ended(*words, "-overwrite", "-minutes", 2)[0] == 0
    recipe = read(path)
    assert recipe.training.minutes == 2
    assert recipe.locator is not None
    assert recipe.locator.minutes == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "recipe.json"), "must end in .yaml"),
        (("-template", "fine-tune"), "needs -from"),
        (("-from", "no-such-model"), "There is no model 'no-such-model'"),
    ],
)
def test_init_says_what_is_wrong(
    ended: Ended, folder: Path, words: tuple[str, str], message: str
) -> None:
    code, _, err = ended("recipe", "init", "-bids", folder / "a", *words)
    assert code != 0
    assert message in err


def test_check_names_the_line_of_a_broken_file(ended: Ended, folder: Path) -> None:
    path = folder / "recipe.yaml"
    path.write_text("name: [ours\ndatasets: []\n")
    code, _, err = ended("recipe", "check", "-recipe", path)
    assert code == 1
    assert "cannot be read as YAML" in err
    assert "line 2" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-model", "montreall"), "has no model 'montreall'"),
        (("-data", "nowhere"), "is not there"),
        (("-name", "ours"), "has no version"),
        (("-name", "sc-general@9.0"), "model of the package's index"),
    ],
)
def test_train_refuses_at_once_and_writes_nothing(
    ended: Ended, folder: Path, words: tuple[str, str], message: str
) -> None:
    path = folder / "recipe.yaml"
    ended("recipe", "init", "-bids", folder / "a", "-o", path)
    code, _, err = ended("train", "-recipe", path, "-o", folder / "out", *words)
    assert code == 1
    assert message in err
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-from", "no-such-model"), "There is no model 'no-such-model'"),
        (("-device", "gpu"), "There is no device 'gpu'"),
    ],
)
def test_train_checks_model_and_device_before_it_converts(
    ended: Ended, folder: Path, words: tuple[str, str], message: str
) -> None:
    pytest.importorskip("nnunetv2", reason="the train extra is not installed")
    path = folder / "recipe.yaml"
    ended("recipe", "init", "-bids", folder / "a", "-o", path)
    code, _, err = ended("train", "-recipe", path, "-o", folder / "out", *words)
    assert code == 1
    assert message in err
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("setting", "other", "message"),
    [
        ("patch: [32, 32, 32]", "patch: [64, 64, 32]", "nnU-Net plans other stages for a patch"),
        ("spacing: [1.0, 1.0, 2.0]", "spacing: [1.0, 1.0, 1.0]", "its recipe has spacing"),
    ],
)
def test_fine_tuning_needs_a_network_of_the_same_kind(
    ended: Ended, folder: Path, setting: str, other: str, message: str
) -> None:
    pytest.importorskip("nnunetv2", reason="the train extra is not installed")
    path = folder / "recipe.yaml"
    ended("recipe", "init", "-bids", folder / "a", "-from", "sc-general", "-o", path)
    recipe = path.read_text()
    assert setting in recipe
    path.write_text(recipe.replace(setting, other, 1))
    code, _, err = ended("train", "-recipe", path, "-from", "sc-general", "-o", folder / "out")
    assert code == 1
    assert message in err
    assert not (folder / "out").exists()
