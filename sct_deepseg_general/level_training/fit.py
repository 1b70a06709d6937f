"""Training the disc network: seeded, on one thread, so that the same recipe on the same data and
machine gives the same weights.

Imports torch at once: import this module only where torch is meant to be used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.level_training.centrelines import rounded
from sct_deepseg_general.level_training.crops import Example, example
from sct_deepseg_general.level_training.network import DiscNet
from sct_deepseg_general.level_training.recipe import LevelRecipe
from sct_deepseg_general.level_training.subjects import TrainingSubject, subject_of
from sct_deepseg_general.level_training.table import file_below, read_table
from sct_deepseg_general.levels.course import Curve, course_along, curve_of

__all__ = ["Drawn", "Step", "fit", "subjects_of"]

_DISC, _C2C3, _LEVEL = 3.0, 3.0, 0.3  # weights of the losses; the tips' place has 1
_RARE, _RAREST = 3.0, 5.0  # a row with a disc, and with C2/C3, against one without


@dataclass(frozen=True)
class Step:
    """Iterations so far, mean loss over the last ones, and the loss of the level alone."""

    iteration: int
    loss: float
    level: float


@dataclass(frozen=True, eq=False)
class Drawn:
    """A subject, its image's path in the table, how often it is drawn against others, and its
    cord's centreline.
    """

    image: str
    subject: TrainingSubject
    share: float
    curve: Curve

    @property
    def person(self) -> str:
        """The participant of the image's name."""
        return Path(self.image).name.split("_")[0]


def subjects_of(
    recipe: LevelRecipe,
    folders: Sequence[Path],
    curves: Mapping[str, Curve] | Callable[[Volume], Volume],
) -> tuple[Drawn, ...]:
    """The recipe's images, straightened along their cords.

    The table and its images are looked for below `folders`. `curves` holds the cords' centrelines
    by the images' paths, or finds the cord's mask of an image.

    Raises:
        DatasetError: the table, an image or a centreline is missing, or no image is left to train
            on.
    """
    drawn = []
    for discs in read_table(file_below(recipe.table, folders)):
        source = recipe.source_of(discs.image)
        if source is not None:
            image = nifti.load(file_below(discs.image, folders))
            curve = _curve(discs.image, image, curves)
            subject = subject_of(
                image, course_along(curve), discs.moved(source.up), exact=source.exact
            )
            drawn.append(Drawn(discs.image, subject, source.share, curve))
    if not drawn:
        raise DatasetError("The recipe leaves no image to train on: look at its sources.")
    return tuple(drawn)


def _curve(
    name: str, image: Volume, curves: Mapping[str, Curve] | Callable[[Volume], Volume]
) -> Curve:
    if callable(curves):
        return rounded(curve_of(curves(image)))
    if name not in curves:
        raise DatasetError(
            f"The recipe's centrelines have none of {name}: add it, or take the field "
            "'centrelines' out of the recipe to have the cords found."
        )
    return curves[name]


def fit(
    recipe: LevelRecipe, drawn: Sequence[Drawn], on_step: Callable[[Step], None] | None = None
) -> DiscNet:
    """Train a disc network.

    Parameters
    ----------
    recipe
        Iterations, batch, learning rate, seed, and how examples are changed.
    drawn
        The images, straightened along their cords (`subjects_of`).
    on_step
        Called with the losses at every fiftieth iteration.

    Returns
    -------
    DiscNet
        The network, in evaluation mode. The same recipe and images give the same weights on the
        same machine.

    Examples
    --------
    >>> from sct_deepseg_general.level_training.recipe import LevelRecipe, Source
    >>> recipe = LevelRecipe("mine", "0.1.0", "Mine", "discs.tsv", (Source("*_T2w.nii.gz"),))
    >>> drawn = subjects_of(recipe, [Path("data")], segment)  # doctest: +SKIP
    >>> network = fit(recipe, drawn)  # doctest: +SKIP
    """
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(recipe.seed)
    shares = np.array([one.share for one in drawn])
    network = DiscNet()
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, recipe.iterations, pct_start=0.15
    )
    recent: list[tuple[float, float]] = []
    for iteration in range(1, recipe.iterations + 1):
        chosen = rng.choice(len(drawn), size=recipe.batch, p=shares / shares.sum())
        examples = [example(drawn[n].subject, recipe.mix, rng) for n in chosen]
        loss, level = _loss(network, examples)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        recent.append((float(loss.detach()), float(level.detach())))
        if on_step is not None and iteration % 50 == 0:
            mean = np.mean(recent[-50:], axis=0)
            on_step(Step(iteration, float(mean[0]), float(mean[1])))
    network.eval()
    return network


def _loss(network: DiscNet, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """The loss of a batch, and the part of it that is the level's."""
    answer = network(torch.from_numpy(np.stack([one.image for one in examples])))
    disc, c2c3, level, front, weight = (
        torch.from_numpy(np.stack([getattr(one, name) for one in examples])).float()
        for name in ("disc", "c2c3", "level", "front", "weight")
    )
    numbered = torch.tensor([one.numbered for one in examples])[:, None].float() * weight
    spread = answer[:, 3].clamp(-4, 3)
    off = (answer[:, 2] - level).abs() * 10 * torch.exp(-spread) + spread
    of_level = _mean(off, numbered)
    total = (
        _DISC * _mean(_unlikely(answer[:, 0], disc, _RARE), weight)
        + _C2C3 * _mean(_unlikely(answer[:, 1], c2c3, _RAREST), weight)
        + _LEVEL * of_level
        + _mean((answer[:, 4] - front).abs(), numbered)
    )
    return total, of_level


def _unlikely(log_odds: Tensor, target: Tensor, rare: float) -> Tensor:
    answer: Tensor = nnf.binary_cross_entropy_with_logits(
        log_odds, target, reduction="none", pos_weight=torch.tensor(rare)
    )
    return answer


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    answer: Tensor = (values * weight).sum() / weight.sum().clamp(min=1)
    return answer
