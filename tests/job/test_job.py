"""One image's whole work: what is written, and that a fault leaves what was there."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from full_disk import full_after
from nibabel import orientations
from samples import cord_crop, geometry

from sct_deepseg_general.csa.measure import CsaRequest
from sct_deepseg_general.csa.selection import Selection
from sct_deepseg_general.csa.table import FIXED_COLUMNS, STATUS
from sct_deepseg_general.errors import ImageError, OutputError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.image.volume import Box, Volume
from sct_deepseg_general.inference.pipeline import Options
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.inference.test_time import VIEWS
from sct_deepseg_general.job.job import run
from sct_deepseg_general.job.outputs import outputs_for
from sct_deepseg_general.job.qc_entry import filed, slice_areas
from sct_deepseg_general.job.values import Done, Job, QcPlace, Request

NUMBERS = ("area", "area_lower", "area_upper")
SOFT = Request(soft=True, command="the command")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("job")


@pytest.fixture(scope="module")
def done(folder: Path, predictor: Predictor) -> Done:
    nifti.save(cord_crop(), folder / "t2.nii.gz")
    return run(Job(folder / "t2.nii.gz", outputs_for(folder / "t2.nii.gz")), predictor, SOFT)


def test_a_result_is_brought_to_the_bodys_axes_once(
    tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turned are the image to the model's axes, the probability back, then to LAS the image, the
    mask, the probability and the coarse mask.
    """
    nifti.save(cord_crop().reoriented(("P", "S", "R")), tmp_path / "t2.nii.gz")
    turned: list[tuple[int, ...]] = []
    before = orientations.apply_orientation

    def counted(data: np.ndarray, transform: np.ndarray) -> np.ndarray:
        turned.append(data.shape)
        return before(data, transform)

    monkeypatch.setattr(orientations, "apply_orientation", counted)
    request = Request(soft=True, qc=QcPlace(tmp_path / "qc"))
    run(Job(tmp_path / "t2.nii.gz", outputs_for(tmp_path / "t2.nii.gz")), predictor, request)
    assert len(turned) == 6


def test_everything_asked_for_is_there_and_nothing_else(done: Done, folder: Path) -> None:
    assert names(folder) == [
        "t2.nii.gz",
        "t2_seg.json",
        "t2_seg.nii.gz",
        "t2_seg_csa.csv",
        "t2_softseg.nii.gz",
    ]
    assert done.seconds > 0
    assert done.qc_page is None


def test_the_masks_geometry_is_the_images(done: Done) -> None:
    outputs = done.job.outputs
    for path in (outputs.segmentation, outputs.soft):
        assert geometry(path) == geometry(done.job.image)
    mask, soft = nib.load(outputs.segmentation), nib.load(outputs.soft)
    assert mask.get_data_dtype() == np.uint8
    assert soft.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(mask.dataobj), done.result.segmentation.data)
    assert np.asarray(soft.dataobj)[np.asarray(mask.dataobj) > 0].mean() > 0.5


def test_the_table_has_a_row_for_each_slice(done: Done) -> None:
    with done.job.outputs.csa.open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert tuple(header[: len(FIXED_COLUMNS)]) == FIXED_COLUMNS
    assert len(rows) == cord_crop().reoriented(("L", "A", "S")).grid.shape[2]
    areas = [float(row[header.index("MEAN(area)")] or "nan") for row in rows]
    np.testing.assert_allclose(areas, done.table.area)
    assert done.mean_area == pytest.approx(np.nanmean(areas))
    assert {row[2] for row in rows} == {str(done.job.outputs.segmentation)}
    assert header[-1] == STATUS
    assert {row[-1] for row in rows} == {done.quality.status}


def test_the_sidecar_names_the_image_the_model_and_the_verdict(
    done: Done, predictor: Predictor
) -> None:
    text = done.job.outputs.sidecar.read_text(encoding="utf-8")
    written = json.loads(text)
    assert written["GeneratedBy"][0]["Model"] == predictor.model.key
    assert written["GeneratedBy"][0]["ModelSHA256"] == predictor.model.digest
    assert hashlib.sha256(done.job.image.read_bytes()).hexdigest() in text
    assert written["Status"] == done.quality.status
    assert written["Parameters"]["threshold"] == predictor.model.threshold


def test_every_area_has_an_interval_wherever_it_is_told(done: Done) -> None:
    with done.job.outputs.csa.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    told = json.loads(done.job.outputs.sidecar.read_text(encoding="utf-8"))["Area"]
    for row, shown in zip((r for r in rows if r["MEAN(area)"]), slice_areas(done), strict=True):
        area, lower, upper = (float(row[f"MEAN({n})"]) for n in NUMBERS)
        assert 0 <= lower < area < upper
        assert (shown.area, shown.lower, shown.upper) == pytest.approx((area, lower, upper))
    assert told["Lower"] < told["Mean"] < told["Upper"]
    assert told["Mean"] == pytest.approx(done.mean_area, abs=1e-3)
    assert told["From"] == "border"
    assert done.doubt.views is None


