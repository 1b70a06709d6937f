"""Training with one of nnU-Net's own trainers, in a process of its own, on one GPU or several.

nnU-Net reads its three folders from the environment once, when it is first imported, so each
training gets a fresh process: this module, run as a program (`python -m ...training.stock`). The
plan is the same as for this package's own trainer; the cases are preprocessed by nnU-Net.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from math import nan
from pathlib import Path
from typing import Any

from sct_deepseg_general.datasets.recipe import Recipe, Training
from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.inference.devices import chosen_device
from sct_deepseg_general.schema import from_json
from sct_deepseg_general.training.plan import PLANS, PREPROCESSED, nnunet_folders, planned
from sct_deepseg_general.training.trainer import Epoch

__all__ = ["check_trainers", "train_stock"]

_CONFIGURATION = "3d_fullres"
_PLAIN = "nnUNetTrainer"
_LOG_PATTERNS = {
    "epoch": re.compile(r"Epoch (\d+)\s*$"),
    "rate": re.compile(r"Current learning rate: (\S+)"),
    "loss": re.compile(r"train_loss (\S+)"),
    "dice": re.compile(r"Pseudo dice \[\D*(?:32|64)?\(?([\d.]+)"),
    "seconds": re.compile(r"Epoch time: (\S+) s"),
}
"""Lines of nnU-Net's log for one epoch, in this order."""
OnEpoch = Callable[[Sequence[Epoch], float], None]
_FINAL = "checkpoint_final.pth"
_LATEST = ("checkpoint_latest.pth", "checkpoint_best.pth")


def check_trainers(recipe: Recipe, device: str) -> None:
    """Check that the trainers and the device of a recipe's networks exist, before a training.

    Raises
    ------
    BackendError
        nnU-Net has no trainer of a name, or there is no such device or not as many GPUs.
    """
    chosen = chosen_device(device, "torch")
    for field, training in recipe.networks:
        if training.trainer != Training.trainer and not _is_trainer(training.trainer):
            raise BackendError(
                f"nnU-Net has no trainer '{training.trainer}' ({field}.trainer): give "
                f"{Training.trainer}, {_PLAIN}, or another of nnU-Net's."
            )
        if training.gpus > 1 and (chosen == "cpu" or _gpus() < training.gpus):
            raise BackendError(
                f"{field}.gpus is {training.gpus}, but {_gpus()} GPUs were found: give fewer."
            )


def _is_trainer(name: str) -> bool:
    """Whether a file of nnU-Net's trainers defines a class of this name; nothing is imported."""
    spec = find_spec("nnunetv2")
    places = spec.submodule_search_locations or [] if spec else []
    folders = [Path(place) / "training/nnUNetTrainer" for place in places]
    pattern = re.compile(rf"^class {re.escape(name)}\b", re.MULTILINE)
    files = (path for folder in folders for path in folder.rglob("*.py"))
    return any(pattern.search(path.read_text(encoding="utf-8")) for path in files)


def _gpus() -> int:
    import torch

    return int(torch.cuda.device_count())


def train_stock(
    training: Training,
    raw: Path,
    work: Path,
    device: str,
    on_epoch: OnEpoch,
) -> Path:
    """Train all folds of a network with nnU-Net's trainer `training.trainer`.

    Parameters
    ----------
    training : Training
        Settings; nnU-Net's plain trainer on one device runs the recipe's epochs, its others
        (`nnUNetTrainer_250epochs`) as many as their name says.
    raw : Path
        An nnU-Net raw dataset.
    work : Path
        Folder for nnU-Net's files and its log (`nnunet.log`). Finished folds are not trained
        again, an unfinished one is continued from nnU-Net's last checkpoint.
    device : str
        "cpu", "cuda", "cuda:N" or "mps".
    on_epoch : callable
        Called with all epochs so far and the share of the training that is done.

    Returns
    -------
    Path
        nnU-Net's results folder.

    Raises
    ------
    BackendError
        The training failed; the message ends with its last line.
    """
    result = work / "results" / raw.name / f"{training.trainer}__{PLANS}__{_CONFIGURATION}"
    for fold in training.folds:
        if not (result / f"fold_{fold}" / _FINAL).is_file():
            _run(training, raw, work, fold, device, on_epoch)
    return result


