"""A study with this package's own networks: how `compare` trains a model and opens it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sct_deepseg_general.datasets.manifest import FILE, read_manifest, trained_on, write_manifest
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.errors import required
from sct_deepseg_general.evaluation.evaluate import Segmenter
from sct_deepseg_general.inference.devices import chosen_device
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.study.stages import ModelLoader, Trainer
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.zoo import resolve

if TYPE_CHECKING:
    from sct_deepseg_general.training.trainer import Epoch

__all__ = [
    "TrainingProgress",
    "check_engine",
    "check_networks",
    "model_loader",
    "segmenter",
    "trainer",
]


class TrainingProgress(Protocol):
    """What receives the progress of a training, as `training.fit.fit` reports it."""

    def epoch(self, network: str, epoch: Epoch, share: float) -> None:
        """An epoch of a network is done; `share` of its training (0 to 1) is."""

    def phase(self, network: str, phase: str, done: int, total: int) -> None:
        """So many steps of a phase before the training are done."""


def trainer(device: str = "auto", progress: TrainingProgress | None = None) -> Trainer:
    """The function with which `compare` trains and assembles a model.

    Parameters
    ----------
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    progress : TrainingProgress, optional
        Receives the progress of the training of each model's networks.

    Raises
    ------
    BackendError
        What training needs is not installed, or there is no such device.
    """
    with required("Training", "train"):
        from sct_deepseg_general.release import assemble
        from sct_deepseg_general.training import fit
    chosen_device(device, "torch")

    def train(recipe: Recipe, raw: Path, output: Path) -> Path:
        model = raw.name.split("_", 1)[1]
        named = _Named(model, progress)
        trained = fit.fit(
            recipe,
            raw.parent,
            output,
            model,
            device,
            named.epoch,
            on_phase=named.phase,
        )
        folder = output / "model"
        folder.mkdir(exist_ok=True)
        entries = read_manifest(raw.parents[1] / FILE)
        write_manifest(trained_on(entries, model), folder / FILE)
        identity = assemble.identity_of(recipe, model)
        own = _own_people(recipe, model)
        assemble.assemble(trained, own, identity, _card(recipe, model, output), folder)
        return folder

    return train


@dataclass(frozen=True)
class _Named:
    """Passes progress on with the model's name before the network's."""

    model: str
    progress: TrainingProgress | None

    def epoch(self, network: str, epoch: Epoch, share: float) -> None:
        if self.progress is not None:
            self.progress.epoch(f"{self.model}, {network}", epoch, share)

    def phase(self, network: str, phase: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress.phase(f"{self.model}, {network}", phase, done, total)


def check_networks(recipe: Recipe, device: str) -> None:
    """Check that the trainers and the device of a recipe's networks exist, before a training.

    Raises
    ------
    BackendError
        They do not, or what training needs is not installed.
    """
    with required("Training", "train"):
        from sct_deepseg_general.training.stock import check_trainers
    check_trainers(recipe, device)


def check_engine(engine: str, device: str) -> None:
    """Check that an engine and a device can be used, before models are trained for them.

    Raises
    ------
    BackendError
        There is no such engine or device, or its libraries are not installed.
    """
    load_predictor(resolve(None), engine, device)


def _own_people(recipe: Recipe, model: str) -> Recipe:
    """The recipe with the people that this model was trained on, and no others."""
    if model == "general":
        return recipe
    assigned = recipe.split.assigned.items()
    own = {who: part for who, part in assigned if who.startswith(f"{model}/")}
    return recipe.with_split(own)


def model_loader(engine: str = "auto", device: str = "auto") -> ModelLoader:
    """Opens a model folder on an engine and a device."""
    return lambda folder: segmenter(Model.load(folder), engine, device)


def segmenter(model: Model, engine: str = "auto", device: str = "auto") -> Segmenter:
    """The whole line with a model: image to segmentation on the image's grid."""
    predictor = load_predictor(model, engine, device)
    return lambda image: segment(image, predictor).segmentation


def _card(recipe: Recipe, model: str, output: Path) -> Path:
    path = output / "card.md"
    path.write_text(
        f"# {recipe.name}: {model}\n\n{recipe.description}\n\nA model of a comparison, for "
        f"research use; `cases.tsv` lists what it was trained on.\n",
        encoding="utf-8",
    )
    return path
