"""The picture of groups compared: their areas level by level, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sct_deepseg_general.files import write_whole
from sct_deepseg_general.norms.compare_groups import Difference, GroupMean
from sct_deepseg_general.norms.model import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "save_group_plot"]

COLOURS = ("#1f6fb2", "#d1602f", "#2e8b57", "#8a4fb0", "#7a8794", "#b39a1d")
_Z95 = 1.96
_GREY = "#7a8794"


def save_group_plot(path: Path, found: Sequence[Difference], contrast: str) -> None:
    """The groups of one contrast as a PNG file.

    Above, the mean area of each group at each level with the 95 % interval of the mean; below,
    the difference of every two groups in pooled standard deviations (Hedges' g) with its 95 %
    interval, of the z-scores for age and sex where there are some, else of the areas.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    own = [one for one in found if one.contrast == contrast]
    levels = [level for level in LEVELS if any(one.level == level for one in own)]
    drawn = Figure(figsize=(8.0, 6.0), layout="constrained", facecolor="white")
    above, below = drawn.subplots(2, 1, sharex=True)
    _draw_means(above, own, levels)
    _draw_effects(below, own, levels)
    below.set_xticks(range(len(levels)), levels)
    with write_whole(path) as temporary:
        drawn.savefig(temporary, format="png", dpi=130)


def _draw_means(axes: Axes, found: Sequence[Difference], levels: Sequence[str]) -> None:
    means: dict[str, dict[str, GroupMean]] = {}
    for one in found:
        if one.measure == "area":
            for group in (one.first, one.second):
                means.setdefault(group.name, {})[one.level] = group
    for index, (name, by_level) in enumerate(sorted(means.items())):
        at = [levels.index(level) + 0.12 * (index - (len(means) - 1) / 2) for level in by_level]
        reach = [_Z95 * group.sd / group.people**0.5 for group in by_level.values()]
        most = max(group.people for group in by_level.values())
        axes.errorbar(
            at, [group.mean for group in by_level.values()], reach, fmt="o", ms=4, capsize=3,
            color=COLOURS[index % len(COLOURS)], label=f"{name} (up to {most} people)",
        )  # fmt: skip
    axes.set_ylabel("mean area (mm²), 95 % interval")
    axes.legend(frameon=False, fontsize=8)


def _draw_effects(axes: Axes, found: Sequence[Difference], levels: Sequence[str]) -> None:
    measure = "z_score" if any(one.measure == "z_score" for one in found) else "area"
    pairs = sorted({(one.first.name, one.second.name) for one in found})
    for index, pair in enumerate(pairs):
        own = [o for o in found if o.measure == measure and (o.first.name, o.second.name) == pair]
        at = [levels.index(o.level) + 0.12 * (index - (len(pairs) - 1) / 2) for o in own]
        reach = [[o.effect - o.lower for o in own], [o.upper - o.effect for o in own]]
        axes.errorbar(
            at, [o.effect for o in own], reach, fmt="s", ms=4, capsize=3,
            color=COLOURS[(index + 2) % len(COLOURS)], label=f"{pair[1]} minus {pair[0]}",
        )  # fmt: skip
    axes.axhline(0, color=_GREY, lw=0.8)
    words = "z-scores" if measure == "z_score" else "areas"
    axes.set_ylabel(f"Hedges' g of the {words}")
    axes.legend(frameon=False, fontsize=8)
