from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantoms import Convention, affine_of, cylinder, phantom_bids, shared, write_nifti
from scipy import ndimage

from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.errors import DatasetError, ImageError
from sct_deepseg_general.evaluation.cases import (
    EvaluationCase,
    TrainingData,
    cases_of_indexes,
)
from sct_deepseg_general.evaluation.evaluate import Candidate, Segmenter, evaluate_models
from sct_deepseg_general.evaluation.measurement import Measurement
from sct_deepseg_general.files import sha256
from sct_deepseg_general.image.nifti import load_segmentation
from sct_deepseg_general.image.volume import Segmentation, Volume

SHAPE, SPACING = (40, 36, 8), (0.5, 0.5, 4.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    convention = Convention(people=("01", "02"), shape=SHAPE, spacing=SPACING, codes="RPI")
    return phantom_bids(tmp_path / "ds", convention)


def cases_of(root: Path) -> tuple[EvaluationCase, ...]:
    return cases_of_indexes([index(root)])


def from_labels(root: Path) -> Segmenter:
    """The perfect segmenter: it looks the answer up."""
    answers = {load_key(case): load_segmentation(case.label) for case in cases_of(root)}
    return lambda image: answers[float(image.data.sum())]


def load_key(case: EvaluationCase) -> float:
    from sct_deepseg_general.image.nifti import load

    return float(load(case.image).data.sum())


def grown(root: Path) -> Segmenter:
    """One voxel too large in-plane, everywhere."""
    perfect = from_labels(root)
    plane = ndimage.generate_binary_structure(3, 1)
    plane[:, :, [0, 2]] = False

    def segment(image: Volume) -> Segmentation:
        found = perfect(image)
        return replace(found, data=ndimage.binary_dilation(found.data, plane).astype(np.uint8))

    return segment


def nothing(image: Volume) -> Segmentation:
    return Segmentation(np.zeros(image.grid.shape, np.uint8), image.grid)


def failing(image: Volume) -> Segmentation:
    raise ImageError(f"out of memory on {image.grid.shape}")


def rows_of(root: Path, segment: Segmenter) -> list[Measurement]:
    return list(evaluate_models([Candidate("m", segment)], cases_of(root)))


def test_the_labels_themselves_score_perfectly(root: Path) -> None:
    for row in rows_of(root, from_labels(root)):
        assert (row.dice, row.hausdorff, row.csa_error, row.status) == (1, 0, 0, "ok")
        area = row.reference_volume / (SHAPE[2] * SPACING[2])
        assert row.csa == pytest.approx(area, rel=0.02)
        assert len(row.profile.height) == SHAPE[2]


def test_a_segmentation_one_voxel_too_large_is_so_in_every_metric(root: Path) -> None:
    for row in rows_of(root, grown(root)):
        assert 0.8 < row.dice < 1
        assert row.sensitivity == 1
        assert row.ppv < 1
        assert row.volume_error == row.volume_error_abs > 10
        assert row.hausdorff == pytest.approx(0.5)
        assert row.csa_error == row.csa_error_abs
        assert 100 * row.csa_error / row.reference_csa == pytest.approx(row.volume_error, rel=0.05)


@pytest.mark.parametrize(("segment", "status"), [(nothing, "empty"), (failing, "failed")])
def test_empty_and_failed_cases_count_as_the_worst(
    root: Path, segment: Segmenter, status: str
) -> None:
    """Trap: empty and failed cases were dropped from the means."""
    rows = rows_of(root, segment)
    assert len(rows) == 2
    for row in rows:
        assert (row.status, row.dice, row.volume_error) == (status, 0, -100)
        assert row.hausdorff > 20
        assert row.csa_error == pytest.approx(-row.reference_csa)
    assert ("out of memory" in rows[0].reason) == (status == "failed")


def test_heights_are_scanner_coordinates(root: Path) -> None:
    heights = rows_of(root, nothing)[0].profile.height
    assert heights == pytest.approx(np.arange(-14, 15, 4.0).tolist())


def test_a_case_seen_in_training_is_refused_by_its_content(root: Path) -> None:
    case = cases_of(root)[0]
    seen = Candidate("m", nothing, TrainingData(images=frozenset({sha256(case.image)})))
    with pytest.raises(DatasetError, match="was trained on"):
        list(evaluate_models([seen], cases_of(root)))


def test_a_person_seen_in_training_is_refused_whatever_the_image(root: Path) -> None:
    seen = Candidate("m", nothing, TrainingData(people=frozenset({"ds/sub-02"})))
    with pytest.raises(DatasetError, match="ds_sub-02"):
        list(evaluate_models([seen], cases_of(root)))
    assert len(list(evaluate_models([seen], cases_of(root)[:1]))) == 1


def test_known_measurements_are_not_made_again(root: Path) -> None:
    rows = rows_of(root, nothing)
    again = evaluate_models([Candidate("m", _never)], cases_of(root), known=rows)
    assert list(again) == rows
    label = cases_of(root)[0].label
    write_nifti(
        label, cylinder(SHAPE, SPACING, 3).astype(np.uint8), affine_of("RPI", SPACING, SHAPE)
    )
    changed = list(evaluate_models([Candidate("m", nothing)], cases_of(root), known=rows))
    assert changed[0] != rows[0]
    assert changed[1] == rows[1]


def _never(image: Volume) -> Segmentation:
    raise AssertionError(f"segmented {image} again")


def test_a_reference_of_several_volumes_is_refused(root: Path) -> None:
    """The mean of masks that differ is no mask."""
    label, affine = cases_of(root)[0].label, affine_of("RPI", SPACING, SHAPE)
    mask = cylinder(SHAPE, SPACING, 3).astype(np.uint8)
    write_nifti(label, np.stack([mask, 0 * mask], axis=3), affine)
    with pytest.raises(DatasetError, match=r"is 4D \(2 volumes\)"):
        rows_of(root, nothing)


def test_a_reference_off_its_image_is_refused(root: Path) -> None:
    label = cases_of(root)[0].label
    affine = affine_of("RPI", SPACING, SHAPE)
    affine[0, 3] += 3
    write_nifti(label, cylinder(SHAPE, SPACING, 3).astype(np.uint8), affine)
    with pytest.raises(DatasetError, match="mm off"):
        rows_of(root, nothing)


def test_a_reference_on_other_axes_is_brought_to_the_images(root: Path) -> None:
    case = cases_of(root)[0]
    turned = load_segmentation(case.label).reoriented(("P", "S", "R"))
    perfect = from_labels(root)
    write_nifti(case.label, turned.data, turned.grid.affine)
    assert rows_of(root, perfect)[0].dice == 1


def test_progress_is_told_after_each_case(root: Path) -> None:
    told: list[tuple[int, int]] = []
    rows: Iterator[Measurement] = evaluate_models(
        [Candidate("a", nothing), Candidate("b", nothing)],
        cases_of(root),
        progress=lambda *n: told.append(n),
    )
    assert [(row.name[-8:-4], row.model) for row in rows] == [
        ("b-01", "a"), ("b-01", "b"), ("b-02", "a"), ("b-02", "b"),
    ]  # fmt: skip
    assert told == [(1, 2), (2, 2)]


def test_the_labels_of_the_published_images_score_perfectly() -> None:
    root = shared("data") / "dev" / "scttesting"
    for row in rows_of(root, from_labels(root)):
        assert (row.dice, row.csa_error, row.hausdorff) == (1, 0, 0)
        assert 30 < row.csa < 130


def test_candidates_of_one_name_are_refused(root: Path) -> None:
    """Their rows would be one mean in every table."""
    twice = [Candidate("m", from_labels(root)), Candidate("m", nothing)]
    with pytest.raises(DatasetError, match="m is given 2 times"):
        list(evaluate_models(twice, cases_of(root)))
