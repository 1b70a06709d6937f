"""Settings of the networks for a recipe: from nothing, specific to a contrast, or fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.recipes.proposal import RecipeSettings

__all__ = ["TEMPLATES", "Template", "settings_of"]

Template = Literal["general", "specific", "fine-tune"]
TEMPLATES: Mapping[Template, str] = {
    "general": "a new model for any contrast: randomised contrast, as the embedded model has it",
    "specific": "a new model for the contrasts of these images alone: contrast hardly changed",
    "fine-tune": "another model's weights, trained further on these images at a tenth of the rate",
}
"""What each template is for."""
_OWN_CONTRAST = {
    "synthetic": 0.0, "eccentric": 0.0, "network": 0.1, "remap": 0.3, "invert": 0.0,
}  # fmt: skip
_SHORTER, _SLOWER = 5, 10


def settings_of(template: Template, model: Recipe) -> RecipeSettings:
    """The networks' settings of a template, derived from the recipe of a model.

    Parameters
    ----------
    template : {"general", "specific", "fine-tune"}
        What the new model is for, see `TEMPLATES`.
    model : Recipe
        The recipe of the model whose network and locator are copied; to be fine-tuned, its own.

    Returns
    -------
    RecipeSettings
        Those of the model; "specific" leaves most changes of contrast out, "fine-tune" has a
        fifth of the epochs and a tenth of the learning rate.
    """
    training = replace(model.training, whole=())
    locator = model.locator and replace(model.locator, whole=())
    if template == "specific":
        training = replace(training, mix={**training.mix, **_OWN_CONTRAST})
    if template == "fine-tune":
        epochs = max(1, training.epochs // _SHORTER)
        rate = training.learning_rate / _SLOWER
        training = replace(training, epochs=epochs, learning_rate=rate)
    return RecipeSettings(training, locator)
