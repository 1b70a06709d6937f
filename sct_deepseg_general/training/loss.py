"""The loss for fractional targets: cross-entropy and Dice at the network's three finest scales."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as nnf

__all__ = ["dice", "soft_dice_loss", "soft_loss"]


def soft_loss(
    outputs: Sequence[Tensor],
    target: Tensor,
    cross_entropy: float = 2.0,
    positive: float = 1.0,
) -> Tensor:
    """Weighted sum over scales, each half as heavy as the next finer one.

    `outputs` are logits (batch, 2, z, y, x), finest first; `target` (batch, 1, z, y, x) is the
    fraction of cord in [0, 1], averaged where a scale is coarser; voxels below 0 are left out.
    `positive` weights the cord in the cross-entropy, `cross_entropy` the whole of it.
    """
    total, weights = torch.zeros((), device=target.device), 0.0
    weight_of_cord = torch.tensor(positive, device=target.device)
    for scale, logits in enumerate(outputs[:3]):
        fraction, valid = _at_scale(target, logits.shape[2:])
        difference = logits[:, 1:] - logits[:, :1]
        each = nnf.binary_cross_entropy_with_logits(
            difference, fraction, pos_weight=weight_of_cord, reduction="none"
        )
        entropy = (each * valid).sum() / valid.sum().clamp(min=1)
        weight = 0.5**scale
        total = total + weight * (
            cross_entropy * entropy + soft_dice_loss(difference.sigmoid() * valid, fraction * valid)
        )
        weights += weight
    return total / weights


def _at_scale(target: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The target averaged to `shape`, and the share of each voxel that is valid."""
    valid = (target >= 0).float()
    fraction = target.clamp(min=0)
    if tuple(shape) == tuple(target.shape[2:]):
        return fraction, valid
    share = nnf.adaptive_avg_pool3d(valid, tuple(shape))
    return nnf.adaptive_avg_pool3d(fraction, tuple(shape)) / share.clamp(min=1e-6), share


def soft_dice_loss(probability: Tensor, target: Tensor) -> Tensor:
    """1 - 2 sum(pt) / (sum(p²) + sum(t²)), whose minimum is p = t for fractions too."""
    axes = (1, 2, 3, 4)
    overlap = (probability * target).sum(axes)
    size = (probability**2).sum(axes) + (target**2).sum(axes)
    return 1 - ((2 * overlap + 1) / (size + 1)).mean()


def dice(logits: Tensor, target: Tensor) -> float:
    """Dice of the likelier class with the voxels that are half cord or more, 0 to 1.

    `logits` (batch, 2, z, y, x), `target` (batch, 1, z, y, x); as in the loss, voxels with a
    target below 0 are left out. Without cord in either it is 0.
    """
    truth = target[:, 0] > 0.5
    mask = (logits[:, 1] > logits[:, 0]) & (target[:, 0] >= 0)
    return 2 * float((mask & truth).sum()) / max(1.0, float(mask.sum() + truth.sum()))
