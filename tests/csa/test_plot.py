"""The picture of the area along the cord."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sct_reference import CORD, LEVEL_MAP, mask

from sct_deepseg_general.csa.plot import PlotOptions, figure, save_plot
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.levels import slices as levels
from sct_deepseg_general.morphometry.morphometrics import Morphometrics, measure


@pytest.fixture(scope="module")
def table() -> Morphometrics:
    found = measure(mask(CORD))
    return found.with_interval(found.area - 2, found.area + 2)


def test_what_is_drawn(table: Morphometrics) -> None:
    of_slices = levels.from_levels(mask(LEVEL_MAP))
    options = PlotOptions(title="cord", flagged=(3, 21))
    (axes,) = figure(table, of_slices, options).axes
    names = [text.get_text() for text in axes.texts]
    assert names == ["C2", "C3", "C4", "C5"]
    assert axes.get_legend() is not None
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == ["interval", "CSA", "to check"]
    curve = axes.lines[0].get_ydata()
    np.testing.assert_array_equal(curve, table.area)
    low, high = axes.get_ylim()
    assert low < np.nanmin(table.area) - 2
    assert high > np.nanmax(table.area) + 2


def test_millimetres_follow_the_cord(table: Morphometrics) -> None:
    (axes,) = figure(table, None, PlotOptions(in_mm=True)).axes
    along = np.asarray(axes.lines[0].get_xdata())
    assert along[table.slices[0]] == 0
    assert along[-1] == pytest.approx(table.column("length")[1:].sum())
    assert "mm" in axes.get_xlabel()


def test_a_png_is_written_whole(table: Morphometrics, tmp_path: Path) -> None:
    save_plot(tmp_path / "csa.png", table)
    assert (tmp_path / "csa.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["csa.png"]
    with pytest.raises(OutputError):
        save_plot(tmp_path / "absent" / "csa.png", table)


def test_an_empty_table_says_so() -> None:
    (axes,) = figure(measure(mask("empty"))).axes
    assert [text.get_text() for text in axes.texts] == ["no cord"]


def test_flags_outside_the_cord_are_drawn_as_lines() -> None:
    (axes,) = figure(measure(mask("gap_2slices")), None, PlotOptions(flagged=(20, 99))).axes
    assert len(axes.lines) == 2


def test_no_window_system_is_touched() -> None:
    code = "import sct_deepseg_general.csa.plot, sys; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
