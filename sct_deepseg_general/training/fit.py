"""Training a recipe's model: plan, prepare, train the network and its locator, assemble."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
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
"""Called after each epoch with the network's name, the epoch and the share of training done."""
OnPhase = Callable[[str, str, int, int], None]
"""Called with network, phase ("plan", "prepare" or "epoch"), steps done and their total."""


@dataclass(frozen=True)
class Trained:
    """nnU-Net's results folders (`plans.json`, `dataset.json`, `fold_*`) of a model."""

    network: Path
    locator: Path | None
    folds: tuple[str, ...]
    kept_locator: Path | None = None
    """A model folder whose locator is taken as it is, in place of a trained one."""


def fit(  # noqa: PLR0913, PLR0917  # what, from what, where to, and how
    recipe: Recipe,
    raw: Path,
    output: Path,
    model: str = "general",
    device: str = "auto",
    on_epoch: OnEpoch | None = None,
    start: Start | None = None,
    on_phase: OnPhase | None = None,
) -> Trained:
    """Train a model of a recipe on its nnU-Net raw dataset, from where it was stopped.

    Parameters
    ----------
    recipe : Recipe
        The recipe, with the people's places stored in it.
    raw : Path
        The folder that holds `Dataset101_general` and the like.
    output : Path
        Folder for plans, prepared cases, states and checkpoints.
    model : str
        "general", or the name of a dataset for its specific model.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    on_epoch, on_phase : callable, optional
        Called as the training proceeds, see `OnEpoch` and `OnPhase`.
    start : Start, optional
        A model whose weights the network begins with, made wider where the recipe has more
        channels; a locator of the same settings is taken over.

    Returns
    -------
    Trained
        nnU-Net's results folders of the network and of its locator.

    Raises
    ------
    DatasetError
        There are no cases to train on.
    BackendError
        The device is not available.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.datasets.build import RAW
    >>> from sct_deepseg_general.datasets.recipe import read
    >>> from sct_deepseg_general.training.fit import fit
    >>> recipe = read(Path("nnunet/recipe.json"))  # doctest: +SKIP
    >>> fit(recipe, Path("nnunet") / RAW, Path("trained"))  # doctest: +SKIP
    """
    for folder in (output, *(path for path in output.rglob("*") if path.is_dir())):
        clear_abandoned(folder)
    dataset = recipe.folder_of(model)
    folds = tuple(f"fold_{fold}" for fold in recipe.training.folds)
    network = train_network(
        "network", recipe, recipe.training, raw / dataset, output, device, on_epoch, start, on_phase
    )
    if recipe.locator is None:
        return Trained(network, None, folds)
    if start is not None and start.has_locator(recipe.locator):
        return Trained(network, None, folds, start.model.folder)
    locator = train_network(
        "locator", recipe, recipe.locator, raw / dataset, output, device, on_epoch, None, on_phase
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
    on_phase: OnPhase | None = None,
) -> Path:
    """Train all folds of one network, "network" or "locator"; return nnU-Net's results folder.

    `output/NAME` also gets the curves (`curves.csv`, `curves.png`, of all epochs, those before
    an interruption too) and what nnU-Net prints (`nnunet.log`).
    """
    phase = on_phase or _ignore_phase
    work, on_epoch = output / name, on_epoch or _ignore_progress
    log = work / "nnunet.log"
    if training.trainer != CordTrainer.__name__:
        on_epochs = partial(_report_epochs, work, on_epoch, name)
        return train_stock(training, raw, work, _device(device), on_epochs)
    with nnunet_folders(raw.parent, work):
        phase(name, "plan", 0, 1)
        with _nnunet_output_to(log):
            plans = planned(raw.name, training)
        phase(name, "plan", 1, 1)
        prepare = partial(phase, name, "prepare")
        result = work / "results"
        for fold in training.folds:
            with _nnunet_output_to(log):
                trainer = _trainer(plans, raw, fold, device)
            preparation = _preparation(training, trainer)
            settings = _trainer_settings(recipe, raw, work, (training, preparation, fold), prepare)
            trainer.prepare(settings, start)
            report = partial(_report_epoch, trainer, work, on_epoch, name)
            trainer.learn(report, partial(phase, name, "epoch"))
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


def _ignore_phase(name: str, phase: str, done: int, total: int) -> None:
    """Ignore the progress of what comes before a training."""


@contextmanager
def _nnunet_output_to(log: Path) -> Iterator[None]:
    """Write what nnU-Net prints (its plan, its citation) to the file `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8") as stream,
        redirect_stdout(stream),
        redirect_stderr(stream),
    ):
        yield


def _trainer(plans: dict[str, Any], raw: Path, fold: int, device: str) -> CordTrainer:
    import torch

    dataset = json.loads((raw / "dataset.json").read_text(encoding="utf-8"))
    chosen = torch.device(_device(device))
    content = {**json.loads(json.dumps(plans, default=_plain)), "continue_training": True}
    return CordTrainer(content, "3d_fullres", fold, dataset, chosen)


def _trainer_settings(
    recipe: Recipe,
    raw: Path,
    work: Path,
    how: tuple[Training, Preparation, int],
    progress: Callable[[int, int], None],
) -> TrainerSettings:
    training, preparation, fold = how
    learn, check = _fold_names(raw, fold)
    if not learn:
        raise DatasetError(f"{raw} holds no labelled case to train on.")
    trust = {one.name: one.trust for one in recipe.datasets}
    every = sorted({*learn, *check})
    found = prepared_cases(raw, every, preparation, work / "cases", trust, progress)
    cases = {case.name: case for case in found}
    shapes = recipe.shapes if _general(recipe, training, raw) else ()
    drawn = shape_cases(shapes, raw.parents[1] / SHAPES, preparation)
    return TrainerSettings(training, [cases[n] for n in learn] + drawn, [cases[n] for n in check])


def _preparation(training: Training, trainer: CordTrainer) -> Preparation:
    """How cases are prepared; where the recipe has no spacing, at the one that nnU-Net planned."""
    x, y, z = training.spacing or tuple(map(float, trainer.configuration_manager.spacing[::-1]))
    return Preparation((x, y, z), training.margin, training.whole, training.averaging)


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
