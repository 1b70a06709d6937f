"""A study with this package's own networks: how `compare` trains a model and opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sct_deepseg_general.datasets.manifest import FILE, read_manifest, trained_on, write_manifest
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.evaluation.evaluate import Segmenter
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.study.compare import ModelLoader, Trainer
from sct_deepseg_general.zoo.model import Model

if TYPE_CHECKING:
    from sct_deepseg_general.training.trainer import Epoch

__all__ = ["model_loader", "segmenter", "trainer"]

TrainingProgress = Callable[[str, str, float], None]


def trainer(
    device: str = "auto", tell: TrainingProgress = lambda model, network, share: None
) -> Trainer:
    """Trains and assembles a model; `tell` gets model, network and the share done.

    Raises:
        BackendError: what training needs is not installed.
    """
    try:
        from sct_deepseg_general.release import assemble
        from sct_deepseg_general.training import fit
    except ImportError as error:
        raise BackendError(
            f"Training needs {error.name}: pip install 'sct-deepseg-general[train]'."
        ) from error

    def train(recipe: Recipe, raw: Path, output: Path) -> Path:
        model = raw.name.split("_", 1)[1]

        def heard(network: str, epoch: Epoch, share: float) -> None:
            tell(model, network, share)

        trained = fit.fit(recipe, raw.parent, output, model, device, heard)
        folder = output / "model"
        folder.mkdir(exist_ok=True)
        entries = read_manifest(raw.parents[1] / FILE)
        write_manifest(trained_on(entries, model), folder / FILE)
        identity = assemble.identity_of(recipe, model)
        own = _own_people(recipe, model)
        assemble.assemble(trained, own, identity, _card(recipe, model, output), folder)
        return folder

    return train


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
