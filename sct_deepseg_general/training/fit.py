"""Training a recipe's model: plan, prepare, train the network and its locator, assemble."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sct_deepseg_general.datasets.recipe import Recipe, Training
from sct_deepseg_general.datasets.shape_labels import FOLDER as SHAPES
from sct_deepseg_general.errors import BackendError, DatasetError
from sct_deepseg_general.files import clear_abandoned
from sct_deepseg_general.training.cases import Preparation, prepared_cases
from sct_deepseg_general.training.curves import write_curves
from sct_deepseg_general.training.plan import nnunet_folders, planned
from sct_deepseg_general.training.shape_cases import shape_cases
from sct_deepseg_general.training.start import Start
from sct_deepseg_general.training.stock import train_stock
from sct_deepseg_general.training.trainer import CordTrainer, Epoch, TrainerSettings

__all__ = ["Trained", "fit", "train_network"]

OnEpoch = Callable[[str, Epoch, float], None]


@dataclass(frozen=True)
class Trained:
    """nnU-Net's results folders (`plans.json`, `dataset.json`, `fold_*`) of a model."""

    network: Path
    locator: Path | None
    folds: tuple[str, ...]
    kept_locator: Path | None = None
    """A model folder whose locator is taken as it is, in place of a trained one."""


def fit(
    recipe: Recipe,
    raw: Path,
    output: Path,
    model: str = "general",
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    start: Start | None = None,
) -> Trained:
    """Train a model of the recipe on its nnU-Net raw dataset; goes on where it was stopped.

    `raw` is the folder that holds `Dataset101_general` and the like, `output` gets plans,
    prepared cases, states and checkpoints. `on_epoch` gets the network's name, each epoch's
    figures and the share done. With `start` the network begins with the weights of that model, made
    wider where the recipe has more channels, and a locator of the same settings is taken over.

    Raises:
        DatasetError: there are no cases to train on.
        BackendError: the device is not there.
    """
    for folder in (output, *(path for path in output.rglob("*") if path.is_dir())):
        clear_abandoned(folder)
    dataset = recipe.folder_of(model)
    folds = tuple(f"fold_{fold}" for fold in recipe.training.folds)
    network = train_network(
        "network", recipe, recipe.training, raw / dataset, output, device, on_epoch, start
    )
    if recipe.locator is None:
        return Trained(network, None, folds)
    if start is not None and start.has_locator(recipe.locator):
        return Trained(network, None, folds, start.model.folder)
    locator = train_network(
        "locator", recipe, recipe.locator, raw / dataset, output, device, on_epoch
    )
    return Trained(network, locator, folds)


def train_network(  # noqa: PLR0913, PLR0917  # what, from what, where to, and how
    name: str,
    recipe: Recipe,
    training: Training,
    raw: Path,
    output: Path,
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    start: Start | None = None,
) -> Path:
    """All folds of one network ("network" or "locator"); gives nnU-Net's results folder.

    `output/NAME` also gets the curves (`curves.csv`, `curves.png`, of all epochs, those before
    an interruption too) and what nnU-Net has to say (`nnunet.log`).
    """
    work, on_epoch = output / name, on_epoch or _ignore_progress
    log = work / "nnunet.log"
    if training.trainer != CordTrainer.__name__:
        on_epochs = partial(_report_epochs, work, on_epoch, name)
        return train_stock(training, raw, work, _device(device), on_epochs)
    with nnunet_folders(raw.parent, work):
        with _nnunet_output_to(log):
            plans = planned(raw.name, training)
        result = work / "results"
        for fold in training.folds:
            with _nnunet_output_to(log):
                trainer = _trainer(plans, raw, fold, device)
            trainer.prepare(_trainer_settings(recipe, training, raw, work, fold), start)
            trainer.learn(partial(_report_epoch, trainer, work, on_epoch, name))
            result = Path(trainer.output_folder_base)
    return result


def _report_epoch(
    trainer: CordTrainer, work: Path, on_epoch: OnEpoch, name: str, epoch: Epoch, share: float
) -> None:
    write_curves(trainer.curves, work)
    on_epoch(name, epoch, share)


def _report_epochs(
    work: Path, on_epoch: OnEpoch, name: str, epochs: Sequence[Epoch], share: float
) -> None:
    write_curves(epochs, work)
    on_epoch(name, epochs[-1], share)


def _ignore_progress(name: str, epoch: Epoch, share: float) -> None:
    """Ignore the progress of a training."""


@contextmanager
def _nnunet_output_to(log: Path) -> Iterator[None]:
    """Write what nnU-Net prints (its plan, its citation) to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream, redirect_stdout(stream):
        yield


def _trainer(plans: dict[str, Any], raw: Path, fold: int, device: str) -> CordTrainer:
    import torch

    dataset = json.loads((raw / "dataset.json").read_text(encoding="utf-8"))
    chosen = torch.device(_device(device))
    content = {**json.loads(json.dumps(plans, default=_plain)), "continue_training": True}
    return CordTrainer(content, "3d_fullres", fold, dataset, chosen)


def _trainer_settings(
    recipe: Recipe, training: Training, raw: Path, work: Path, fold: int
) -> TrainerSettings:
    learn, check = _fold_names(raw, fold)
    trust = {one.name: one.trust for one in recipe.datasets}
    spacing = training.spacing
    if spacing is None:
        raise DatasetError("The recipe's training has no spacing: give one, such as [1, 1, 1].")
    preparation = Preparation(spacing, training.margin, training.whole, training.averaging)
    every = sorted({*learn, *check})
    cases = {
        case.name: case for case in prepared_cases(raw, every, preparation, work / "cases", trust)
    }
    if not learn:
        raise DatasetError(f"{raw} holds no labelled case to train on.")
    shapes = recipe.shapes if _general(recipe, training, raw) else ()
    drawn = shape_cases(shapes, raw.parents[1] / SHAPES, preparation)
    return TrainerSettings(training, [cases[n] for n in learn] + drawn, [cases[n] for n in check])


def _general(recipe: Recipe, training: Training, raw: Path) -> bool:
    """Whether this is the network (not the locator) of the general model."""
    return training is not recipe.locator and raw.name == recipe.folder_of("general")


def _fold_names(raw: Path, fold: int) -> tuple[list[str], list[str]]:
    """Names of training and validation cases; all are both where there is no such fold."""
    names = sorted(
        path.name.removesuffix(".nii.gz") for path in (raw / "labelsTr").glob("*.nii.gz")
    )
    path = raw / "splits_final.json"
    splits = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if fold < 0 or fold >= len(splits):
        return names, names
    return list(splits[fold]["train"]), list(splits[fold]["val"])


def _device(device: str) -> str:
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BackendError("No CUDA device was found: use -device cpu, or check the driver.")
    return device


def _plain(value: Any) -> Any:
    """A numpy number or array as JSON has it."""
    return value.tolist()
