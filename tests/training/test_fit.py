"""Training end to end on phantoms: plan, prepare, train, stop, go on, assemble, predict."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from tubes import RECIPE, write_tubes

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the train extra is not installed")

from sct_deepseg_general.datasets import build as dataset  # noqa: E402
from sct_deepseg_general.datasets.recipe import Recipe  # noqa: E402
from sct_deepseg_general.image.volume import Grid, Volume  # noqa: E402
from sct_deepseg_general.inference.pipeline import segment  # noqa: E402
from sct_deepseg_general.inference.predictor import load_predictor  # noqa: E402
from sct_deepseg_general.release import assemble  # noqa: E402
from sct_deepseg_general.training import fit  # noqa: E402
from sct_deepseg_general.training.trainer import CordTrainer, Epoch  # noqa: E402
from sct_deepseg_general.zoo.model import Model  # noqa: E402  # after the skips

# OpenVINO and training in one process have crashed it: these tests get one of their own
pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe]:
    folder = tmp_path_factory.mktemp("study")
    write_tubes(folder / "data" / "tubes")
    made = dataset.build(RECIPE, [folder / "data"], folder / "out")
    return folder / "out", made.recipe


@pytest.fixture(scope="module")
def on_epoch() -> list[tuple[str, Epoch, float]]:
    return []


@pytest.fixture(scope="module")
def trained(built: tuple[Path, Recipe], on_epoch: list[tuple[str, Epoch, float]]) -> fit.Trained:
    """Trained once, interrupted after the first epoch and started again."""
    output, recipe = built

    def interrupt(name: str, epoch: Epoch, share: float) -> None:
        on_epoch.append((name, epoch, share))
        if len(on_epoch) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit.fit(recipe, output / dataset.RAW, output / "general", "general", "cpu", interrupt)
    return fit.fit(recipe, output / dataset.RAW, output / "general", "general", "cpu", interrupt)


def test_an_interrupted_training_goes_on_and_repeats_no_epoch(
    trained: fit.Trained, on_epoch: list[tuple[str, Epoch, float]]
) -> None:
    seen = [(name, epoch.number) for name, epoch, _ in on_epoch]
    assert seen == [("network", 1), ("network", 2), ("locator", 1), ("locator", 2)]
    assert on_epoch[1][2] == on_epoch[3][2] == 1.0
    assert set(on_epoch[0][1].dice) == {"tubes"}
    curves = (trained.network.parents[2] / "curves.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in curves] == ["epoch", "1", "2"]
    assert all(np.isfinite(epoch.loss) for _, epoch, _ in on_epoch)


def test_an_interruption_changes_no_weight(
    trained: fit.Trained, built: tuple[Path, Recipe], tmp_path: Path
) -> None:
    output, recipe = built
    raw = output / dataset.RAW / recipe.folder_of("general")
    whole = fit.train_network("network", recipe, recipe.training, raw, tmp_path, "cpu")
    one, other = (
        torch.load(folder / "fold_0" / "checkpoint_final.pth", weights_only=True)
        for folder in (trained.network, whole)
    )
    assert one["network_weights"].keys() == other["network_weights"].keys()
    for name, weight in one["network_weights"].items():
        assert torch.equal(weight, other["network_weights"][name]), name


def test_the_results_folder_is_nnunets(trained: fit.Trained) -> None:
    checkpoint = torch.load(trained.network / "fold_0" / "checkpoint_final.pth", weights_only=True)
    assert checkpoint["trainer_name"] == "nnUNetTrainer"
    assert {one.dtype for one in checkpoint["network_weights"].values()} == {torch.float32}
    assert (trained.network / "plans.json").is_file()
    assert (trained.network / "dataset.json").is_file()


def test_each_fold_of_the_same_cases_is_another_network(
    built: tuple[Path, Recipe], tmp_path: Path
) -> None:
    output, recipe = built
    short = dataclasses.replace(recipe.training, folds=(0, 1), epochs=1, iterations=1)
    raw = output / dataset.RAW / recipe.folder_of("general")
    both = fit.train_network("network", recipe, short, raw, tmp_path, "cpu")
    one, other = (
        torch.load(both / fold / "checkpoint_final.pth", weights_only=True)["network_weights"]
        for fold in ("fold_0", "fold_1")
    )
    first = next(iter(one))
    assert float((one[first] - other[first]).abs().mean()) > 0.01


@pytest.mark.parametrize("averaging", [False, True])
def test_the_recipe_says_whether_small_voxels_are_averaged(
    averaging: bool, built: tuple[Path, Recipe], tmp_path: Path
) -> None:
    """In training and, by the model's record, whenever it is used."""
    output, recipe = built
    coarse = dataclasses.replace(
        recipe.training, averaging=averaging, spacing=(2.0, 2.0, 3.0), epochs=1, iterations=1
    )
    recipe = dataclasses.replace(recipe, training=coarse, locator=None)
    raw = output / dataset.RAW
    trained = fit.fit(recipe, raw, tmp_path, "general", "cpu")
    cases = sorted((tmp_path / "network" / "cases").glob("*.npy"))
    edges = [float(((stack[1] > 0.05) & (stack[1] < 0.95)).mean()) for stack in map(np.load, cases)]
    assert (min(edges) > 0.01) == averaging
    identity = assemble.identity_of(recipe, "general")
    model = assemble.assemble(trained, recipe, identity, tmp_path / "none.md", tmp_path / "model")
    assert model.averaging == averaging