def test_views_are_looked_at_only_when_asked(cord: Path, predictor: Predictor) -> None:
    request = Request(options=Options(uncertainty=True))
    done = run(Job(cord, outputs_for(cord)), predictor, request)
    assert done.doubt.views is not None
    assert len(done.doubt.agreement) == len(VIEWS)
    assert np.isfinite(done.doubt.views[done.table.slices]).all()
    told = json.loads(done.job.outputs.sidecar.read_text(encoding="utf-8"))
    assert told["Area"]["From"] == "border"
    assert told["Parameters"]["uncertainty"] is True


def test_levels_divide_the_rows_and_name_the_slices(cord: Path, predictor: Predictor) -> None:
    image = nifti.load(cord)
    slices = image.reoriented(AXES).grid.shape[2]
    below = np.zeros(image.grid.reoriented(AXES).shape)
    below[:, :, : slices // 2], below[:, :, slices // 2 :] = 4, 3
    known = Volume(below, image.grid.reoriented(AXES)).reoriented(image.grid.axcodes)
    request = Request(measures=CsaRequest(Selection(per_level=True), level_map=known))
    done = run(Job(cord, outputs_for(cord)), predictor, request)
    assert [row.levels for row in done.measured.table.rows] == [(4,), (3,)]
    assert {shown.level for shown in slice_areas(done)} == {"C3", "C4"}


def test_again_gives_the_same_bytes(done: Done, predictor: Predictor, tmp_path: Path) -> None:
    again = replace(done.job, outputs=outputs_for(done.job.image, tmp_path))
    run(again, predictor, SOFT)
    for name in ("t2_seg.nii.gz", "t2_softseg.nii.gz", "t2_seg.json"):
        before = done.job.image.parent / name
        assert (tmp_path / name).read_bytes() == before.read_bytes(), name


def test_only_what_is_asked_for_is_written(cord: Path, predictor: Predictor) -> None:
    run(Job(cord, outputs_for(cord)), predictor, Request(csa=False))
    assert names(cord.parent) == ["t2.nii.gz", "t2_seg.json", "t2_seg.nii.gz"]


@pytest.mark.parametrize("size", [100, 700, 3000])
def test_a_disk_that_fills_up_leaves_what_was_there(
    size: int, cord: Path, predictor: Predictor
) -> None:
    job = Job(cord, outputs_for(cord))
    job.outputs.segmentation.write_text("old")
    job.outputs.sidecar.write_text("older")
    before = names(cord.parent)
    with full_after(size), pytest.raises(OutputError, match="Cannot write") as caught:
        run(job, predictor, SOFT)
    assert ".part-" not in str(caught.value)
    assert names(cord.parent) == before
    assert job.outputs.segmentation.read_text() == "old"
    assert job.outputs.sidecar.read_text() == "older"


def test_an_unusable_image_leaves_nothing(tmp_path: Path, predictor: Predictor) -> None:
    (tmp_path / "t2.nii").write_bytes(b"no image")
    with pytest.raises(ImageError):
        run(Job(tmp_path / "t2.nii", outputs_for(tmp_path / "t2.nii")), predictor, SOFT)
    assert names(tmp_path) == ["t2.nii"]


def test_an_image_without_cord_fails_in_quality_not_in_work(
    tmp_path: Path, predictor: Predictor
) -> None:
    noise = np.random.default_rng(5).normal(0, 1, (30, 30, 12)).astype(np.float32)
    nifti.save(
        Volume(noise, cord_crop().grid.cropped(Box((0, 0, 0), noise.shape))), tmp_path / "t2.nii"
    )
    request = Request(options=replace(SOFT.options, threshold=1.0))
    done = run(Job(tmp_path / "t2.nii", outputs_for(tmp_path / "t2.nii")), predictor, request)
    assert done.quality.status == "fail"
    assert math.isnan(done.mean_area)
    assert not np.asarray(nib.load(done.job.outputs.segmentation).dataobj).any()
    assert done.job.outputs.csa.exists()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("study/sub-1/anat/sub-1_T2w.nii.gz", ("study", "sub-1", "T2w")),
        ("study/sub-1/ses-2/anat/sub-1_ses-2_acq-x_T1w.nii", ("study", "sub-1 ses-2", "T1w")),
        ("data/p7/t2/t2.nii.gz", ("data", "p7", "t2")),
        ("data/p7/t2/sub-1_T2w.nii.gz", ("data", "p7", "T2w")),
        ("data/sub-1/t2/sub-1.nii.gz", ("data", "sub-1", "t2")),
    ],
)
def test_an_image_is_filed_by_its_bids_name_or_its_folders(
    path: str, names: tuple[str, str, str]
) -> None:
    assert filed(Path("/") / path) == names


