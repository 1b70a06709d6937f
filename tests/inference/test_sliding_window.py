"""Tiles cover everything, blend without seams, and do what nnU-Net's sliding window does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from toy_models import dataset_json, plans

from sct_deepseg_general.inference.sliding_window import (
    EDGE,
    blended,
    following,
    gaussian,
    positions,
)

SHAPES = [(16, 16, 16), (17, 30, 41), (8, 40, 16), (5, 6, 7), (33, 16, 20)]
TILE = (16, 16, 16)


def image(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_tile_says_of_its_own_voxels_comes_out(shape: tuple[int, ...]) -> None:
    data = image(shape)
    np.testing.assert_allclose(blended(data, TILE, lambda tile: 3 * tile), 3 * data, atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 30, 41), (65, 16, 100)])
def test_tiles_cover_all_at_most_half_a_tile_apart(shape: tuple[int, ...]) -> None:
    corners = np.array(positions(shape, TILE))
    assert (corners.min(0) == 0).all()
    assert (corners.max(0) + TILE == shape).all()
    for axis in range(3):
        assert np.diff(np.unique(corners[:, axis]), prepend=0).max() <= 8


def test_tiles_without_wanted_voxels_are_left_out() -> None:
    data, seen = image((16, 16, 64)), []
    wanted = np.zeros(data.shape, bool)
    wanted[8, 8, 60] = True

    def forward(tile: np.ndarray) -> np.ndarray:
        seen.append(tile)
        return tile

    found = blended(data, TILE, forward, wanted)
    assert 0 < len(seen) < len(positions(data.shape, TILE))
    assert found[8, 8, 60] == pytest.approx(data[8, 8, 60])
    assert (found[:, :, :32] == -np.inf).all()


def tube(shape: tuple[int, int, int], slope: float) -> np.ndarray:
    """A bent tube along the first axis."""
    z, y, x = np.indices(shape)
    middle = np.array(shape) / 2
    bend = slope * (z - middle[0]) + 4 * np.sin(z / 9)
    return (y - middle[1] - bend) ** 2 + (x - middle[2]) ** 2 < 36


def well_seen(shape: tuple[int, ...], starts: list[tuple[int, ...]]) -> np.ndarray:
    """What lies `EDGE` voxels inside a tile across the first axis, or at the array's border."""
    seen = np.zeros(shape, bool)
    for start in starts:
        inner = [slice(start[0], start[0] + TILE[0])]
        for axis in (1, 2):
            low = start[axis] + EDGE * (start[axis] > 0)
            high = start[axis] + TILE[axis]
            inner.append(slice(low, high - EDGE * (high < shape[axis])))
        seen[tuple(inner)] = True
    return seen


@pytest.mark.parametrize("slope", [0, 0.3, 0.8])
@pytest.mark.parametrize("shape", [(90, 70, 40), (61, 100, 33), (16, 90, 90)])
def test_tiles_that_follow_a_tube_see_all_of_it(shape: tuple[int, int, int], slope: float) -> None:
    wanted = tube(shape, slope)
    starts = following(wanted, TILE)
    assert len(set(starts)) == len(starts) < len(positions(shape, TILE))
    assert all(
        0 <= a <= n - t for start in starts for a, n, t in zip(start, shape, TILE, strict=True)
    )
    assert not (wanted & ~well_seen(shape, starts)).any()
    assert np.diff(sorted({start[0] for start in starts}), prepend=0).max() <= TILE[0] / 2


def test_one_tile_an_interval_is_enough_for_what_fits_in_it() -> None:
    wanted = np.zeros((48, 60, 60), bool)
    wanted[:, 30:38, 20:28] = True
    assert following(wanted, TILE) == [(z, 26, 16) for z in (0, 8, 16, 24, 32)]
    wanted[:, 30:39, 20:28] = True  # now it comes nearer than EDGE to the border of one tile
    assert len(following(wanted, TILE)) == 10


def test_no_tile_is_spent_on_what_lies_beyond_the_border() -> None:
    wanted = np.zeros(TILE, bool)
    wanted[:, 1:-1, 1:-1] = True  # nearer than EDGE to a border beyond which there is nothing
    assert following(wanted, TILE) == [(0, 0, 0)]


def test_what_is_wanted_everywhere_is_seen_everywhere() -> None:
    wanted = np.ones((20, 30, 40), bool)
    assert well_seen(wanted.shape, following(wanted, TILE)).all()
    assert following(np.zeros_like(wanted), TILE) == []


def test_progress_counts_every_tile() -> None:
    calls: list[tuple[int, int]] = []
    blended(image((16, 16, 40)), TILE, lambda t: t, progress=lambda a, b: calls.append((a, b)))
    assert calls == [(n + 1, len(calls)) for n in range(len(calls))]
    assert len(calls) == 4


def test_the_centre_weighs_most_and_nothing_weighs_nothing() -> None:
    weight = gaussian((48, 32, 64))
    assert weight[24, 16, 32] == weight.max() == 10
    assert weight.min() > 0


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory):
    """nnU-Net's predictor with a small random network."""
    torch = pytest.importorskip("torch", reason="the torch extra is not installed")
    predict = pytest.importorskip(
        "nnunetv2.inference.predict_from_raw_data", reason="the torch extra is not installed"
    )
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from sct_deepseg_general.inference import nnunet

    folder: Path = tmp_path_factory.mktemp("plan")
    plan = plans()
    plan["configurations"]["3d_fullres"]["patch_size"] = list(TILE)
    (folder / "plans.json").write_text(json.dumps(plan))
    (folder / "dataset.json").write_text(json.dumps(dataset_json()))
    torch.manual_seed(4)
    network = nnunet.build_network(folder / "plans.json", folder / "dataset.json").eval()
    manager = PlansManager(plan)
    predictor = predict.nnUNetPredictor(
        0.5, True, False, False, torch.device("cpu"), allow_tqdm=False
    )
    predictor.manual_initialization(
        network,
        manager,
        manager.get_configuration("3d_fullres"),
        [network.state_dict()],
        dataset_json(),
        "nnUNetTrainer",
        None,
    )
    return predictor


@pytest.mark.parametrize(
    "shape", [SHAPES[0], pytest.param(SHAPES[1], marks=pytest.mark.slow), *SHAPES[2:]]
)
def test_blending_is_nnunets(stock, shape: tuple[int, ...]) -> None:
    import torch

    data = image(shape)
    theirs = stock.predict_logits_from_preprocessed_data(torch.from_numpy(data)[None])
    difference = (theirs[1] - theirs[0]).float().numpy()

    def forward(tile: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits = stock.network(torch.from_numpy(tile)[None, None])[0]
        return np.asarray(logits[1] - logits[0])

    ours = blended(data, TILE, forward)
    assert ours.std() > 0.01
    # nnU-Net adds up in half precision, which has no room for the small weights at the corners
    sure = blended(data, TILE, lambda _: (gaussian(TILE) > 0.02).astype(np.float32)) > 0
    assert sure.mean() > 0.1
    assert np.abs(ours - difference)[sure].max() < 0.01 * np.abs(difference).max()


@pytest.mark.parametrize("shape", [(16, 16, 16), (17, 30, 41), (33, 100, 20)])
def test_positions_are_nnunets(shape: tuple[int, ...]) -> None:
    sliding = pytest.importorskip(
        "nnunetv2.inference.sliding_window_prediction", reason="the torch extra is not installed"
    )
    from itertools import product

    steps = sliding.compute_steps_for_sliding_window(shape, TILE, 0.5)
    assert positions(shape, TILE) == list(product(*steps))
