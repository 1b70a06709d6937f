"""The line from image to segmentation: the same cord in the world, however it is stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from samples import all_codes, cord_crop, cord_crop_label, dice, geometry, image, label

from sct_deepseg_general.errors import DeepsegError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Box, Segmentation, Volume, from_sct_letters
from sct_deepseg_general.inference import pipeline
from sct_deepseg_general.inference.engine import Engine
from sct_deepseg_general.inference.pipeline import Options, segment
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.inference.preprocess import cut_out, prepared
from sct_deepseg_general.inference.test_time import views

HOME = ("P", "S", "R")


@pytest.fixture(scope="module")
def reference(predictor: Predictor) -> pipeline.InferenceResult:
    found = segment(cord_crop(), predictor)
    assert found.segmentation.data.sum() > 500
    return found


def stored(folder: Path, volume: Volume, codes: tuple[str, str, str]) -> Path:
    """The volume as a file in another orientation."""
    path = folder / f"{''.join(codes)}.nii"
    nifti.save(volume.reoriented(codes), path)
    return path


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_the_48_orientations_give_the_same_cord(
    reference: pipeline.InferenceResult, predictor: Predictor, tmp_path: Path, every: int
) -> None:
    """Every third of them has each axis in each place, and turned both ways."""
    overlaps = {}
    for codes in list(all_codes())[::every]:
        path = stored(tmp_path, cord_crop(), codes)
        found = segment(nifti.load(path), predictor).segmentation
        nifti.save(found, tmp_path / "seg.nii.gz")
        assert geometry(tmp_path / "seg.nii.gz") == geometry(path), codes
        assert found.grid.axcodes == codes
        back = found.reoriented(HOME)
        assert back.grid.matches(reference.segmentation.grid)
        overlaps[codes] = dice(back.data, reference.segmentation.data)
    assert len(overlaps) == -(-48 // every)
    assert {(codes[i], i) for codes in overlaps for i in range(3)} == {
        (letter, i) for letter in "LRAPSI" for i in range(3)
    }
    assert min(overlaps.values()) == 1.0


@pytest.mark.parametrize(("qform", "sform"), [(1, 0), (0, 1), (0, 4), (3, 2)])
def test_either_form_will_do(
    qform: int,
    sform: int,
    reference: pipeline.InferenceResult,
    predictor: Predictor,
    tmp_path: Path,
) -> None:
    volume = cord_crop()
    made = nib.Nifti1Image(volume.data, volume.grid.affine)
    made.set_qform(volume.grid.affine, qform)
    made.set_sform(volume.grid.affine, sform)
    nib.save(made, tmp_path / "in.nii.gz")
    found = segment(nifti.load(tmp_path / "in.nii.gz"), predictor)
    nifti.save(found.segmentation, tmp_path / "out.nii.gz")
    assert geometry(tmp_path / "out.nii.gz") == geometry(tmp_path / "in.nii.gz")
    assert dice(found.segmentation.data, reference.segmentation.data) == 1.0


def test_a_series_gives_the_cord_of_its_mean(
    reference: pipeline.InferenceResult, predictor: Predictor, tmp_path: Path
) -> None:
    volume = cord_crop()
    frames = [volume.data + shift for shift in (-40, 10, 30)]
    series = nib.Nifti1Image(np.stack(frames, 3).astype(np.int16), volume.grid.affine)
    nib.save(series, tmp_path / "in.nii.gz")
    found = segment(nifti.load(tmp_path / "in.nii.gz"), predictor)
    assert found.image.frames == 3
    assert found.segmentation.data.shape == volume.data.shape
    assert dice(found.segmentation.data, reference.segmentation.data) == 1.0


@dataclass
class Watched:
    """An engine that keeps what it is given."""

    engine: Engine
    seen: list[np.ndarray] = field(default_factory=list)
    name: str = "watched"
    device: str = "cpu"

    def difference(self, data: Any, wanted: Any, progress: Any) -> Any:
        self.seen.append(data)
        return self.engine.difference(data, wanted, progress)


@pytest.mark.parametrize("averaging", [False, True])
def test_the_model_says_whether_small_voxels_are_averaged(
    averaging: bool, predictor: Predictor
) -> None:
    watched = Watched(predictor.engine)
    model = replace(predictor.model, averaging=averaging)
    crop = image("acq-crop_T2star")
    segment(crop, Predictor(model, watched, None), Options(exact=True, uncertainty=True))
    upright = crop.reoriented(from_sct_letters(model.orientation))
    whole = prepared(upright, upright.grid.box, model.spacing, averaging=averaging)
    other = prepared(upright, upright.grid.box, model.spacing, averaging=not averaging)
    np.testing.assert_array_equal(watched.seen[0], whole.data.transpose(2, 1, 0))
    assert not np.array_equal(whole.data, other.data)
    crop = cut_out(upright, upright.grid.box, model.spacing, averaging=averaging)
    for view, seen in zip(views(crop, whole), watched.seen[1:], strict=True):
        np.testing.assert_array_equal(seen, view.data.transpose(2, 1, 0))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_scaled_integers_give_the_same_cord(
    suffix: str, reference: pipeline.InferenceResult, predictor: Predictor, tmp_path: Path
) -> None:
    volume = cord_crop()
    made = nib.Nifti1Image(volume.data.astype(np.int16), volume.grid.affine)
    made.header.set_slope_inter(0.25, -17)
    path = tmp_path / f"in{suffix}"
    nib.save(made, path)
    assert nifti.load(path).data.dtype == np.float64
    found = segment(nifti.load(path), predictor).segmentation
    assert dice(found.data, reference.segmentation.data) > 0.995  # a quarter of the grey levels


SPACINGS = [
    (0.3, 0.3, 17.5),
    (0.3, 0.3, 0.5),
    (1.5, 1.5, 0.5),
    (1.5, 1.5, 8.0),
    (0.5, 0.5, 5.0),
]


@pytest.mark.parametrize("spacing", SPACINGS, ids=str)
def test_any_voxel_size_runs(spacing: tuple[float, float, float], predictor: Predictor) -> None:
    upright = cord_crop().reoriented(("L", "A", "S")).resampled(spacing)
    found = segment(upright, predictor)
    assert found.segmentation.grid is upright.grid
    truth = cord_crop_label().reoriented(("L", "A", "S"))
    expected = Volume(truth.data.astype(np.float32), truth.grid).resampled_to(upright.grid)
    assert dice(found.segmentation.data, expected.data >= 0.5) > 0.7


@pytest.mark.parametrize("codes", [("L", "A", "S"), ("S", "A", "L")], ids="".join)
def test_one_slice_runs(codes: tuple[str, str, str], predictor: Predictor) -> None:
    volume = image("acq-MTon_MTS").reoriented(codes)
    x, y, z = volume.grid.shape
    thin = volume.cropped(Box((0, 0, z // 2), (x, y, z // 2 + 1)))
    found = segment(thin, predictor)
    assert found.segmentation.data.shape == (x, y, 1)


def test_the_result_is_on_the_images_grid_with_its_header(
    reference: pipeline.InferenceResult, predictor: Predictor
) -> None:
    assert isinstance(reference.segmentation, Segmentation)
    for made in (reference.segmentation, reference.probability):
        assert made.grid is reference.image.grid
        assert made.header is reference.image.header
    assert set(np.unique(reference.segmentation.data)) == {0, 1}
    assert reference.oriented.axcodes == ("R", "A", "S")
    assert reference.probability.data.dtype == np.float32


def test_the_threshold_is_the_models_unless_asked(predictor: Predictor) -> None:
    loose, usual, strict = (
        segment(cord_crop(), predictor, Options(threshold=t)).segmentation.data.sum()
        for t in (0.05, None, 0.95)
    )
    assert loose > usual > strict


def test_without_cleaning_every_voxel_above_the_threshold_counts(predictor: Predictor) -> None:
    found = segment(cord_crop(), predictor, Options(0.3, largest=False, fill_holes=False))
    np.testing.assert_array_equal(found.segmentation.data, found.probability.data >= 0.3)


def test_progress_reaches_its_end(predictor: Predictor) -> None:
    calls: list[tuple[int, int]] = []
    segment(cord_crop(), predictor, progress=lambda done, total: calls.append((done, total)))
    assert calls
    assert calls[-1][0] == calls[-1][1]


def test_noise_holds_no_cord(predictor: Predictor) -> None:
    data = np.random.default_rng(0).normal(0, 1, (38, 40, 38)).astype(np.float32)
    found = segment(Volume(data, cord_crop().grid), predictor)
    assert found.segmentation.data.mean() < 0.02


def test_the_label_of_the_crop_is_where_the_cord_is(reference: pipeline.InferenceResult) -> None:
    assert cord_crop_label().data.sum() < label("T2w").data.sum()
    assert dice(reference.segmentation.data, cord_crop_label().data) > 0.8


@pytest.mark.parametrize("blank", [range(14, 24), range(0, 40, 2), range(30, 40)])
def test_no_cord_is_drawn_where_there_is_no_signal(
    blank: range, reference: pipeline.InferenceResult, predictor: Predictor
) -> None:
    """Lost slices stay empty, and the cord on both sides of a gap is kept."""
    data = cord_crop().data.copy()  # axes P, S, R: slices are along the second
    data[:, list(blank)] = 0
    found = segment(replace(cord_crop(), data=data), predictor)
    assert not found.segmentation.data[:, list(blank)].any()
    assert found.probability.data[:, list(blank)].max() < predictor.model.threshold
    if blank.step == 1:
        kept = np.setdiff1d(np.arange(40), [*blank, blank.start - 1, blank.stop])
        ours, whole = (one.segmentation.data[:, kept] for one in (found, reference))
        assert dice(ours, whole) > 0.8


def test_a_threshold_that_makes_no_mask_is_refused() -> None:
    for threshold in (0.0, -0.1, 1.1):
        with pytest.raises(DeepsegError, match="makes no mask"):
            Options(threshold=threshold)
