"""A recipe as commented YAML, for people to read and change."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from sct_deepseg_general.datasets.recipe import Recipe, Training
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.recipes.proposal import Proposal, summary
from sct_deepseg_general.schema import as_json

__all__ = ["recipe_text", "write_proposal"]

_DATASET = {
    "name": "letters, digits and hyphens; the name of its specific model",
    "role": "unseen: its people are tested on only",
    "folder": "below -data, where it is not the name",
    "contrasts": "those that have labels; delete what you do not want",
    "label_suffixes": "best first",
    "derivatives": "the folder of the labels below derivatives/",
    "label": "soft: the labels' fractions are used",
}
_TRAINING = {
    "spacing": "working voxel size in mm, x y z",
    "patch": "voxels of a training patch, x y z",
    "features": "channels of each stage of the network",
    "epochs": "fewer: faster, and less accurate",
    "iterations": "batches in an epoch",
    "minutes": "time limit of each network",
    "batch": "patches in a batch",
    "learning_rate": "a tenth of it for fine-tuning",
    "mix": "how often each change of contrast is made, see docs/training.md",
    "folds": "networks of an ensemble, each validated on another fold",
    "averaging": "smaller voxels are averaged over the working voxel",
}


def recipe_text(proposal: Proposal, heading: tuple[str, ...] = ()) -> str:
    """The recipe of a proposal as YAML, with comments on what was found and what fields mean.

    Parameters
    ----------
    proposal : Proposal
        The recipe, and what its datasets hold.
    heading : tuple of str
        Lines of the comment at the top.

    Returns
    -------
    str
        YAML that `recipe.read` reads as the same recipe.
    """
    recipe = proposal.recipe
    return "\n".join(
        [
            *(f"# {line}".rstrip() for line in heading),
            *_doubts(proposal),
            f"name: {_flow(recipe.name)}",
            f"description: {_flow(recipe.description)}",
            "",
            "datasets:",
            *_datasets(proposal),
            "",
            *_people(recipe),
            "# The network. Fields that are not here have their default (datasets/recipe.py).",
            "training:",
            *_settings(recipe.training, _TRAINING),
            *_locator(recipe),
            "",
        ]
    )


def write_proposal(proposal: Proposal, path: Path, heading: tuple[str, ...] = ()) -> None:
    """Write the recipe of a proposal as commented YAML, whole."""
    with write_whole(path) as temporary:
        temporary.write_text(recipe_text(proposal, heading), encoding="utf-8")


def _doubts(proposal: Proposal) -> Iterator[str]:
    if proposal.doubts:
        yield "#"
        yield "# Look at these doubts before you train:"
        yield from (f"# - {doubt}" for doubt in proposal.doubts)


def _datasets(proposal: Proposal) -> Iterator[str]:
    for dataset, found in zip(proposal.recipe.datasets, proposal.indexes, strict=True):
        yield f"  # {summary(found)}"
        content = {**as_json(dataset)}
        content.setdefault("role", dataset.role)
        comments = _DATASET if dataset is proposal.recipe.datasets[0] else {}
        for number, (name, value) in enumerate(content.items()):
            yield _field("  - " if number == 0 else "    ", name, value, comments)


def _people(recipe: Recipe) -> Iterator[str]:
    if recipe.same_person:
        yield "# People who have several names: they are trained on or tested on as one."
        yield "same_person:"
        yield from (f"  - {_flow(list(group))}" for group in recipe.same_person)
        yield ""
    yield "# Who is trained on and who is tested on; change it as you like."
    yield "split:"
    yield f"  test: {_flow(recipe.split.test)}  # share of people added later who are tested on"
    yield f"  folds: {recipe.split.folds}  # 1: all are trained on, the curves show the same people"
    yield f"  seed: {recipe.split.seed}"
    yield "  assigned:"
    yield from (f"    {_flow(who)}: {part}" for who, part in recipe.split.assigned.items())
    yield ""


def _locator(recipe: Recipe) -> Iterator[str]:
    if recipe.locator is not None:
        yield ""
        yield "# The coarse network that finds the cord in the whole image."
        yield "locator:"
        yield from _settings(recipe.locator, {})


def _settings(training: Training, comments: Mapping[str, str]) -> Iterator[str]:
    content = as_json(training)
    for field in fields(Training):
        if field.name in content:
            yield _field("  ", field.name, content[field.name], comments)


def _field(indent: str, name: str, value: Any, comments: Mapping[str, str]) -> str:
    comment = f"  # {comments[name]}" if name in comments else ""
    return f"{indent}{name}: {_flow(value)}{comment}"


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, float):
        text = repr(value)  # YAML takes 1e-05 for text, and 1.0e-05 for a number
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_flow(key)}: {_flow(one)}' for key, one in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_flow, value))}]"
    return json.dumps(value, ensure_ascii=False)
