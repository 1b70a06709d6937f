"""nnU-Net's trainer with randomised contrast, fractional targets and averaged weights.

The network, its plan and its checkpoint are nnU-Net's, so that nnU-Net's predictor and SCT
run what this trains. What differs: patches come from `loader`, the loss takes fractions, the
optimiser is AdamW with a cosine schedule, and an exponential average of the weights is stored.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import Tensor

from sct_deepseg_general.augmentation.contrast import ContrastMix
from sct_deepseg_general.augmentation.sampling import SpatialRange, TrainingCase
from sct_deepseg_general.datasets.recipe import Training
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.training.loader import UNCHANGED, PatchDataset, batches
from sct_deepseg_general.training.loss import dice, soft_loss
from sct_deepseg_general.training.start import Start

__all__ = ["CordTrainer", "Epoch", "TrainerSettings"]

LARGEST_AVERAGE = 0.998


@dataclass(frozen=True, eq=False)
class TrainerSettings:
    """What a trainer is given: settings, cases to train on, and cases to validate on."""

    training: Training
    cases: Sequence[TrainingCase]
    validation: Sequence[TrainingCase]
    workers: int = 1


@dataclass(frozen=True)
class Epoch:
    """One line of the training curves; `dice` by dataset on unchanged patches."""

    number: int
    iterations: int
    loss: float
    rate: float
    dice: dict[str, float]
    seconds: float


class CordTrainer(nnUNetTrainer):  # type: ignore[misc]  # nnU-Net's types are not read
    """Train with `learn`; `curves` holds what was logged. Resumes from `state.pt`."""

    settings: TrainerSettings
    average: torch.nn.Module

    def prepare(self, settings: TrainerSettings, start: Start | None = None) -> None:
        """Build the network, with the weights of `start` if given, and pick up the state that an
        interrupted run left, if any.
        """
        self.settings = settings
        torch.manual_seed(self._seed(0)[0])
        self.num_input_channels = 1
        self.network = self.build_network_architecture(
            self.plans_manager, self.configuration_manager, 1, 2, True
        ).to(self.device)
        if start is not None:
            start.fill(self.network, int(self.fold))
        self.average = copy.deepcopy(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            settings.training.learning_rate,
            weight_decay=settings.training.weight_decay,
        )
        self.curves: list[Epoch] = []
        self.spent = 0.0
        self.was_initialized = True
        self._resume()

    def learn(
        self,
        on_epoch: Callable[[Epoch, float], None],
        on_iteration: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Train all remaining epochs.

        `on_epoch` is called with each epoch and the share of the training that is done,
        `on_iteration` with the number of iterations of the epoch that are done and their total.
        """
        training = self.settings.training
        stream = self._patches()
        while self.share < 1:
            began = time.monotonic()
            losses = []
            for number in range(training.iterations):
                losses.append(self._iteration(stream, number))
                on_iteration(number + 1, training.iterations)
            dice = self._dice()
            seconds = time.monotonic() - began
            self.spent += seconds
            self.current_epoch += 1
            done = self.current_epoch * training.iterations
            rate = float(self.optimizer.param_groups[0]["lr"])
            epoch = Epoch(self.current_epoch, done, float(np.mean(losses)), rate, dice, seconds)
            self.curves.append(epoch)
            self._save_state()
            on_epoch(epoch, self.share)
        self._finish()

    @property
    def share(self) -> float:
        """How much of the training is done, 0 to 1: of the epochs, or of the time if given."""
        training = self.settings.training
        budget = math.inf if training.minutes is None else training.minutes * 60
        return min(1.0, max(self.current_epoch / training.epochs, self.spent / budget))

    def _patches(self) -> Iterator[Any]:
        """Batches to learn from, from the one that is next."""
        training, settings = self.settings.training, self.settings
        space, mix = (
            SpatialRange.from_dict(dict(training.space)),
            ContrastMix.from_dict(dict(training.mix)),
        )
        start = self.current_epoch * training.iterations * training.batch
        empty = training.empty_outside
        stream = PatchDataset(
            settings.cases, *self._size, self._seed(1), space, mix, start, training.batch, empty
        )
        return batches(stream, settings.workers)

    def _checks(self, count: int) -> Iterator[Any]:
        """An epoch's `count` unchanged patches."""
        cases, training = self.settings.validation, self.settings.training
        seed, empty = self._seed(2), training.empty_outside
        start = self.current_epoch * count
        stream = PatchDataset(cases, *self._size, seed, UNCHANGED, None, start, empty=empty)
        return islice(batches(stream, 0), count)

    def _seed(self, purpose: int) -> tuple[int, int]:
        """Another one for each fold: networks of the same cases are to differ."""
        return self.settings.training.seed + 1000 * int(self.fold), purpose

    @property
    def _size(self) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
        """The patch in voxels, and a voxel in mm."""
        plan = self.configuration_manager
        (a, b, c), (x, y, z) = plan.patch_size, plan.spacing
        return (int(a), int(b), int(c)), (float(x), float(y), float(z))

    def _iteration(self, stream: Iterator[Any], number: int) -> float:
        training = self.settings.training
        image, target, _ = next(stream)
        self._set_rate(number)
        self.network.train()
        with self._precision():
            outputs = self.network(image.to(self.device, non_blocking=True))
            loss: Tensor = soft_loss(
                [out.float() for out in outputs],
                target.to(self.device),
                training.cross_entropy,
                training.positive,
            )
        if not bool(torch.isfinite(loss)):
            raise DatasetError(
                f"The loss is no number in iteration {number} of epoch {self.current_epoch + 1}: "
                "look for images with extreme values; the last epoch's state is kept."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 12)
        self.optimizer.step()
        self._update_average()
        return float(loss.detach())

    def _precision(self) -> torch.autocast:
        """bfloat16 where the device computes in it: nearly twice as fast."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=_fast_bfloat16(self.device))

    def _set_rate(self, number: int) -> None:
        training = self.settings.training
        done = self.current_epoch * training.iterations + number
        share = min(1.0, self.share + number / (training.iterations * training.epochs))
        rate = training.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * min(1.0, (done + 1) / 100)

    def _update_average(self) -> None:
        steps = self.optimizer.state[next(iter(self.network.parameters()))]["step"]
        keep = min(LARGEST_AVERAGE, float((1 + steps) / (10 + steps)))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.network.parameters(), strict=True)
            for mean, weight in pairs:
                mean.lerp_(weight, 1 - keep)

    def _dice(self) -> dict[str, float]:
        """Mean Dice by dataset over as many unchanged patches as there are validation cases."""
        scores: dict[str, list[float]] = defaultdict(list)
        self.average.eval()
        with torch.inference_mode(), self._precision():
            for image, target, number in self._checks(min(24, len(self.settings.validation))):
                logits = self.average(image.to(self.device))[0].float().cpu()
                dataset = self.settings.validation[int(number)].dataset
                scores[dataset].append(dice(logits, target))
        return {name: float(np.mean(values)) for name, values in sorted(scores.items())}

    @property
    def _state(self) -> Path:
        return Path(self.output_folder) / "state.pt"

    def _save_state(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.current_epoch,
            "spent": self.spent,
            "curves": json.dumps([vars(epoch) for epoch in self.curves]),
        }
        with write_whole(self._state) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        if not self._state.exists():
            return
        state = torch.load(self._state, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.current_epoch, self.spent = int(state["epoch"]), float(state["spent"])
        self.curves = [Epoch(**one) for one in json.loads(state["curves"])]

    def _finish(self) -> None:
        """The averaged weights as nnU-Net's own checkpoint, beside its plan and dataset."""
        base = Path(self.output_folder_base)
        for name, content in (
            ("plans.json", self.plans_manager.plans),
            ("dataset.json", self.dataset_json),
        ):
            (base / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
        checkpoint = {
            "network_weights": self.average.state_dict(),
            "init_args": {"configuration": self.configuration_name, "fold": self.fold},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": None,
            "current_epoch": self.current_epoch,
        }
        with write_whole(Path(self.output_folder) / "checkpoint_final.pth") as temporary:
            torch.save(checkpoint, temporary)


def _fast_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16; one that only imitates it takes far longer."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
