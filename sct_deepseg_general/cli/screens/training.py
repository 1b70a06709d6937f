"""What `train` and `compare` print while they work: the phase, how far it is, the time left."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sct_deepseg_general.recipes.estimate import Estimate
    from sct_deepseg_general.training.trainer import Epoch

__all__ = ["TrainingScreen", "described", "duration"]

_PHASES = {
    "dataset": "converting images",
    "plan": "planning (nnU-Net)",
    "prepare": "preparing images",
    "epoch": "iterations of this epoch",
    "train": "models trained",
    "evaluate": "testing",
    "report": "writing the report",
}


@dataclass
class TrainingScreen:
    """The progress of a training, on standard error.

    On a terminal a phase is one line that is rewritten; in a log, its first and its last step are
    lines of their own. Each epoch of a network is a line.
    """

    before: dict[str, float] = field(default_factory=dict)
    """Share of each network that an earlier run had done."""
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds that each network was trained in this run."""
    began: dict[str, tuple[float, int]] = field(default_factory=dict)
    """When each phase's first step was reported, and how many steps were done then."""

    def step(self, phase: str, done: int, total: int) -> None:
        """Show how many steps of a phase are done, and the time left."""
        start, first = self.began.setdefault(phase, (time.monotonic(), done))
        name = phase.rsplit(maxsplit=1)[-1]
        text = f"{phase.removesuffix(name)}{_PHASES.get(name, name)}: {done} of {total}"
        if first < done < total:
            spent = time.monotonic() - start
            text += f", {duration(spent * (total - done) / (done - first))} left"
        if done >= total:
            del self.began[phase]
        self._line(text, shown_in_log=done == first or done >= total, last=done >= total)

    def phase(self, network: str, phase: str, done: int, total: int) -> None:
        """Show a phase of a network's training; the iterations of an epoch on a terminal only."""
        if phase == "epoch" and not sys.stderr.isatty():
            return
        self.step(f"{network}: {phase}", done, total)

    def epoch(self, network: str, epoch: Epoch, share: float) -> None:
        """Show an epoch: loss, Dice of each dataset, and the time left by this run's speed."""
        before = self.before.setdefault(network, share * (epoch.number - 1) / epoch.number)
        self.spent[network] = self.spent.get(network, 0.0) + epoch.seconds
        left = self.spent[network] * (1 - share) / max(share - before, 1e-6)
        dice = ", ".join(f"{dataset} {value:.3f}" for dataset, value in epoch.dice.items())
        text = f"{network} {share:4.0%} iteration {epoch.iterations}: loss {epoch.loss:.3f}"
        print(f"{text}, Dice {dice}; {duration(left)} left", file=sys.stderr, flush=True)

    @staticmethod
    def _line(text: str, *, shown_in_log: bool, last: bool) -> None:
        if sys.stderr.isatty():
            print(f"\r{text:<78}", end="\n" if last else "", file=sys.stderr, flush=True)
        elif shown_in_log:
            print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """A time in the unit that suits it: "40 s", "12 min", "3.5 h", "2.1 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"


def described(needs: Estimate) -> str:
    """An estimate as one line: images, time on two CPU cores, memory and disk."""
    time_needed = (
        f"about {duration(needs.seconds)} on two CPU cores"
        if needs.seconds is not None
        else "a time that nnU-Net's plan decides (a GPU is advised)"
    )
    return (
        f"{needs.images} labelled images; training needs {time_needed}, about "
        f"{needs.memory / 1e9:.1f} GB of memory and up to {needs.disk / 1e9:.1f} GB of disk"
    )
