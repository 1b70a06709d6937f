"""The files of a comparison of groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from sct_deepseg_general.cohort.groups import compare
from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.group import GroupRow


def people(count: int) -> list[GroupRow]:
    return [
        GroupRow(f"sub-{k}", "n/a", contrast, f"{k}_{contrast}", "ab"[k % 2], "C3", 70.0 + k, None)
        for k in range(2 * count)
        for contrast in ("T1w", "T2w")
    ]


def test_a_table_and_a_picture_for_each_contrast(tmp_path: Path) -> None:
    found, written = compare(people(3), tmp_path / "groups.tsv")
    assert [path.name for path in written] == ["groups.tsv", "groups_T1w.png", "groups_T2w.png"]
    assert all(path.stat().st_size for path in written)
    assert {one.contrast for one in found} == {"T1w", "T2w"}


def test_groups_that_are_too_small_are_refused_and_named(tmp_path: Path) -> None:
    with pytest.raises(NormsError, match=r"at least 3 people .* the groups are: a, b"):
        compare(people(2), tmp_path / "groups.tsv")
    assert not (tmp_path / "groups.tsv").exists()
