"""Training curves: a table (CSV) and a picture (PNG) of loss, learning rate and Dice."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from sct_deepseg_general.files import write_whole
from sct_deepseg_general.training.trainer import Epoch

__all__ = ["write_curves"]


def write_curves(epochs: Sequence[Epoch], folder: Path) -> None:
    """`curves.csv` and `curves.png` in `folder`; one row, one point an epoch."""
    with write_whole(folder / "curves.csv") as temporary:
        _table(epochs, temporary)
    with write_whole(folder / "curves.png") as temporary:
        _picture(epochs, temporary)


def _names(epochs: Sequence[Epoch]) -> list[str]:
    return sorted({name for epoch in epochs for name in epoch.dice})


def _table(epochs: Sequence[Epoch], path: Path) -> None:
    names = _names(epochs)
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(
            ["epoch", "iterations", "loss", "rate", "seconds", *(f"dice_{name}" for name in names)]
        )
        for one in epochs:
            dice = [f"{one.dice[name]:.4f}" if name in one.dice else "" for name in names]
            figures = [f"{one.loss:.5f}", f"{one.rate:.6f}", f"{one.seconds:.1f}"]
            rows.writerow([one.number, one.iterations, *figures, *dice])


def _picture(epochs: Sequence[Epoch], path: Path) -> None:
    from matplotlib.figure import Figure  # 0.5 s, only where something is drawn

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([one.iterations for one in epochs], [one.loss for one in epochs], color="0.2")
    left.set(xlabel="iterations", ylabel="training loss")
    for name in _names(epochs):
        points = [(one.iterations, one.dice[name]) for one in epochs if name in one.dice]
        right.plot(*zip(*points, strict=True), label=name, linewidth=1)
    right.set(xlabel="iterations", ylabel="Dice, unchanged patches", ylim=(0, 1))
    right.legend(fontsize=7, frameon=False, loc="lower right")
    figure.savefig(path, dpi=120, format="png")
