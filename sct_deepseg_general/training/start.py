"""A trained model to go on from: its weights, in a network as wide as the recipe asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.recipe import Training
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.inference.nnunet import load_network
from sct_deepseg_general.training.plan import strides
from sct_deepseg_general.training.widen import widened
from sct_deepseg_general.zoo.model import Model

__all__ = ["Start"]


@dataclass(frozen=True, eq=False)
class Start:
    """A model of this package that a training begins with."""

    model: Model

    def fill(self, network: torch.nn.Module, seed: int = 0) -> None:
        """Give a network the model's weights, those of its first fold.

        A model's logits are sharpened when it is assembled; here they are as trained.

        Raises
        ------
        ModelError
            The network has another topology, or fewer channels.
        """
        trained = load_network(
            self.model.path("plans.json"),
            self.model.path("dataset.json"),
            self.model.path(self.model.folds[0]),
        )
        last = trained.decoder.seg_layers[-1]
        with torch.no_grad():
            last.bias[1:] -= self._recipe.training.shift
            for weight in last.parameters():
                weight.div_(self._recipe.training.sharpness)
        widened(trained, network, seed)

    def check(self, settings: Training) -> None:
        """Check that a network with these settings can begin with the model's weights.

        Raises
        ------
        ModelError
            The model has no recipe, or the settings give another voxel size, a patch with other
            stages, another number of stages or fewer channels.
        """
        own = self._recipe.training
        if own.spacing != settings.spacing:
            raise ModelError(
                f"Training cannot start from {self.model.key}: its recipe has spacing "
                f"{own.spacing}, this one has {settings.spacing}; make them alike "
                "('recipe init -from' does)."
            )
        if strides(own) != strides(settings):
            raise ModelError(
                f"Training cannot start from {self.model.key}: nnU-Net plans other stages for a "
                f"patch of {settings.patch} voxels than for its patch of {own.patch}; give a patch "
                "whose sides can be halved as often."
            )
        fewer = any(a > b for a, b in zip(own.features, settings.features, strict=False))
        if len(own.features) != len(settings.features) or fewer:
            raise ModelError(
                f"Training cannot start from {self.model.key}: its network has the channels "
                f"{list(own.features)}, this recipe {list(settings.features)}; give at least those."
            )

    def has_locator(self, settings: Training) -> bool:
        """Whether the model's locator was trained with these settings, but for how long."""
        own = self._recipe.locator
        return own is not None and _settings(own) == _settings(settings)

    @property
    def _recipe(self) -> recipes.Recipe:
        path = self.model.folder / "recipe.json"
        if not path.is_file():
            raise ModelError(f"{self.model.key} has no recipe.json: training cannot start from it.")
        return recipes.read(path)


def _settings(training: Training) -> Training:
    return replace(training, epochs=0, iterations=0, minutes=None, whole=())
