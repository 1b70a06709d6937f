"""Areas beside the published ones for people left out of training: what a new person may expect.

For each person of train with published areas: the labels are harmonised without that person's
images and areas, the recipe's network is trained on them from nothing, and its logits are scaled
and shifted as for a release, that is to fit all its labels best (`label_bias.truer`) and then so
that the mean ratio of the other people with published areas is 1. Then the areas of all four
people are divided by the published ones (`published_areas`). The locator is the embedded model's.
Prints a table for each person left out, and one of the people left out. A training that was stopped
goes on when the same command is given again.

    python -m benchmarks.accuracy.published_left_out -o FOLDER [-epochs 60] [-only PERSON ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy import label_bias, published_areas
from benchmarks.support.labelled import labelled
from benchmarks.support.reference_areas import Ratio
from benchmarks.training import harmonise_labels
from benchmarks.training.recipe_experiments import RECIPE
from sct_deepseg_general.datasets import build as datasets
from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.release.assemble import assemble, identity_of
from sct_deepseg_general.training import fit
from sct_deepseg_general.training.fit import Trained

LEFT_OUT = harmonise_labels.PUBLISHED
DATASET = "montreal"
CLOSE = 0.0015
"""How near to 1 the mean ratio of the other people is brought."""
MOST_STEPS = 4


@dataclass(frozen=True, eq=False)
class Run:
    """A training without one person."""

    person: str
    recipe: Recipe
    trained: Trained
    folder: Path

    def model(self, sharpness: float, shift: float) -> str:
        """The model with its logits multiplied and shifted."""
        name = f"model_{sharpness:.3f}_{shift:+.3f}"
        training = replace(self.recipe.training, sharpness=sharpness, shift=shift)
        changed = replace(self.recipe, training=training)
        card = self.folder / "card.md"
        identity = identity_of(changed, "general")
        made = assemble(self.trained, changed, identity, card, self.folder / name)
        return str(made.folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", dest="output", type=Path, required=True, help="folder to work in")
    parser.add_argument("-epochs", type=int, default=60, help="of 100 iterations each")
    parser.add_argument("-only", nargs="+", choices=LEFT_OUT, default=LEFT_OUT)
    options = parser.parse_args()
    found = []
    for person in options.only:
        folder = options.output / person.removeprefix("sub-")
        ratios = measured(trained_without(person, folder, options.epochs))
        print("\n".join(published_areas.table(ratios)), flush=True)
        found += [own for own in ratios if own[0].person == person]
    print("\nEach of its own training:\n")
    print("\n".join(published_areas.table(found)))


def trained_without(person: str, folder: Path, epochs: int) -> Run:
    """Harmonise the labels of the others and train on them."""
    labels = folder / "harmonised"
    if not labels.is_dir():
        harmonise_labels.harmonise(labels, None, without=(person,))
    recipe = recipes.read(RECIPE)
    assigned = {k: v for k, v in recipe.split.assigned.items() if k != f"{DATASET}/{person}"}
    training = replace(recipe.training, epochs=epochs)
    held = replace(recipe, split=replace(recipe.split, assigned=assigned), training=training)
    built = datasets.build(replace(held, locator=None), [labels, labels / "shapes"], folder / "out")
    raw = built.folder / datasets.RAW
    network = fit.fit(built.recipe, raw, folder / "out" / "general").network
    return Run(person, held, Trained(network, None, ("fold_0",), RECIPE.parent), folder)


def measured(run: Run) -> list[list[Ratio]]:
    """The ratios of all people with published areas, after the fit to the others."""
    sharpness, first = fitted(run)
    others = [person for person in LEFT_OUT if person != run.person]

    def off(shift: float) -> float:
        model = run.model(sharpness, shift)
        own = [published_areas.of_model(model, person) for person in others]
        return float(np.mean([np.mean([one.value for one in person]) for person in own])) - 1

    shift = zero(off, first)
    model = run.model(sharpness, shift)
    print(f"\nWithout {run.person}: logits multiplied by {sharpness:.2f}, {shift:+.3f} added.\n")
    return [published_areas.of_model(model, person) for person in published_areas.IMAGES]


def fitted(run: Run) -> tuple[float, float]:
    """By what the logits are best multiplied, and what is best added, on the training images."""
    model = run.model(1.0, 0.0)
    images = [one for one in labelled([run.folder / "harmonised"]) if one.part == "train"]
    agreements = [label_bias.compared(model, one) for one in images]
    return label_bias.truer(*label_bias.added(agreements))


def zero(of: Callable[[float], float], start: float, step: float = -0.1) -> float:
    """Where a nearly linear function is 0, by secants from `start`."""
    places: Sequence[float] = (start, start + step)
    values = [of(place) for place in places]
    for _ in range(MOST_STEPS):
        if abs(values[-1]) < CLOSE:
            break
        slope = (values[-1] - values[-2]) / (places[-1] - places[-2])
        places = (places[-1], round(places[-1] - values[-1] / slope, 3))
        values = [values[-1], of(places[-1])]
    return places[-1]


if __name__ == "__main__":
    main()
