"""What each hard case promises."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from sct_deepseg_general.augmentation import hard_cases  # noqa: E402  # after the skip
from sct_deepseg_general.augmentation.contrast import ContrastMix, randomised  # noqa: E402
from sct_deepseg_general.augmentation.hard_cases import UNKNOWN  # noqa: E402
from sct_deepseg_general.augmentation.sampling import Patch  # noqa: E402
from sct_deepseg_general.augmentation.synthesis import TissueMix, synthetic  # noqa: E402

SHAPE = (24, 32, 32)
KINDS = ["blank_slices", "faded", "lesions", "metal_void", "reshaped"]


def tube() -> tuple[torch.Tensor, torch.Tensor]:
    """A dark cord of radius 4.5 voxels along z in a bright canal, and the cord's fraction."""
    y, x = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(32) - 15.5, indexing="ij")
    distance = torch.sqrt(x**2 + y**2)
    target = (5.0 - distance).clamp(0, 1).expand(SHAPE).clone()
    canal = (8.5 - distance).clamp(0, 1).expand(SHAPE)
    texture = 0.02 * torch.from_numpy(rng(0).normal(size=SHAPE)).float()
    image = 0.2 + canal * 0.8 - target * 0.5 + texture
    return (image - image.mean()) / image.std(), target


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def changed(kind: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    image, target = tube()
    made: tuple[torch.Tensor, torch.Tensor] = getattr(hard_cases, kind)(image, target, rng(seed))
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_finite_repeats_with_its_seed_and_leaves_its_input(kind: str) -> None:
    image, target = tube()
    before = image.clone(), target.clone()
    first, second = (getattr(hard_cases, kind)(image, target, rng(3)) for _ in range(2))
    assert torch.equal(image, before[0])
    assert torch.equal(target, before[1])
    for one, other in zip(first, second, strict=True):
        assert one.shape == SHAPE
        assert bool(torch.isfinite(one).all())
        assert torch.equal(one, other)
    assert not torch.allclose(first[0], image, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_without_cord_is_no_error(kind: str) -> None:
    image, target = tube()
    made, left = getattr(hard_cases, kind)(image, torch.zeros_like(target), rng(1))
    assert bool(torch.isfinite(made).all())
    assert float(left.max()) <= 0


def test_without_signal_there_is_no_mask_and_elsewhere_it_stays() -> None:
    for seed in range(10):
        image, target = tube()
        made, left = changed("blank_slices", seed)
        blank = (left.sum((1, 2)) == 0).numpy()
        assert 0 < blank.sum() < SHAPE[0]
        assert torch.equal(left[~blank], target[~blank])
        assert torch.equal(made[~blank], image[~blank])
        assert float(made[blank].std()) < 0.2 * float(image.std())


def test_a_faded_cord_keeps_its_sign_and_loses_contrast() -> None:
    image, target = tube()
    inside, fluid = target > 0.99, (target < 0.01) & (image > 1)
    before = float(image[fluid].mean() - image[inside].mean())
    after = [
        float(made[fluid].mean() - made[inside].mean())
        for made, _ in (changed("faded", seed) for seed in range(10))
    ]
    assert all(0.2 * before < one < 0.98 * before for one in after)


def test_lesions_lie_inside_the_cord() -> None:
    image, target = tube()
    for seed in range(10):
        made, left = changed("lesions", seed)
        assert torch.equal(left, target)
        moved = (made - image).abs() > 1e-6
        assert not bool((moved & (target == 0)).any())


def test_what_metal_hides_is_unknown_and_black() -> None:
    hidden = 0
    for seed in range(20):
        made, left = changed("metal_void", seed)
        unknown = left == UNKNOWN
        hidden += int(unknown.sum())
        assert bool((made[unknown] == tube()[0].min()).all())
        known = ~unknown
        assert torch.equal(left[known], tube()[1][known])
    assert hidden > 0


def test_reshaped_cords_span_the_areas_of_disease() -> None:
    areas, depths = [], []
    for seed in range(60):
        _, target = changed("reshaped", seed)
        areas += target.sum((1, 2)).tolist()
        depths += (target[:, :, 16] > 0.5).sum(1).tolist()
    whole = float(tube()[1][0].sum())
    assert min(areas) < 0.6 * whole
    assert max(areas) > 1.1 * whole
    assert min(depths) <= 6  # of 10 voxels


def test_an_isointense_fluid_is_nearly_as_bright_as_the_cord() -> None:
    image, target = tube()
    inside, ring = target > 0.99, (target < 0.01) & (image > 1)
    canal = (image > 1).float() + target
    steps = {}
    for often in (0.0, 1.0):
        made = [
            synthetic(image, target, rng(s), canal, TissueMix(isointense=often)) for s in range(20)
        ]
        steps[often] = np.median([abs(float(m[inside].mean() - m[ring].mean())) for m in made])
    assert steps[1.0] < 0.5 * steps[0.0]


def test_the_mix_says_how_far_a_synthetic_cord_reaches_beyond_its_label() -> None:
    mix = ContrastMix.from_dict({"beyond_least": 0.1, "beyond_most": 0.4, "isointense": 0.2})
    assert mix.tissue == TissueMix(0.0, 0.2, 0.1, 0.4)


def test_all_kinds_at_once_make_an_image_to_train_on() -> None:
    every = dict.fromkeys(("reshaped", "lesion", "faded", "metal", "blank", "isointense"), 1.0)
    image, target = tube()
    patch = Patch(image, target, torch.ones(SHAPE))
    for seed in range(10):
        made, left = randomised(patch, (2.0, 1.0, 1.0), ContrastMix.from_dict(every), rng(seed))
        assert bool(torch.isfinite(made).all())
        assert float(left.max()) <= 1.0 + 1e-6
        assert set(left[left < 0].tolist()) <= {UNKNOWN}
