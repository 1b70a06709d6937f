"""Images made of labels: random intensities for the cord, the fluid and the rest.

After SynthSeg (Billot et al., Medical Image Analysis 2023). Arrays are (z, y, x) tensors of one
channel; `target` is the fraction of each voxel that is cord.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as nnf

from sct_deepseg_general.augmentation.filters import smooth, standard

__all__ = ["TissueMix", "drawn_out", "grown", "synthetic"]


@dataclass(frozen=True)
class TissueMix:
    """How cord and fluid are drawn: probabilities, and where the visible edge lies.

    `eccentric` is how often the fluid reaches further to one side and is mottled, `isointense`
    how often it is nearly as bright as the cord. The visible cord reaches between
    `beyond_least` and `beyond_most` times 1.25 voxels beyond the target.
    """

    eccentric: float = 0.0
    isointense: float = 0.0
    beyond_least: float = 0.0
    beyond_most: float = 0.6


def synthetic(
    image: Tensor,
    target: Tensor,
    rng: np.random.Generator,
    canal: Tensor | None = None,
    tissue: TissueMix | None = None,
) -> Tensor:
    """Random intensities for cord, the fluid around it and clusters of the rest.

    The fluid fills the `canal` (0 to 1) where it is known, else a ring around the cord.

    The background's clusters are quantile bins of the real image, so its anatomy stays. The
    cord's edge is a partial-volume mixture a little outside that of `target`, because the edge is
    defined, as raters draw it, inside the half-way point of the intensities.
    """
    tissue = tissue or TissueMix()
    count = int(rng.integers(3, 9))
    edges = torch.quantile(
        image[::2, ::2, ::2].flatten(), torch.from_numpy(np.sort(rng.uniform(0, 1, count))).float()
    )
    means = torch.from_numpy(rng.uniform(0, 1, count + 1)).float()
    clusters = torch.bucketize(image.contiguous(), edges)
    background = means[clusters] + float(rng.normal() * 0.15) * standard(image)
    background = smooth(background, float(rng.uniform(0.0, 0.9)))
    cord = float(rng.uniform(0, 1))
    visible = grown(target, float(rng.uniform(tissue.beyond_least, tissue.beyond_most)))
    if canal is None and rng.random() < 0.75:
        canal = _ring(visible, rng)
    if canal is not None:
        aside, near = rng.random() < tissue.eccentric, rng.random() < tissue.isointense
        fluid = _fluid(canal.shape, cord, (0.03, 0.15) if near else (0.15, 0.9), aside, rng)
        canal = drawn_out(canal, rng) if aside else canal
        background = background * (1 - canal) + canal * fluid
    inner = smooth((target > 0.9).float(), 1.5)
    inside = cord + inner * float(rng.normal() * 0.1) + 0.03 * standard(image)
    return standard(visible * inside + (1 - visible) * background)


def drawn_out(canal: Tensor, rng: np.random.Generator) -> Tensor:
    """The canal with up to 6 voxels more on one side, in-plane: fluid as behind a thoracic cord."""
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 6)
    wider = canal
    for step in range(1, round(reach) + 1):
        y, x = round(step * np.sin(angle)), round(step * np.cos(angle))
        wider = torch.maximum(wider, _moved(canal, y, x))
    return wider


def _moved(image: Tensor, y: int, x: int) -> Tensor:
    """(z, y, x) moved by whole voxels in-plane; what comes in over the border is 0."""
    _, height, width = image.shape
    padded = nnf.pad(image, (max(x, 0), max(-x, 0), max(y, 0), max(-y, 0)))
    return padded[:, max(-y, 0) : max(-y, 0) + height, max(-x, 0) : max(-x, 0) + width]


def grown(target: Tensor, voxels: float) -> Tensor:
    """The fractions `target`, their edge moved outward in-plane by about 1.25 times `voxels`.

    `voxels` is in [0, 1].
    """
    moved = target
    for size in ((1, 3, 1), (1, 1, 3)):
        margin = tuple(n // 2 for n in size)
        wider = nnf.max_pool3d(moved[None, None], size, stride=1, padding=margin)[0, 0]
        moved = (1 - voxels) * moved + voxels * wider
    return moved


def _ring(target: Tensor, rng: np.random.Generator) -> Tensor:
    """Where a ring of fluid 1 to 4 voxels thick lies around the cord, 0 to 1."""
    reach = float(rng.uniform(0.8, 4.0))
    return (smooth((target > 0.3).float(), reach) * 4).clamp(0, 1) ** float(rng.uniform(1, 3))


def _fluid(
    shape: Sequence[int],
    cord: float,
    contrast: tuple[float, float],
    mottled: bool,
    rng: np.random.Generator,
) -> Tensor | float:
    """Intensities that differ from the cord's by `contrast`, either way; mottled as in flow."""
    apart = float(rng.uniform(*contrast)) * (1 if rng.random() < 0.5 else -1)
    if not mottled:
        return cord + apart
    spots = standard(smooth(torch.from_numpy(rng.normal(size=tuple(shape))).float(), 1.0))
    return cord + apart * (1 + float(rng.uniform(0, 0.3)) * spots)
