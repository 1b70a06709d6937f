"""The disc network in torch: two-dimensional convolutions over the strip, pooled from back to
front, then dilated ones along the cord.

Imports torch at once: import this module only where torch is meant to be used.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sct_deepseg_general.levels.responses import OUTPUTS
from sct_deepseg_general.levels.strip import COLUMNS

__all__ = ["DiscNet"]


class DiscNet(nn.Module):  # type: ignore[misc]  # torch's own types are not read
    """(batch, 3, rows, columns of a strip) to (batch, outputs, rows), for any number of rows.

    A row sees 119 mm of cord: 3 levels above and below it.
    """

    def __init__(
        self,
        channels: Sequence[int] = (16, 24, 32),
        width: int = 64,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32, 4, 1),
        outputs: int = len(OUTPUTS),
    ) -> None:
        super().__init__()
        first, second, third = channels
        self.flat = nn.Sequential(
            *_layer(3, first, (3, 5)),
            *_layer(first, second, (3, 3)),
            *_layer(second, third, (5, 3)),
        )
        columns = COLUMNS[1] - COLUMNS[0] + 1
        for _ in channels:
            columns = (columns + 1) // 2
        self.pooled = nn.Conv1d(third * columns, width, 1)
        self.along = nn.Sequential(*(_Along(width, dilation) for dilation in dilations))
        self.head = nn.Conv1d(width, outputs, 1)

    def forward(self, strip: Tensor) -> Tensor:
        """The output channels (batch, channels, rows) for strips (batch, 3, rows, columns)."""
        seen = self.flat(strip).permute(0, 1, 3, 2).flatten(1, 2)
        answer: Tensor = self.head(self.along(torch.relu(self.pooled(seen))))
        return answer


class _Along(nn.Module):  # type: ignore[misc]  # torch's own types are not read
    """A residual block along the rows."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.BatchNorm1d(width)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, rows: Tensor) -> Tensor:
        change: Tensor = self.mix(torch.relu(self.norm(self.wide(rows))))
        return rows + change


def _layer(before: int, after: int, size: tuple[int, int]) -> list[nn.Module]:
    """A convolution that halves the columns and keeps the rows."""
    padding = (size[0] // 2, size[1] // 2)
    return [nn.Conv2d(before, after, size, (1, 2), padding), nn.BatchNorm2d(after), nn.ReLU()]
