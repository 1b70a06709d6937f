"""Every way of asking for a table gives the numbers of SCT's sct_process_segmentation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import image
from sct_reference import CORD, LEVEL_MAP, NO_DISCS, assert_equal, mask, reference

from sct_deepseg_general.csa.measure import CsaRequest, measured
from sct_deepseg_general.csa.person import Covariates
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Probability, Volume
from sct_deepseg_general.levels import pmj
from sct_deepseg_general.morphometry.centreline import CentrelineFit

PER_SLICE = Selection(per_slice=True)
WHOLE = Selection()


def request(selection: Selection, **more: Any) -> CsaRequest:
    return CsaRequest(selection=selection, **more)


@cache
def cases() -> dict[str, tuple[str, CsaRequest]]:
    """Reference file: the mask it was made from, and what SCT was asked for."""
    levels = {"level_map": mask(LEVEL_MAP)}
    found: dict[str, tuple[str, CsaRequest]] = {
        "t2_seg-manual_perslice": (CORD, request(PER_SLICE)),
        "t2_perslice_nocorr": (CORD, request(PER_SLICE, angle_correction=False)),
        "t2_agg": (CORD, request(WHOLE)),
        "t2_z10-20": (CORD, request(Selection(slices=tuple(range(10, 21))))),
        "t2_perslice_vertfile": (CORD, request(PER_SLICE, **levels)),
        "t2_perslice_vert2-4": (CORD, request(replace(PER_SLICE, levels=(2, 3, 4)), **levels)),
        "t2_vert2-4_agg": (CORD, request(Selection(levels=(2, 3, 4)), **levels)),
        "t2_perlevel": (
            CORD,
            request(Selection(levels=tuple(range(1, 11)), per_level=True), **levels),
        ),
        "t2_disc_perlevel": (
            CORD,
            request(Selection(levels=(2, 3, 4), per_level=True), discs=mask(NO_DISCS)),
        ),
        "t2_PAM50": (CORD, request(PER_SLICE, to_pam50=True, **levels)),
        "t2_norm": (CORD, request(WHOLE, person=Covariates(0, 960606.0, 13942.0))),
        "t2_perslice_anat": (CORD, request(PER_SLICE, image=image("T2w"))),
        "gap_2slices": ("gap_2slices", request(PER_SLICE)),
        "gap_agg": ("gap_2slices", request(WHOLE)),
        "two_objects_z21": ("two_objects_z21", request(PER_SLICE)),
        "two_agg": ("two_objects_z21", request(WHOLE)),
    }
    for algorithm in ("polyfit", "linear", "nurbs"):
        fit = CentrelineFit(algorithm)  # type: ignore[arg-type]
        found[f"t2_perslice_{algorithm}"] = (CORD, request(PER_SLICE, fit=fit))
    junction = {"pmj": mask("PAM50_small_t2_pmj_manual")}
    at_60 = request(WHOLE, pmj_distance=60.0, **junction)
    found["PAM50small_pmj60"] = ("PAM50_small_cord", at_60)
    found["PAM50small_pmj_perslice"] = ("PAM50_small_cord", request(PER_SLICE, **junction))
    return found


@pytest.mark.parametrize("name", cases())
def test_the_table_is_scts(name: str, tmp_path: Path) -> None:
    source, asked = cases()[name]
    assert_equal(measured(mask(source), asked).table, reference(name, tmp_path))


def test_a_changed_value_is_noticed(tmp_path: Path) -> None:
    theirs = reference("t2_agg", tmp_path)
    ours = measured(mask(CORD), request(WHOLE)).table
    row = ours.rows[0]
    moved = replace(row, values=((row.values[0] or 0) * (1 + 3e-6), *row.values[1:]))
    with pytest.raises(AssertionError):
        assert_equal(replace(ours, rows=(moved,)), theirs)


def test_the_first_areas_are_the_published_ones() -> None:
    area = measured(mask(CORD), request(PER_SLICE)).table.column("MEAN(area)")
    assert area[:3] == pytest.approx([67.92710994, 71.96880494, 69.10395617], abs=1e-8)
    magnetisation = measured(mask("mt1_seg"), request(PER_SLICE)).table.column("MEAN(area)")
    assert magnetisation == pytest.approx(
        [57.55009, 73.42326, 79.48846, 76.20503, 80.63114], abs=1e-5
    )


def test_soft_area_comes_after_scts_columns() -> None:
    cord = mask(CORD)
    soft = Probability(cord.data.astype(np.float32), cord.grid)
    table = measured(cord, request(PER_SLICE, soft=soft)).table
    assert table.columns[-2:] == ("MEAN(area_soft)", "STD(area_soft)")
    assert table.columns[-3] == "SUM(length)"


def test_two_sources_of_levels_are_refused() -> None:
    both = request(PER_SLICE, level_map=mask(LEVEL_MAP), discs=mask(NO_DISCS))
    with pytest.raises(ImageError, match="one of them"):
        measured(mask(CORD), both)


def test_pam50_without_levels_is_refused() -> None:
    with pytest.raises(ImageError, match="level"):
        measured(mask(CORD), request(PER_SLICE, to_pam50=True))


def test_a_distance_in_pam50_is_refused() -> None:
    levels, junction = mask(LEVEL_MAP), mask(LEVEL_MAP)
    junction = replace(junction, data=np.zeros_like(junction.data))
    junction.data[30, 30, -1] = 1
    asked = request(
        Selection(per_level=True), to_pam50=True, level_map=levels, pmj=junction, pmj_distance=30.0
    )
    with pytest.raises(ImageError, match="no place in PAM50"):
        measured(mask(CORD), asked)


def test_a_distance_beyond_the_cord_is_refused() -> None:
    far = request(WHOLE, pmj=mask("PAM50_small_t2_pmj_manual"), pmj_distance=9000.0)
    with pytest.raises(ImageError, match="outside the cord"):
        measured(mask("PAM50_small_cord"), far)


def test_the_extent_around_the_junction_is_that_asked_for() -> None:
    cord, junction = mask("PAM50_small_cord"), mask("PAM50_small_t2_pmj_manual")
    distances = pmj.distances(cord, junction)
    present = np.flatnonzero((cord.data > 0).any(axis=(0, 1)))
    for extent in (10.0, 20.0, 40.0):
        slices = pmj.slices_at(60.0, distances, present, extent)
        assert len(slices) == pytest.approx(extent / cord.grid.spacing[2], abs=1)
        assert distances[list(slices)].mean() == pytest.approx(60.0, abs=2.0)


def test_slices_that_the_centreline_lacks_are_left_out_when_asked() -> None:
    cord = mask(CORD)
    upper = cord.reoriented(AXES).data.copy()
    held = np.flatnonzero(upper.any(axis=(0, 1)))
    upper[:, :, held[-10:]] = 0
    part = Volume(upper, cord.grid.reoriented(AXES)).reoriented(cord.grid.axcodes)
    with pytest.raises(ImageError, match="covers the slices"):
        measured(cord, CsaRequest(centreline=part))
    kept = measured(cord, CsaRequest(centreline=part, only_on_centreline=True))
    assert kept.morphometrics.slices.tolist() == held[:-10].tolist()
    expected = measured(part, CsaRequest())
    np.testing.assert_allclose(kept.morphometrics.area, expected.morphometrics.area)
