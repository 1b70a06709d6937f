"""The picture of a batch: which points it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from sct_deepseg_general.batch.plot import Point, draw_group, points_of
from sct_deepseg_general.errors import OutputError

HEAD = ("image", "contrast", "level", "area", "status")


def table(path: Path, *rows: tuple[str, ...]) -> Path:
    path.write_text("".join("\t".join(row) + "\n" for row in (HEAD, *rows)))
    return path


def test_a_point_is_the_mean_of_an_image_at_a_level(tmp_path: Path) -> None:
    made = table(
        tmp_path / "csa.tsv",
        ("a", "T2w", "3", "70", "ok"),
        ("a", "T2w", "3", "72", "ok"),
        ("a", "T2w", "n/a", "10", "ok"),
        ("b", "T1w", "n/a", "60", "fail"),
        ("c", "T2w", "n/a", "n/a", "error"),
    )
    assert points_of(made) == (
        Point("T2w", 3, 71.0, False, "a"),
        Point("T1w", 0, 60.0, True, "b"),
    )


def test_a_panel_for_each_contrast_and_nothing_without_areas(tmp_path: Path) -> None:
    rows = [
        (f"i{person}", contrast, str(level), str(70 + person - level), "ok")
        for person in range(5)
        for contrast in ("T1w", "T2w")
        for level in (2, 3, 8)
    ]
    made = table(tmp_path / "csa.tsv", *rows)
    assert draw_group(made, tmp_path / "group.png") == 30
    assert (tmp_path / "group.png").read_bytes().startswith(b"\x89PNG")
    empty = table(tmp_path / "none.tsv", ("c", "T2w", "n/a", "n/a", "error"))
    assert draw_group(empty, tmp_path / "none.png") == 0
    assert not (tmp_path / "none.png").exists()


def test_the_title_counts_images_and_their_points_have_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    rows = [(f"i{n}", "T2w", str(level), "70", "ok") for n in range(3) for level in range(1, 14)]
    rows += [("alone", "T2w", "n/a", "60", "fail"), ("x", "T1w", "n/a", "60", "ok")]
    draw_group(table(tmp_path / "csa.tsv", *rows), tmp_path / "group.png")
    narrow, wide = drawn[0].axes
    assert [axis.get_title() for axis in (narrow, wide)] == ["T1w: 1 image", "T2w: 4 images"]
    drawn[0].draw_without_rendering()
    boxes = [one.get_window_extent() for one in wide.get_xticklabels() + narrow.get_xticklabels()]
    assert not any(one.overlaps(other) for one in boxes for other in boxes if other is not one)


def test_another_table_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "csa.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(OutputError, match="Cannot read the table"):
        points_of(tmp_path / "csa.tsv")
