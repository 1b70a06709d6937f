"""The mean of the weights of models that one training led to, as a model.

Weights from one path of training, or from trainings that began with the same weights, can be
averaged (Izmailov et al., UAI 2018; Wortsman et al., ICML 2022). The logits are taken as they were
trained, without the recipes' `sharpness` and `shift`; those given here are applied to the mean and
stand in its recipe. All other files are those of the last model.

    python -m benchmarks.training.average_models -m sc-general trained/general/model
        -sharpness 1.77 -shift -0.15 -o FOLDER
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.inference.nnunet import build_network
from sct_deepseg_general.release.export import export_ir, save_weights, sharpened
from sct_deepseg_general.training.start import Start
from sct_deepseg_general.zoo.archive import seal
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.zoo import resolve


def averaged(models: Sequence[Model], sharpness: float, shift: float, folder: Path) -> Model:
    """The mean of the models' networks in `folder`, which must not exist.

    Raises
    ------
    ModelError
        A model has several folds or no recipe, or the networks differ in their layers.
    """
    for model in models:
        if len(model.folds) != 1:
            raise ModelError(f"{model.key} has {len(model.folds)} folds: give models of one.")
    networks = [_as_trained(model) for model in models]
    mean = networks[-1]
    with torch.no_grad():
        for same in zip(*(network.parameters() for network in networks), strict=True):
            same[-1].copy_(torch.stack([one.detach() for one in same]).mean(0))
    shutil.copytree(models[-1].folder, folder)
    mean = sharpened(mean, sharpness, shift)
    save_weights(mean, folder / models[-1].folds[0], half=True)
    export_ir(mean, folder, "network")
    recipe = recipes.read(folder / "recipe.json")
    training = replace(recipe.training, sharpness=sharpness, shift=shift)
    recipes.write(replace(recipe, training=training), folder / "recipe.json")
    return seal(folder, json.loads((folder / "model.json").read_text(encoding="utf-8")))


def _as_trained(model: Model) -> torch.nn.Module:
    network = build_network(model.path("plans.json"), model.path("dataset.json"))
    Start(model).fill(network)
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-m", dest="models", nargs="+", required=True, help="names or folders")
    parser.add_argument("-sharpness", type=float, default=1.0, help="factor of the logits")
    parser.add_argument("-shift", type=float, default=0.0, help="then added to the logits")
    parser.add_argument("-o", dest="folder", type=Path, required=True, help="the new model folder")
    given = parser.parse_args()
    models = [resolve(name, offline=True) for name in given.models]
    print(averaged(models, given.sharpness, given.shift, given.folder).folder)


if __name__ == "__main__":
    main()
