"""Patches keep the anatomy: what is drawn is the case, turned, scaled and bent."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from sct_deepseg_general.augmentation.contrast import ContrastMix  # noqa: E402
from sct_deepseg_general.augmentation.sampling import SpatialRange, TrainingCase, draw_patch  # noqa: E402  # after the skip
from sct_deepseg_general.training.loader import UNCHANGED, PatchDataset, batches  # noqa: E402

SPACING = (1.5, 0.8, 0.8)


def case(name: str = "a_sub-1_T2w") -> TrainingCase:
    """A straight tube of radius 5 mm along z; the image is twice the cord fraction."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in (40, 70, 70)), indexing="ij")
    distance = np.hypot((y - 34.5) * 0.8, (x - 34.5) * 0.8) + 0 * z
    target = np.clip((5 - distance) / 0.8 + 0.5, 0, 1).astype(np.float32)
    centres = np.argwhere(target > 0.5).astype(np.int32)
    return TrainingCase(name, name.split("_", maxsplit=1)[0], target * 2, target, centres)


def test_without_deformation_a_patch_is_a_cut_out_of_the_case() -> None:
    still = SpatialRange(0, (1.0, 1.0), 0, 0, 0, (0, 0, 0))
    patch = draw_patch(case(), (17, 33, 33), SPACING, still, np.random.default_rng(0))
    assert patch.image.shape == (17, 33, 33)
    inside = patch.inside > 0
    assert torch.allclose(patch.image[inside], 2 * patch.target[inside], atol=0.3)
    assert float(patch.target[8, 16, 16]) > 0.4


def test_image_and_target_are_deformed_alike() -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        patch = draw_patch(case(), (24, 32, 32), SPACING, SpatialRange(), rng)
        inside = patch.inside > 0
        off = (patch.image - 2 * patch.target)[inside].abs()
        assert float(off.mean()) < 0.02


def test_scaling_changes_the_size_of_the_cord() -> None:
    areas = []
    for scale in (0.7, 1.4):
        space = SpatialRange(0, (scale, scale), 0, 0, 0, (0, 0, 0))
        patch = draw_patch(case(), (9, 48, 48), SPACING, space, np.random.default_rng(1))
        areas.append(float(patch.target[4].sum()))
    assert areas[0] / areas[1] == pytest.approx(4, rel=0.5)


def test_outside_the_case_is_marked() -> None:
    space = SpatialRange(0, (1.0, 1.0), 0, 60, 0, (0, 0, 0))
    patch = draw_patch(case(), (24, 48, 48), SPACING, space, np.random.default_rng(2))
    assert 0 < float(patch.inside.mean()) < 1
    assert float(patch.target[patch.inside == 0].abs().max()) <= 1


def stream(seed: int, start: int = 0, batch: int = 1) -> PatchDataset:
    one = case()
    noise = np.random.default_rng(0).normal(size=one.image.shape).astype(np.float32)
    cases = [replace(one, image=noise)]
    return PatchDataset(cases, (8, 16, 16), SPACING, (seed,), SpatialRange(), None, start, batch)


def drawn(patches: PatchDataset, count: int, workers: int = 0) -> torch.Tensor:
    return torch.cat([image for image, _, _ in islice(batches(patches, workers), count)])


def test_a_stream_repeats_with_its_seed_and_not_with_another() -> None:
    assert torch.equal(drawn(stream(1), 2), drawn(stream(1), 2))
    assert not torch.equal(drawn(stream(1), 2), drawn(stream(2), 2))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a single core
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_is_the_same_wherever_it_starts_and_whoever_draws_it(workers: int) -> None:
    whole = drawn(stream(1), 8)
    assert len({image.numpy().tobytes() for image in whole}) == 8
    assert torch.equal(drawn(stream(1, 2, 2), 3, workers), whole[2:])


@pytest.mark.parametrize("mix", [None, ContrastMix()])
def test_a_stream_teaches_that_the_outside_is_empty_where_it_is_told_to(
    mix: ContrastMix | None,
) -> None:
    space = replace(SpatialRange(), shift=40.0)
    plain = PatchDataset([case()], (8, 32, 32), SPACING, (1,), space, mix)
    unknown, empty = (
        torch.cat([target for _, target, _ in islice(batches(one, 0), 6)])
        for one in (plain, replace(plain, empty=True))
    )
    assert torch.equal(unknown[unknown >= 0], empty[unknown >= 0])
    assert int((empty < 0).sum()) < int((unknown < 0).sum())
    assert float(empty[unknown < 0].max()) == 0


def test_a_stream_draws_by_trust() -> None:
    trusted, ignored = case("a_x"), case("b_x")
    cases = [trusted, TrainingCase(**{**vars(ignored), "trust": 0.0})]
    patches = iter(PatchDataset(cases, (4, 8, 8), SPACING, (0,), UNCHANGED, None))
    assert {next(patches)[2] for _ in range(12)} == {0}


def test_the_cord_is_not_fainter_at_the_border_of_the_case() -> None:
    """Where a patch leaves the case, the target keeps its value up to the last voxel inside."""
    still = SpatialRange(0, (1.0, 1.0), 0, 0, 0, (0, 0, 0))
    short = case()
    cut = TrainingCase(
        "a_cut", "a", short.image[:9], short.target[:9], np.array([[4, 34, 34]], np.int32)
    )
    patch = draw_patch(cut, (20, 9, 9), SPACING, still, np.random.default_rng(0))
    middle = patch.target[:, 4, 4]
    assert 0 < int(patch.inside[:, 4, 4].sum()) < 20
    assert float(middle[patch.inside[:, 4, 4] > 0].min()) > 0.95
