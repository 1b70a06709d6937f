"""Every release of SCT, emulated: imported from its archives, it gives nnU-Net's own labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import samples
from emulated_releases import (
    BY_TASK,
    RELEASES,
    Release,
    dice,
    expected,
    imported,
    nnunet_labels,
)

from sct_deepseg_general.image.volume import Box, Grid, Volume, from_sct_letters
from sct_deepseg_general.inference.imported.region import only_largest
from sct_deepseg_general.inference.pipeline import Options, segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.zoo.labels import label_scheme

DICE = 0.9995

pytestmark = pytest.mark.filterwarnings("ignore")  # nnU-Net's own


@pytest.fixture(autouse=True, scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> None:
    import torch

    torch.set_num_threads(1)


def sample() -> Volume:
    """A part of a real image, with voxels of other sizes than the networks'."""
    return samples.image("T2w")


def whole_neck() -> Volume:
    """The sample with air around it, so that the surroundings of the cord are a small part."""
    image = samples.image("T2w")
    air = np.random.default_rng(1).uniform(1, 8, tuple(n + 60 for n in image.data.shape))
    air[30:-30, 30:-30, 30:-30] = image.data
    affine = image.grid.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, 30.0)
    return Volume(air.astype(np.float32), Grid(air.shape, affine))


@pytest.mark.parametrize("task", ["spinalcord", "lesion_sci_t2", "lesion_ms_axial_t2", "ail"])
def test_only_the_surroundings_of_the_cord_are_looked_at(tmp_path: Path, task: str) -> None:
    """On the crop, the labels are nnU-Net's; the crop has the release's distances, or ours."""
    release = BY_TASK[task]
    results, model = imported(release, tmp_path)
    image = whole_neck()
    found = segment(image, load_predictor(model, "openvino", "cpu"), Options(largest=False))
    assert found.labels is not None
    assert found.location.found
    box = found.location.box
    turned = image.reoriented(from_sct_letters(model.orientation))
    assert np.prod(box.shape) < 0.5 * np.prod(turned.grid.shape)
    untransposed = replace(release, orientation=model.orientation)  # of the array the network sees
    crop = turned.cropped(box)
    theirs = crop_labels(untransposed, results, crop)
    ours = found.labels.reoriented(turned.grid.axcodes).data
    for label in model.scheme.labels:
        a, b = np.isin(ours[box.slices], label.values), np.isin(theirs, label.values)
        assert b.any()
        assert dice(a, b) >= DICE, label.name
    outside = ours.copy()
    outside[box.slices] = 0
    assert not outside.any()


def crop_labels(release: Release, results: Path, crop: Volume) -> np.ndarray:
    """nnU-Net's labels of a crop that is in the axes of the network."""
    axes = np.argsort(release.transposed)  # the plan reorders the axes again
    array = np.asarray(crop.data, np.float32).transpose(2, 1, 0)
    spacing = np.array(crop.grid.spacing[::-1])
    labels = nnunet_labels(results, [array.transpose(axes)], spacing[axes])
    return np.asarray(labels.transpose(release.transposed).transpose(2, 1, 0))


@pytest.mark.parametrize("pads", [(40, 100, 15, 15, 15, 22), (10, 10, 30, 12, 14, 16)])
def test_the_crop_keeps_the_distances_of_the_release(
    tmp_path: Path, pads: tuple[float, ...]
) -> None:
    names = ("superior", "inferior", "left", "right", "anterior", "posterior")
    crop = {f"pad_{name}": mm for name, mm in zip(names, pads, strict=True)}
    _, model = imported(replace(BY_TASK["spinalcord"], crop=crop), tmp_path)
    assert model.crop is not None
    assert tuple(getattr(model.crop, name) for name in names) == pads
    image = whole_neck()
    predictor = load_predictor(model, "openvino", "cpu")
    location = segment(image, predictor).location
    assert location.coarse is not None
    cord = location.coarse.reoriented(("R", "A", "S"))
    low, high = corners(cord.grid, Box.around(cord.data))
    oriented = image.reoriented(from_sct_letters(model.orientation)).grid
    first, last = corners(oriented, location.box)
    limits = corners(oriented, oriented.box)
    voxel = max(cord.grid.spacing)
    for axis, (below, above) in enumerate(
        [("left", "right"), ("posterior", "anterior"), ("inferior", "superior")]
    ):
        assert first[axis] == pytest.approx(
            max(limits[0][axis], low[axis] - crop[f"pad_{below}"]), abs=voxel
        )
        assert last[axis] == pytest.approx(
            min(limits[1][axis], high[axis] + crop[f"pad_{above}"]), abs=voxel
        )


