"""The result of `segment` and `measure`: tables, regions, pictures and short words."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure
from phantoms import cylinder
from samples import DATA, image_path, label_path

from sct_deepseg_general import measure, segment
from sct_deepseg_general.api import rows
from sct_deepseg_general.api.result import CordResult
from sct_deepseg_general.errors import ArgumentError, ImageError

pd = pytest.importorskip("pandas")
NECK = DATA / "levels" / "neck_T2w.nii.gz"


@pytest.fixture(scope="module")
def neck() -> CordResult:
    return segment(NECK, levels="auto")


@pytest.fixture(scope="module")
def plain() -> CordResult:
    return measure(label_path("T2w"))


def test_the_mean_of_the_table_is_the_mean_area(neck: CordResult) -> None:
    table = neck.table()
    assert isinstance(table, pd.DataFrame)
    assert table["area"].mean() == pytest.approx(neck.mean_area())
    held = table[table["level"].isin([2, 3])]
    assert held["area"].mean() == pytest.approx(neck.mean_area(level=(2, 3)))
    assert neck.interval is not None
    low, high = neck.interval  # narrower than those of the slices: errors cancel in part
    assert table["area_lower"].mean() < low < neck.mean_area() < high < table["area_upper"].mean()
    assert neck.repeat_interval is not None
    assert low < neck.repeat_interval[0] < neck.repeat_interval[1] < high


def test_a_row_for_each_level_and_one_for_a_region(neck: CordResult) -> None:
    levels = neck.table("level", level=(2, 3, 4)).set_index("level")
    assert sorted(levels.index) == [2, 3, 4]
    assert levels.loc[3, "area"] == neck.mean_area(level=3)
    region = neck.table("region", level=(2, 3)).iloc[0]
    assert region["area"] == neck.mean_area(level=(2, 3))
    assert region["length"] == pytest.approx(levels.loc[[2, 3], "length"].sum())
    assert region["levels"] == (2, 3)


def test_only_chosen_slices(neck: CordResult) -> None:
    chosen = neck.table(slices=(40, 41))
    assert chosen["slice"].tolist() == [40, 41]
    assert neck.mean_area(slices=(40, 41)) == pytest.approx(chosen["area"].mean())


def test_without_pandas_a_table_is_a_list_of_dicts(
    neck: CordResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_pandas = neck.table("level")
    monkeypatch.setattr(rows.importlib.util, "find_spec", lambda _name: None)
    assert neck.table("level") == with_pandas.to_dict("records")


def test_a_region_at_a_distance_from_the_pmj() -> None:
    data = cylinder((40, 40, 60), (1, 1, 1), 5.0)
    affine = np.diag([-1.0, 1, 1, 1])
    junction = np.zeros_like(data)
    junction[20, 20, 55] = 1
    result = measure(data, affine=affine, pmj=junction)
    assert result.mean_area(pmj_distance=30) == pytest.approx(math.pi * 25, rel=0.03)
    row = result.table("region", pmj_distance=30, pmj_extent=10).iloc[0]
    assert row["length"] == pytest.approx(10, abs=1.01)
    with pytest.raises(ArgumentError, match="give pmj"):
        measure(data, affine=affine).mean_area(pmj_distance=30)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda r: r.mean_area(level=11), ImageError, "Level 11 was asked for"),
        (lambda r: r.mean_area(level="C3"), ArgumentError, "level='C3'"),
        (lambda r: r.mean_area(level=2.5), ArgumentError, "level=2.5"),
        (lambda r: r.mean_area(slices=(900,)), ImageError, "Slice 900 is not in the image"),
        (lambda r: r.table("slices"), ArgumentError, 'choose "slice", "level" or "region"'),
        (lambda r: r.save("x", name="a/b"), ArgumentError, "without folders"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(neck: CordResult, call, error, words: str) -> None:
    with pytest.raises(error) as raised:
        call(neck)
    assert words in str(raised.value)
    assert " -" not in str(raised.value)


def test_levels_that_are_not_known_are_not_made_up(plain: CordResult) -> None:
    with pytest.raises(ImageError, match='give levels="auto"'):
        plain.mean_area(level=3)
    withheld = segment(image_path("T2w"), levels="auto")
    assert any("C2/C3 is not in the field of view" in one for one in withheld.warnings)
    with pytest.raises(ImageError, match=r"withheld: C2/C3.*give disc_at"):
        withheld.table("level")


def test_a_plot_is_drawn_into_axes(neck: CordResult) -> None:
    axes = Figure().add_subplot()
    assert neck.plot(axes, title="mine") is axes
    assert axes.get_title(loc="right") == "mine"
    area = next(line for line in axes.lines if line.get_label() == "CSA").get_ydata()
    assert np.nanmean(area) == pytest.approx(neck.mean_area())
    with mpl.rc_context({"backend": "agg"}):
        import matplotlib.pyplot as plt

        own = neck.plot()
        assert own.get_ylabel() == "CSA (mm²)"
        plt.close(own.figure)


def test_the_words_are_short_and_the_page_has_both_pictures(
    neck: CordResult, plain: CordResult
) -> None:
    assert len(repr(neck)) < 100
    low, high = neck.interval or (0, 0)
    assert f"{neck.mean_area():.1f} mm² ({low:.1f} to {high:.1f})" in repr(neck)
    assert neck._repr_html_().count("data:image/png;base64,") == 2
    assert plain._repr_html_().count("data:image/png;base64,") == 1


def test_reasons_are_in_pythons_words_and_escaped() -> None:
    data = np.zeros((40, 40, 40), np.uint8)
    data[18:22, 18:22, 3:5] = 1
    result = measure(nib.Nifti1Image(data, np.eye(4)))
    assert result.status == "fail"
    assert "reason" in repr(result)
    assert all(reason.replace("<", "&lt;") in result._repr_html_() for reason in result.reasons)


def test_a_mask_in_space_is_saved_with_the_geometry_of_its_image(
    neck: CordResult, tmp_path: Path
) -> None:
    path = neck.mask.save(tmp_path / "mask.nii.gz")
    written = nib.load(path)
    assert written.get_data_dtype() == np.uint8
    assert np.array_equal(written.affine, nib.load(NECK).affine)
    assert np.array_equal(np.asarray(written.dataobj), np.asarray(neck.mask))
