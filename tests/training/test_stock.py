"""Training with nnU-Net's own trainer: the real one, on the CPU, a tiny network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("nnunetv2")

from tubes import RECIPE, write_tubes

from sct_deepseg_general.datasets import build as dataset
from sct_deepseg_general.datasets.recipe import Recipe, Training, checked
from sct_deepseg_general.errors import BackendError, DatasetError
from sct_deepseg_general.release import assemble
from sct_deepseg_general.training import fit
from sct_deepseg_general.training.stock import _epochs, check_trainers
from sct_deepseg_general.training.trainer import Epoch
from sct_deepseg_general.zoo.model import Model

pytestmark = pytest.mark.training  # a process of its own, as all training

STOCK = dataclasses.replace(RECIPE.training, trainer="nnUNetTrainer", spacing=None, patch=None)
LOG = """\
2026-11-22 10:00:00: Epoch 0
2026-11-22 10:00:00: Current learning rate: 0.01
2026-11-22 10:00:09: train_loss -0.25
2026-11-22 10:00:09: val_loss -0.5
2026-11-22 10:00:09: Pseudo dice [np.float32(0.8125)]
2026-11-22 10:00:09: Epoch time: 9.5 s
2026-11-22 10:00:10: Epoch 1
2026-11-22 10:00:11: Epoch 1
2026-11-22 10:00:19: Pseudo dice [0.5]
2026-11-22 10:00:19: Epoch time: 8 s
"""


def test_nnunets_log_gives_the_curves_and_a_repeated_epoch_counts_once() -> None:
    first, second = _epochs(LOG.splitlines(), 50)
    assert first == Epoch(1, 50, -0.25, 0.01, {"validation": 0.8125}, 9.5)
    assert (second.number, second.iterations, second.seconds) == (2, 100, 8.0)
    assert second.dice == {"validation": 0.5}


@pytest.mark.slow
def test_nnunets_trainer_makes_a_model_and_a_second_run_trains_nothing(tmp_path: Path) -> None:
    write_tubes(tmp_path / "data" / "tubes")
    recipe = dataclasses.replace(RECIPE, training=STOCK, locator=None)
    built = dataset.build(recipe, [tmp_path / "data"], tmp_path / "out")
    on_epoch: list[tuple[int, float]] = []

    def train() -> fit.Trained:
        raw, work = tmp_path / "out" / dataset.RAW, tmp_path / "out" / "general"
        on_epoch = lambda _, epoch, share: on_epoch.append((epoch.number, share))  # noqa: E731
        return fit.fit(built.recipe, raw, work, "general", "cpu", on_epoch)

    trained = train()
    assert on_epoch == [(1, 0.5), (2, 1.0)]
    assert (tmp_path / "out/general/network/curves.csv").read_text().count("\n") == 3
    identity = assemble.identity_of(built.recipe, "general")
    folder = tmp_path / "model"
    model = assemble.assemble(trained, built.recipe, identity, tmp_path / "none.md", folder)
    assert Model.load(folder, full=True).key == model.key
    assert model.spacing == (1.0, 1.0, 3.0)  # planned by nnU-Net
    assert train() == trained
    assert len(on_epoch) == 2


@pytest.mark.slow
def test_a_trainer_that_nnunet_does_not_know_is_one_sentence(tmp_path: Path) -> None:
    write_tubes(tmp_path / "data" / "tubes")
    unknown = dataclasses.replace(STOCK, trainer="nnUNetTrainerNobodyWrote")
    recipe = dataclasses.replace(RECIPE, training=unknown, locator=None)
    built = dataset.build(recipe, [tmp_path / "data"], tmp_path / "out")
    with pytest.raises(BackendError, match="All it values is in"):
        fit.fit(built.recipe, tmp_path / "out" / dataset.RAW, tmp_path / "work", "general", "cpu")


@pytest.mark.parametrize(
    ("training", "word"),
    [
        (Training(trainer="os.system"), "one of nnU-Net's"),
        (Training(gpus=2), "takes 1"),
        (Training(trainer="nnUNetTrainer", gpus=0), "at least 1"),
    ],
)
def test_a_recipe_with_a_trainer_nobody_has_is_refused(training: Training, word: str) -> None:
    recipe: Recipe = dataclasses.replace(RECIPE, training=training)
    with pytest.raises(DatasetError, match=word):
        checked(recipe, "recipe.json")


def test_a_trainer_that_nnunet_does_not_have_is_refused_at_once() -> None:
    plain = Recipe("ours", (), training=Training(trainer="nnUNetTrainer_250epochs"))
    check_trainers(plain, "cpu")
    check_trainers(dataclasses.replace(plain, training=Training()), "cpu")
    unknown = dataclasses.replace(plain, training=Training(trainer="nnUNetTrainerOfMine"))
    with pytest.raises(BackendError, match="no trainer 'nnUNetTrainerOfMine'"):
        check_trainers(unknown, "cpu")
    many = dataclasses.replace(plain, training=Training(trainer="nnUNetTrainer", gpus=2))
    with pytest.raises(BackendError, match="gpus is 2, but"):
        check_trainers(many, "cpu")