def corners(grid: Grid, box: Box | None) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest world coordinates (R, A, S in mm) of a box of voxels."""
    assert box is not None
    ends = np.array([box.start, np.array(box.stop)]) - 0.5
    world = ends @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return world.min(0), world.max(0)


def test_without_a_cord_the_whole_image_is_looked_at(tmp_path: Path) -> None:
    _, model = imported(BY_TASK["canal"], tmp_path)
    noise = np.tile(np.linspace(0, 100, 40, dtype=np.float32), (40, 40, 1))
    image = Volume(noise, Grid((40, 40, 40), np.diag([2.0, 2.0, 2.0, 1.0])))
    found = segment(image, load_predictor(model, "openvino", "cpu"))
    assert not found.location.found
    assert found.location.box.shape == (40, 40, 40)


def test_slices_without_signal_keep_the_networks_labels(tmp_path: Path) -> None:
    """As published; the quality check says where cord was found without signal."""
    release = BY_TASK["spinalcord"]
    results, model = imported(release, tmp_path)
    image = sample()
    up = next(axis for axis, code in enumerate(image.grid.axcodes) if code in "IS")
    data = image.data.copy()
    middle = data.shape[up] // 2
    np.moveaxis(data, up, 0)[middle - 2 : middle + 3] = data.max()
    image = replace(image, data=data)
    predictor = load_predictor(model, "openvino", "cpu")
    found = segment(image, predictor, Options(exact=True, largest=False))
    assert found.labels is not None
    theirs = expected(release, model, results, [image])
    constant = np.moveaxis(theirs, up, 0)[middle - 2 : middle + 3]
    assert (constant > 0).any()
    assert dice(found.labels.data > 0, theirs > 0) >= DICE
    blank = np.moveaxis(found.labels.data, up, 0)[middle - 2 : middle + 3]
    assert dice(blank > 0, constant > 0) >= DICE


def test_only_the_largest_cord_is_kept_as_in_sct() -> None:
    scheme = label_scheme({"background": 0, "sc": (1, 2), "lesion": 2}, (1, 2), "file")
    labels = np.zeros((9, 5, 5), np.uint8)
    labels[0:5, 1, 1] = 1
    labels[6, 1, 1] = 1
    labels[5, 2, 2] = 1  # touches the cord by an edge only
    labels[8, 3, 3] = 2
    only_largest(labels, ("sc",), scheme)
    assert np.argwhere(labels == 1).tolist() == [[n, 1, 1] for n in range(5)]
    assert labels[8, 3, 3] == 2  # a lesion is no cord's to remove


@pytest.mark.parametrize("release", RELEASES, ids=lambda one: one.task)
def test_a_release_gives_nnunets_labels(tmp_path: Path, release: Release) -> None:
    results, model = imported(release, tmp_path)
    image = sample()
    channels = [image] * len(release.channels)
    predictor = load_predictor(model, "openvino", "cpu")
    options = Options(exact=True, largest=False)
    found = segment(image, predictor, options, others=channels[1:])
    assert found.labels is not None
    theirs = expected(release, model, results, channels)
    for label in model.scheme.labels:
        a, b = np.isin(found.labels.data, label.values), np.isin(theirs, label.values)
        assert b.any(), f"{label.name} is nowhere: the emulation shows nothing"
        assert dice(a, b) >= DICE, label.name
