"""An endless, seeded sequence of training patches, drawn in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from sct_deepseg_general.augmentation.contrast import ContrastMix, known, normalised, randomised
from sct_deepseg_general.augmentation.sampling import SpatialRange, TrainingCase, draw_patch
from sct_deepseg_general.inference.openvino import drop_signal_stack

__all__ = ["PatchDataset", "batches"]

UNCHANGED = SpatialRange(rotation=0, scale=(1.0, 1.0), bend=0, shift=4, anywhere=0, flip=(0, 0, 0))
"""For validation: patches as they are, on the cord."""


@dataclass(frozen=True, eq=False)
class PatchDataset(IterableDataset):  # type: ignore[misc]  # torch's types are not read
    """Patches (image, target, number of the case); `mix` None leaves the contrast as it is.

    The n-th patch depends on `seed` and n alone: a training that is continued from patch `start`
    gets the patches that it would have had, with any number of processes. `batch` is the number of
    consecutive patches that one process draws; `empty` states that there is no cord outside the
    field of view (`contrast.known`).
    """

    cases: Sequence[TrainingCase]
    patch: tuple[int, int, int]
    spacing: tuple[float, float, float]
    seed: tuple[int, ...]
    space: SpatialRange
    mix: ContrastMix | None
    start: int = 0
    batch: int = 1
    empty: bool = False

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, int]]:
        trust = np.array([case.trust for case in self.cases])
        for number in self._numbers():
            rng = np.random.default_rng((*self.seed, number))
            chosen = int(rng.choice(len(self.cases), p=trust / trust.sum()))
            yield (*self._drawn(self.cases[chosen], rng), chosen)

    def _numbers(self) -> Iterator[int]:
        """Those of the patches that this process draws; batches go round the processes."""
        worker = torch.utils.data.get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        if worker is not None:
            torch.set_num_threads(1)
        for batch in count(first, step):
            begin = self.start + batch * self.batch
            yield from range(begin, begin + self.batch)

    def _drawn(self, case: TrainingCase, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        patch = draw_patch(case, self.patch, self.spacing, self.space, rng)
        if case.shapes_only:
            patch = replace(patch, surroundings=self._surroundings(rng))
        if self.mix is None:
            image = normalised(patch.image, patch.inside, None)
            return image[None], known(patch.target, patch.inside, self.empty)[None]
        image, target = randomised(patch, self.spacing, self.mix, rng, self.empty)
        return image[None], target[None]

    def _surroundings(self, rng: np.random.Generator) -> Tensor:
        """A patch of a real image, of several the one that shows least cord."""
        real = [case for case in self.cases if not case.shapes_only]
        anywhere = replace(self.space, anywhere=1.0)
        drawn = [
            draw_patch(real[rng.integers(len(real))], self.patch, self.spacing, anywhere, rng)
            for _ in range(3)
        ]
        return min(drawn, key=lambda patch: float(patch.target.sum())).image


def batches(stream: PatchDataset, workers: int) -> Iterator[Any]:
    """Batches (images, targets, case numbers); `workers` 0 draws them in this process."""
    drop_signal_stack()
    if workers == 0:
        return iter(DataLoader(stream, batch_size=stream.batch))
    # a forked worker would hang where this process has used its threads before
    loader = DataLoader(
        stream,
        batch_size=stream.batch,
        num_workers=workers,
        prefetch_factor=4,
        multiprocessing_context="spawn",
    )
    return iter(loader)