def _run(
    training: Training,
    raw: Path,
    work: Path,
    fold: int,
    device: str,
    on_epoch: OnEpoch,
) -> None:
    order = json.dumps([asdict(training), raw.name, fold, device])
    path, last = work / "nnunet.log", ""
    with (
        nnunet_folders(raw.parent, work),
        path.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            [sys.executable, "-m", __name__, order],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "nnUNet_compile": "f", "nnUNet_n_proc_DA": _processes()},
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101  it was asked for
        for line in process.stdout:
            print(line, end="", file=log, flush=True)
            last = line.strip() or last
            if _LOG_PATTERNS["seconds"].search(line):
                epochs = _epochs(path.read_text(encoding="utf-8").splitlines(), training.iterations)
                on_epoch(epochs, min(1.0, epochs[-1].number / training.epochs))
    if process.returncode != 0:
        raise BackendError(f"nnU-Net's training stopped: {last[-300:]} Its full log is {path}.")


def _epochs(lines: Iterable[str], iterations: int) -> list[Epoch]:
    """The epochs in nnU-Net's log; of an epoch that was repeated, the last."""
    epochs: dict[int, Epoch] = {}
    values: dict[str, float] = {}
    for line in lines:
        for name, pattern in _LOG_PATTERNS.items():
            found = pattern.search(line)
            if found:
                values[name] = float(found[1])
        if "seconds" in values:
            number = int(values.get("epoch", 0)) + 1
            dice = {"validation": values["dice"]} if "dice" in values else {}
            loss, rate = values.get("loss", nan), values.get("rate", nan)
            seconds = values["seconds"]
            epochs[number] = Epoch(number, number * iterations, loss, rate, dice, seconds)
            values = {}
    return [epochs[number] for number in sorted(epochs)]


def _processes() -> str:
    return str(max(1, min(12, (os.cpu_count() or 2) - 1)))


def _main(order: str) -> None:
    """In the process of its own: plan, preprocess, train one fold."""
    content, dataset, fold, device = json.loads(order)
    training = from_json(Training, content, "training")
    from nnunetv2.experiment_planning.plan_and_preprocess_api import preprocess_dataset

    planned(dataset, training)
    number = int(dataset[len("Dataset") :].split("_")[0])
    preprocess_dataset(number, PLANS, (_CONFIGURATION,), [int(_processes())])
    if training.gpus == 1 and training.trainer == _PLAIN:
        _train_plain(training, dataset, fold, device)
    else:
        _train_named(training, dataset, fold, device)


def _train_plain(training: Training, dataset: str, fold: int, device: str) -> None:
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    place = Path(os.environ[PREPROCESSED]) / dataset
    plans: dict[str, Any] = json.loads((place / f"{PLANS}.json").read_text(encoding="utf-8"))
    described = json.loads((place / "dataset.json").read_text(encoding="utf-8"))
    plans["continue_training"] = True
    trainer = nnUNetTrainer(plans, _CONFIGURATION, fold, described, torch.device(device))
    trainer.num_epochs = training.epochs
    trainer.num_iterations_per_epoch = training.iterations
    trainer.num_val_iterations_per_epoch = max(1, training.iterations // 5)
    trainer.initial_lr, trainer.weight_decay = training.learning_rate, training.weight_decay
    begun = [path for name in _LATEST if (path := Path(trainer.output_folder) / name).is_file()]
    if begun:
        trainer.load_checkpoint(str(begun[0]))
    trainer.run_training()


def _train_named(training: Training, dataset: str, fold: int, device: str) -> None:
    import torch
    from nnunetv2.run.run_training import run_training

    run_training(
        dataset,
        _CONFIGURATION,
        fold,
        training.trainer,
        PLANS,
        num_gpus=training.gpus,
        continue_training=True,
        device=torch.device(device),
    )


if __name__ == "__main__":
    _main(sys.argv[1])
