"""nnU-Net's plan for a dataset: its fingerprint, its planner, our spacing, patch and width.

The planner is nnU-Net's own; where the recipe gives a working spacing, a patch or the
channels of each stage, it plans the network's topology for those.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import (
    DatasetFingerprintExtractor,
)
from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import (
    ExperimentPlanner,
)
from nnunetv2.experiment_planning.experiment_planners.network_topology import (
    get_pool_and_conv_props,
)

from sct_deepseg_general.datasets.recipe import Training

__all__ = ["PLANS", "PREPROCESSED", "nnunet_folders", "planned", "strides"]

PLANS = "nnUNetPlans"
PREPROCESSED = "nnUNet_preprocessed"
_SMALLEST_SIDE = 4
"""Voxels below which nnU-Net's planner halves no side of a stage's patch further."""
_VARIABLES = ("nnUNet_raw", PREPROCESSED, "nnUNet_results")


@contextmanager
def nnunet_folders(raw: Path, work: Path) -> Iterator[None]:
    """nnU-Net's three environment variables, set for the block and restored after it."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    places = (raw, work / "preprocessed", work / "results")
    for name, place in zip(_VARIABLES, places, strict=True):
        place.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(place)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def planned(dataset: str, training: Training, processes: int = 1) -> dict[str, Any]:
    """The plan of an nnU-Net dataset ("Dataset101_general"), also written as nnU-Net does.

    To be called inside `nnunet_folders`.
    """
    # nnU-Net stops at a split that is not the one it copied: the dataset's own is the truth
    (Path(os.environ[PREPROCESSED]) / dataset / "splits_final.json").unlink(True)
    DatasetFingerprintExtractor(dataset, processes, verbose=False).run(overwrite_existing=False)
    planner = _Planner(dataset, training)
    plans: dict[str, Any] = planner.plan_experiment()
    return plans


def strides(training: Training) -> list[list[int]] | None:
    """The strides of each stage, along z, y, x, that nnU-Net plans for the recipe's spacing and
    patch; None where it plans these too.
    """
    if training.spacing is None or training.patch is None:
        return None
    unlimited = 999
    _, found, *_ = get_pool_and_conv_props(
        training.spacing[::-1], training.patch[::-1], _SMALLEST_SIDE, unlimited
    )
    return [[int(side) for side in stage] for stage in found]


class _Planner(ExperimentPlanner):  # type: ignore[misc]  # nnU-Net's types are not read
    """nnU-Net's planner with the recipe's spacing, patch and channels. Axes are z, y, x."""

    def __init__(self, dataset: str, training: Training) -> None:
        spacing = None if training.spacing is None else [float(v) for v in training.spacing[::-1]]
        super().__init__(dataset, overwrite_target_spacing=spacing, suppress_transpose=True)
        self._training = training

    def get_plans_for_configuration(
        self, spacing: Any, median_shape: Any, *rest: Any, **named: Any
    ) -> dict[str, Any]:
        patch = self._training.patch
        if patch is not None and len(spacing) == 3:
            median_shape = np.array(patch[::-1])
        plan: dict[str, Any] = super().get_plans_for_configuration(
            spacing, median_shape, *rest, **named
        )
        if len(spacing) == 3:
            _set_width(plan, self._training.features)
            plan["batch_size"] = self._training.batch
        return plan


def _set_width(plan: dict[str, Any], features: Sequence[int]) -> None:
    """The recipe's channels per stage; the last one repeats where the plan has more stages."""
    if not features:
        return
    network = plan["architecture"]["arch_kwargs"]
    stages = int(network["n_stages"])
    network["features_per_stage"] = [*features, *[features[-1]] * stages][:stages]