def test_a_changed_split_is_taken_up(
    trained: fit.Trained, built: tuple[Path, Recipe], tmp_path: Path
) -> None:
    """nnU-Net's copy of an earlier split does not stop a training with another one."""
    output, recipe = built
    copies = list((output / "general" / "network" / "preprocessed").rglob("splits_final.json"))
    assert copies
    copies[0].write_text("[]")
    again = fit.fit(recipe, output / dataset.RAW, output / "general", "general", "cpu")
    assert again == trained


def test_the_assembled_model_loads_and_predicts(
    trained: fit.Trained, built: tuple[Path, Recipe], tmp_path: Path
) -> None:
    identity = assemble.identity_of(built[1], "general")
    card = tmp_path / "none.md"
    model = assemble.assemble(trained, built[1], identity, card, tmp_path / "model")
    assert Model.load(tmp_path / "model", full=True).key == model.key
    assert model.spacing == (1.5, 1.5, 3.0)
    image = np.random.default_rng(0).normal(size=(30, 30, 10)).astype(np.float32)
    result = segment(
        Volume(image, Grid((30, 30, 10), np.diag([1.0, 1, 3, 1]))), load_predictor(model)
    )
    assert result.segmentation.data.shape == (30, 30, 10)


def test_a_network_learns_a_tube(built: tuple[Path, Recipe], tmp_path: Path) -> None:
    """The loss falls: gradients reach the weights that are kept."""
    output, recipe = built
    longer = dataclasses.replace(recipe.training, epochs=4, iterations=6, learning_rate=0.01)
    losses: list[float] = []
    fit.train_network(
        "network",
        dataclasses.replace(recipe, training=longer),
        longer,
        output / dataset.RAW / recipe.folder_of("general"),
        tmp_path,
        "cpu",
        lambda _, epoch, __: losses.append(epoch.loss),
    )
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_a_recipe_without_spacing_is_trained_as_nnunet_plans_it(
    built: tuple[Path, Recipe], tmp_path: Path
) -> None:
    """The recipe that `dataset` writes is one that `train` accepts."""
    output, recipe = built
    short = dataclasses.replace(recipe.training, spacing=None, patch=None, epochs=1)
    bare = dataclasses.replace(recipe, training=short, locator=None)
    phases: list[tuple[str, int, int]] = []
    trained = fit.fit(
        bare,
        output / dataset.RAW,
        tmp_path,
        "general",
        "cpu",
        on_phase=lambda _, phase, done, total: phases.append((phase, done, total)),
    )
    assert (trained.network / "fold_0" / "checkpoint_final.pth").is_file()
    assert phases[:2] == [("plan", 0, 1), ("plan", 1, 1)]
    assert [one for one in phases if one[0] == "prepare"][-1] == ("prepare", 2, 2)
    assert phases[-1] == ("epoch", 2, 2)


def test_a_share_never_exceeds_the_whole(trained: fit.Trained, on_epoch: list[object]) -> None:
    assert trained.network.is_dir()
    assert on_epoch[-1][2] == 1.0  # type: ignore[index]


def test_the_trainer_is_nnunets() -> None:
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    assert issubclass(CordTrainer, nnUNetTrainer)
