"""SCT gives the same numbers as this package; it runs where it is installed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from samples import image
from sct_reference import CORD, LEVEL_MAP, NO_DISCS, assert_equal, mask, reference

from sct_deepseg_general.csa import measure, sct
from sct_deepseg_general.csa import table as csa_table
from sct_deepseg_general.csa.measure import CsaRequest
from sct_deepseg_general.csa.person import Covariates
from sct_deepseg_general.csa.sct import COMMAND, command_path
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.image.volume import Probability
from sct_deepseg_general.morphometry.centreline import CentrelineFit

INSTALLED = command_path(COMMAND) is not None


@pytest.mark.sct
@pytest.mark.skipif(not INSTALLED, reason="no SCT here")
def test_measuring(tmp_path: Path) -> None:
    whole = CsaRequest()
    assert_equal(sct.measured(mask(CORD), whole), reference("t2_agg", tmp_path))
    levels = CsaRequest(selection=Selection(levels=(2, 3, 4), per_level=True), discs=mask(NO_DISCS))
    assert_equal(sct.measured(mask(CORD), levels), reference("t2_disc_perlevel", tmp_path))


def test_an_absent_sct_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SCT_DIR", raising=False)
    with pytest.raises(BackendError, match="sct_process_segmentation was not found"):
        sct.measured(mask(CORD), CsaRequest())


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Commands under $SCT_DIR/bin that write down their arguments and fail."""
    folder = tmp_path / "sct" / "bin"
    folder.mkdir(parents=True)
    script = folder / COMMAND
    script.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\necho oh dear >&2\nexit 3\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("SCT_DIR", str(folder.parent))
    monkeypatch.setenv("PATH", os.defpath)
    return tmp_path / "said"


def test_every_wish_reaches_scts_command(recorder: Path) -> None:
    request = CsaRequest(
        selection=Selection(slices=(3, 4), levels=(2, 3), per_slice=True),
        angle_correction=False,
        fit=CentrelineFit("linear", smooth=40),
        level_map=mask(LEVEL_MAP),
        image=image("T2w"),
        to_pam50=True,
        person=Covariates(1, 1.1e6, 14000.0),
    )
    with pytest.raises(BackendError, match="exit code 3: oh dear"):
        sct.measured(mask(CORD), request)
    said = recorder.read_text()
    for words in (
        "-angle-corr 0", "-centerline-algo linear", "-centerline-smooth 40", "-perslice 1",
        "-perlevel 0", "-z 3,4", "-vert 2,3", "-normalize-PAM50 1", "vertfile.nii.gz",
        "anat.nii.gz", "-normalize sex 1 brain-volume 1100000.0 thalamus-volume 14000.0",
    ):  # fmt: skip
        assert words in said


def test_the_junction_reaches_scts_command(recorder: Path) -> None:
    cord = mask("PAM50_small_cord")
    junction = mask("PAM50_small_t2_pmj_manual")
    with pytest.raises(BackendError, match="oh dear"):
        sct.measured(cord, CsaRequest(pmj=junction, pmj_distance=60.0, pmj_extent=30.0))
    assert "-pmj-distance 60.0 -pmj-extent 30.0" in recorder.read_text()


def test_a_command_that_cannot_start_is_said(recorder: Path) -> None:
    (recorder.parent / "sct" / "bin" / COMMAND).write_text("#!/no/such/interpreter\n")
    with pytest.raises(BackendError, match="could not be run"):
        sct.measured(mask(CORD), CsaRequest())


def test_sct_has_no_soft_area(recorder: Path) -> None:
    cord = mask(CORD)
    soft = Probability(cord.data.astype(np.float32), cord.grid)
    with pytest.raises(BackendError, match="soft"):
        sct.measured(cord, CsaRequest(soft=soft))
    assert not recorder.exists()


def test_a_person_without_thalamus_and_a_given_centreline_reach_scts_command(
    recorder: Path,
) -> None:
    cord = mask(CORD)
    request = CsaRequest(person=Covariates(0, 9e5), centreline=cord, only_on_centreline=True)
    with pytest.raises(BackendError, match="exit code 3"):
        sct.measured(cord, request)
    said = recorder.read_text()
    assert "-normalize sex 0 brain-volume 900000.0" in said
    assert "thalamus" not in said
    assert "-centerline-exclude-missing 1" in said


def test_what_scts_commands_write_is_read(recorder: Path, tmp_path: Path) -> None:
    """A script that copies a table stands in for SCT."""
    cord, table = mask(CORD), tmp_path / "table.csv"
    measured = measure.measured(cord, CsaRequest()).table
    csa_table.write(table, measured, "mask.nii.gz", "SCT", append=False)
    (recorder.parent / "sct" / "bin" / COMMAND).write_text(
        f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\ncp "{table}" "$2"\n'
    )
    found = sct.measured(cord, CsaRequest())
    assert found.column("MEAN(area)") == measured.column("MEAN(area)")
