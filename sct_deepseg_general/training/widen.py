"""A wider network that computes what a trained one does, to go on training from it.

Channels are repeated, and each repeated channel's outgoing weights are shared out unequally
between its copies, so that the copies learn different things (Net2Net: Chen et al., ICLR 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sct_deepseg_general.errors import ModelError

__all__ = ["widened"]

Channels = NDArray[np.int64]
"""Which old channel each new one repeats."""


def widened(small: torch.nn.Module, big: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """`big` with the weights of `small`, an nnU-Net PlainConvUNet of the same topology.

    Raises
    ------
    ModelError
        The networks differ in more than the channels of their stages, or `big` has fewer of them.
    """
    rng = np.random.default_rng(seed)
    old, new = _stages(small), _stages(big)
    if len(old) != len(new) or any(b < a for a, b in zip(old, new, strict=True)):
        raise ModelError(
            f"A network with {new} channels cannot be started from one with {old}: it needs as "
            "many stages and at least as many channels in each."
        )
    repeats = [_repeats(a, b, rng) for a, b in zip(old, new, strict=True)]
    try:
        _encoder(small, big, repeats, rng)
        _decoder(small, big, repeats, old, rng)
    except (AttributeError, RuntimeError, IndexError, ValueError) as error:
        raise ModelError(
            f"The network to start from has another topology than the recipe's plan: {error}"
        ) from error
    return big


def _stages(network: torch.nn.Module) -> list[int]:
    return [int(n) for n in network.encoder.output_channels]


def _repeats(old: int, new: int, rng: np.random.Generator) -> Channels:
    extra = np.resize(rng.permutation(old), new - old)
    return np.asarray(np.r_[np.arange(old), extra], np.int64)


def _encoder(
    small: torch.nn.Module,
    big: torch.nn.Module,
    repeats: Sequence[Channels],
    rng: np.random.Generator,
) -> None:
    before = np.zeros(1, np.int64)
    for index, own in enumerate(repeats):
        blocks = zip(
            small.encoder.stages[index][0].convs, big.encoder.stages[index][0].convs, strict=True
        )
        for one, other in blocks:
            _block(one, other, before, own, rng)
            before = own


def _decoder(
    small: torch.nn.Module,
    big: torch.nn.Module,
    repeats: Sequence[Channels],
    old: Sequence[int],
    rng: np.random.Generator,
) -> None:
    classes = np.arange(big.decoder.seg_layers[0].out_channels)
    for index in range(len(repeats) - 1):
        below, own = repeats[-1 - index], repeats[-2 - index]
        ups = small.decoder.transpconvs[index], big.decoder.transpconvs[index]
        _convolution(*ups, below, own, rng, across=(1, 0))
        before = np.r_[own, own + old[-2 - index]]  # what came up, then what was skipped
        blocks = zip(
            small.decoder.stages[index].convs, big.decoder.stages[index].convs, strict=True
        )
        for one, other in blocks:
            _block(one, other, before, own, rng)
            before = own
        layers = small.decoder.seg_layers[index], big.decoder.seg_layers[index]
        _convolution(*layers, own, classes, rng)


def _block(
    small: torch.nn.Module,
    big: torch.nn.Module,
    before: Channels,
    own: Channels,
    rng: np.random.Generator,
) -> None:
    """A convolution and its normalisation."""
    _convolution(small.conv, big.conv, before, own, rng)
    _copy(big.norm.weight, small.norm.weight.detach()[torch.from_numpy(own)])
    _copy(big.norm.bias, small.norm.bias.detach()[torch.from_numpy(own)])


def _convolution(
    small: torch.nn.Module,
    big: torch.nn.Module,
    before: Channels,
    own: Channels,
    rng: np.random.Generator,
    across: tuple[int, int] = (0, 1),
) -> None:
    """`across` are the weight's axes of outgoing and incoming channels."""
    out, into = across
    weight = small.weight.detach().index_select(out, torch.from_numpy(own))
    weight = weight.index_select(into, torch.from_numpy(before))
    shape = [1] * weight.ndim
    shape[into] = -1
    _copy(big.weight, weight * _shares(before, rng).view(shape))
    if small.bias is not None:
        _copy(big.bias, small.bias.detach()[torch.from_numpy(own)])


def _shares(repeats: Channels, rng: np.random.Generator) -> Tensor:
    """What each copy carries of its channel: unequal, and 1 together."""
    weights = rng.uniform(0.35, 0.65, repeats.size)
    total = np.bincount(repeats, weights)
    return torch.from_numpy(weights / total[repeats]).float()


def _copy(to: Tensor, values: Tensor) -> None:
    if to.shape != values.shape:
        raise ValueError(f"weights of the shape {tuple(values.shape)} for {tuple(to.shape)}")
    with torch.no_grad():
        to.copy_(values)
