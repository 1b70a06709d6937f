"""The picture of groups compared."""

from __future__ import annotations

from pathlib import Path

from sct_deepseg_general.norms.compare_groups import Difference, GroupMean
from sct_deepseg_general.norms.group_plot import save_group_plot


def test_one_level_and_many_groups_are_drawn(tmp_path: Path) -> None:
    groups = [GroupMean(f"g{k}", 5, 70.0 + k, 5.0) for k in range(8)]
    found = [
        Difference("T2w", level, measure, groups[0], other, 0.5, 0.1, 0.9)
        for level in ("C2-C3", "C3")
        for measure in ("area", "z_score")
        for other in groups[1:]
    ]
    for part in (found, found[:1]):
        save_group_plot(tmp_path / "groups.png", part, "T2w")
        assert (tmp_path / "groups.png").read_bytes().startswith(b"\x89PNG")
