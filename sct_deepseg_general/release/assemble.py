"""A trained network and its locator, put together as a model folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sct_deepseg_general.datasets.manifest import FILE
from sct_deepseg_general.datasets.recipe import Recipe, Training, write
from sct_deepseg_general.inference.nnunet import build_network, fill
from sct_deepseg_general.release.checkpoint import read_checkpoint
from sct_deepseg_general.release.export import ensemble, export_ir, save_weights, sharpened
from sct_deepseg_general.training.fit import Trained
from sct_deepseg_general.zoo.archive import seal
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.plans import Plans, read_plans

__all__ = ["Identity", "assemble", "identity_of"]

FINAL = "checkpoint_final.pth"


@dataclass(frozen=True)
class Identity:
    """The name, licence and description of a model."""

    id: str
    version: str
    title: str
    description: str
    contrasts: tuple[str, ...]
    licence: str
    citation: str
    date: str
    replaces: str | None = None
    margin: float = 18.0
    threshold: float = 0.5


def identity_of(recipe: Recipe, model: str) -> Identity:
    """The name and description of a model of a recipe before it is released under a version."""
    name = recipe.name if model == "general" else f"{recipe.name}-{model}"
    return Identity(
        id=name.lower(),
        version="0",
        title=f"{recipe.name}: {model}",
        description=recipe.description,
        contrasts=tuple(sorted({c for one in recipe.seen for c in one.contrasts})) or ("any",),
        licence="MIT",
        citation=f"{recipe.name}, trained with sct_deepseg_sc_general",
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    )


def assemble(
    trained: Trained,
    recipe: Recipe,
    identity: Identity,
    card: Path,
    folder: Path,
    manifest: Path | None = None,
) -> Model:
    """Make the model folder of a trained recipe: weights, networks, plans, recipe, card, record.

    Parameters
    ----------
    trained : Trained
        Where the trained network and the locator lie.
    recipe : Recipe
        The recipe that they were trained with.
    identity : Identity
        Name, version, title and licence of the model.
    card : Path
        The model's card; a title stands in for it where there is none.
    folder : Path
        The model folder. Files of an earlier assembly are replaced.
    manifest : Path, optional
        The table of the dataset's cases, by which an evaluation knows the training images.

    Returns
    -------
    Model
        The model in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    truer = (recipe.training.sharpness, recipe.training.shift)
    folds = _export(trained.network, trained.folds, folder, "network", truer)
    shutil.copyfile(trained.network / "plans.json", folder / "plans.json")
    shutil.copyfile(trained.network / "dataset.json", folder / "dataset.json")
    if trained.locator is not None:
        _export(trained.locator, ("fold_0",), folder, "locator")
        (folder / "fold_0_locator.safetensors").rename(folder / "locator.safetensors")
    elif trained.kept_locator is not None:
        for name in ("locator.xml", "locator.bin", "locator.safetensors"):
            shutil.copyfile(trained.kept_locator / name, folder / name)
    write(recipe, folder / "recipe.json")
    if manifest is not None:
        shutil.copyfile(manifest, folder / FILE)
    if card != folder / "card.md":
        text = card.read_text(encoding="utf-8") if card.is_file() else f"# {identity.title}\n"
        (folder / "card.md").write_text(text, encoding="utf-8")
    return seal(folder, _record(recipe, identity, folds, read_plans(folder / "plans.json")))


def _export(
    results: Path,
    folds: tuple[str, ...],
    folder: Path,
    name: str,
    truer: tuple[float, float] = (1.0, 0.0),
) -> tuple[str, ...]:
    """The folds' networks, their logits scaled and shifted by `truer`, and their mean as IR."""
    networks, names = [], []
    for fold in folds:
        network = build_network(results / "plans.json", results / "dataset.json")
        weights = read_checkpoint(results / fold / FINAL).weights
        networks.append(sharpened(fill(network, weights, str(results / fold)), *truer))
        names.append(f"{fold}.safetensors" if name == "network" else f"{fold}_{name}.safetensors")
        save_weights(networks[-1], folder / names[-1], half=True)
    export_ir(ensemble(networks), folder, name)
    return tuple(names)


def _record(recipe: Recipe, identity: Identity, folds: tuple[str, ...], plans: Plans) -> Any:
    return {
        "format": 1,
        "id": identity.id,
        "version": identity.version,
        "title": identity.title,
        "description": identity.description,
        "contrasts": list(identity.contrasts),
        "orientation": "LPI",
        "spacing": list(plans.spacing[::-1]),
        "patch": list(plans.patch[::-1]),
        "normalisation": "zscore",
        "averaging": recipe.training.averaging,
        "labels": {"background": 0, "sc": 1},
        "threshold": identity.threshold,
        "margin": identity.margin,
        "locator": _locator(recipe.locator),
        "folds": list(folds),
        "intervals": None,
        "licence": identity.licence,
        "citation": identity.citation,
        "date": identity.date,
        "replaces": identity.replaces,
    }


def _locator(training: Training | None) -> dict[str, Any] | None:
    if training is None or training.spacing is None or training.patch is None:
        return None
    return {"spacing": list(training.spacing), "patch": list(training.patch), "threshold": 0.5}