def test_a_qc_page_is_added_where_asked(cord: Path, predictor: Predictor) -> None:
    request = Request(qc=QcPlace(cord.parent / "qc", "study", "sub-7"))
    done = run(Job(cord, outputs_for(cord)), predictor, request)
    assert done.qc_page is not None
    assert done.qc_page.is_relative_to(cord.parent / "qc")
    assert done.qc_page.exists()
    texts = [p.read_text(errors="ignore") for p in (cord.parent / "qc").rglob("*.js*")]
    assert any("sub-7" in text for text in texts)
    told = json.loads(done.job.outputs.sidecar.read_text(encoding="utf-8"))["Area"]
    (view,) = (text for text in texts if text.startswith("qc.view("))
    shown = json.loads(f"[{view.removeprefix('qc.view(').strip().removesuffix(');')}]")[1]
    assert shown["interval"] == pytest.approx([told["Lower"], told["Upper"]], abs=0.006)


def test_slices_without_signal_have_no_area_and_are_in_the_status(
    tmp_path: Path, predictor: Predictor
) -> None:
    data = cord_crop().data.copy()  # axes P, S, R
    data[:, 14:24] = 0
    nifti.save(replace(cord_crop(), data=data), tmp_path / "t2.nii.gz")
    done = run(
        Job(tmp_path / "t2.nii.gz", outputs_for(tmp_path / "t2.nii.gz")), predictor, Request()
    )
    assert np.isnan(done.table.area[14:24]).all()
    assert np.isfinite(done.table.area[[5, 30]]).all()
    assert done.quality.status == "warn"
    assert any("no signal in slices 14 to 23" in reason for reason in done.quality.reasons)
    assert not any("fragments" in reason for reason in done.quality.reasons)
    rows = list(csv.DictReader((tmp_path / "t2_seg_csa.csv").read_text().splitlines()))
    assert not any(row["MEAN(area)"] for row in rows[14:24])


def test_a_background_of_nan_is_counted_in_the_sidecar(
    done: Done, tmp_path: Path, predictor: Predictor
) -> None:
    data = cord_crop().data.astype(np.float32)
    edge = np.zeros(data.shape, bool)
    edge[:4] = True
    assert not done.result.segmentation.data[edge].any()
    data[edge] = np.nan
    nifti.save(replace(cord_crop(), data=data), tmp_path / "t2.nii.gz")
    found = run(Job(tmp_path / "t2.nii.gz", outputs_for(tmp_path / "t2.nii.gz")), predictor, SOFT)
    assert json.loads((tmp_path / "t2_seg.json").read_text())["UndefinedVoxels"] == edge.sum()
    assert found.mean_area == pytest.approx(done.mean_area, rel=0.05)


def test_a_header_without_orientation_is_a_possible_cause_of_failure(
    tmp_path: Path, predictor: Predictor
) -> None:
    """The same voxels, turned by 90 degrees, with both codes 0: nothing tells which way is up."""
    turned = nib.Nifti1Image(np.moveaxis(cord_crop().data, 1, 0), None)
    turned.header.set_zooms(cord_crop().grid.spacing)
    nib.save(turned, tmp_path / "t2.nii.gz")
    image = nifti.load(tmp_path / "t2.nii.gz")
    assert image.header is not None
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (0, 0)
    done = run(
        Job(tmp_path / "t2.nii.gz", outputs_for(tmp_path / "t2.nii.gz")), predictor, Request()
    )
    assert done.quality.status == "fail"
    assert "the orientation may be wrong" in done.quality.reasons[-1]


def test_a_wrong_orientation_with_valid_codes_is_a_possible_cause_too(
    tmp_path: Path, predictor: Predictor
) -> None:
    crop = cord_crop().reoriented(("L", "A", "S"))
    affine = np.diag([-1.0, 1, 1, 1]) * [*np.array(crop.grid.spacing)[[1, 0, 2]], 1]
    nib.save(nib.Nifti1Image(np.moveaxis(crop.data, 1, 0), affine), tmp_path / "t2.nii.gz")
    job = Job(tmp_path / "t2.nii.gz", outputs_for(tmp_path / "t2.nii.gz"))
    done = run(job, predictor, Request())
    assert done.quality.status == "fail"
    assert "the orientation may be wrong in the header" in done.quality.reasons[-1]


def test_an_annexed_image_is_filed_by_its_own_place(tmp_path: Path) -> None:
    image = tmp_path / "neck/sub-01/anat/sub-01_T2w.nii.gz"
    image.parent.mkdir(parents=True)
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects/key.nii.gz").touch()
    image.symlink_to(tmp_path / "objects/key.nii.gz")
    assert filed(image) == ("neck", "sub-01", "T2w")
