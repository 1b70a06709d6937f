"""What each change of contrast promises."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from sct_deepseg_general.augmentation import contrast, synthesis  # noqa: E402  # after the skip
from sct_deepseg_general.augmentation.contrast import ContrastMix, randomised  # noqa: E402
from sct_deepseg_general.augmentation.sampling import Patch  # noqa: E402

SHAPE = (24, 24, 24)
SPACING = (1.5, 0.8, 0.8)


def tube() -> tuple[torch.Tensor, torch.Tensor]:
    """A bright canal with a darker cord of radius 4 voxels along z, and the cord fraction."""
    y, x = torch.meshgrid(torch.arange(24) - 11.5, torch.arange(24) - 11.5, indexing="ij")
    distance = torch.sqrt(x**2 + y**2)
    target = (4.5 - distance).clamp(0, 1).expand(SHAPE).clone()
    canal = (7.5 - distance).clamp(0, 1).expand(SHAPE)
    image = 0.2 + canal * 0.8 - target * 0.5
    return (image - image.mean()) / image.std(), target


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


SAME_SHAPE = {
    "intensity_network": contrast.intensity_network,
    "remapped": contrast.remapped,
    "bias_field": contrast.bias_field,
    "add_noise": contrast.add_noise,
    "blurred": lambda image, g: contrast.blurred(image, SPACING, g),
    "low_resolution": lambda image, g: contrast.low_resolution(image, SPACING, 17.0, g),
    "ghosted": contrast.ghosted,
    "signal_loss": contrast.signal_loss,
    "synthetic": lambda image, g: synthesis.synthetic(image, tube()[1], g),
    "synthetic, eccentric": lambda image, g: synthesis.synthetic(
        image, tube()[1], g, tissue=synthesis.TissueMix(eccentric=1.0)
    ),
}


@pytest.mark.parametrize("name", sorted(SAME_SHAPE))
def test_each_change_keeps_the_shape_is_finite_and_repeats_with_its_seed(name: str) -> None:
    image = tube()[0]
    changed = [SAME_SHAPE[name](image.clone(), rng(seed)) for seed in (3, 3)]
    assert changed[0].shape == SHAPE
    assert bool(torch.isfinite(changed[0]).all())
    assert torch.equal(changed[0], changed[1])


@pytest.mark.parametrize("name", sorted(set(SAME_SHAPE) - {"low_resolution"}))
def test_each_change_changes_something(name: str) -> None:
    image = tube()[0]
    assert not torch.allclose(SAME_SHAPE[name](image.clone(), rng(5)), image, atol=1e-3)


def test_a_synthetic_cord_has_an_edge_where_the_target_has_it() -> None:
    """Inside and just outside the cord differ by more than the texture inside, mostly."""
    image, target = tube()
    inside, ring = target > 0.99, (target < 0.01) & (image > 1)
    distinct = 0
    for seed in range(40):
        made = synthesis.synthetic(image, target, rng(seed))
        step = abs(float(made[inside].mean() - made[ring].mean()))
        distinct += step > float(made[inside].std())
    assert distinct >= 30


def test_fluid_drawn_out_reaches_further_to_one_side_and_not_over_the_border() -> None:
    canal = torch.zeros(SHAPE)
    canal[:, 10:15, 0:5] = 1
    reaches = []
    for seed in range(30):
        wider = synthesis.drawn_out(canal, rng(seed))
        assert bool((wider >= canal).all())
        rows, columns = wider.amax((0, 2)).nonzero().ravel(), wider.amax((0, 1)).nonzero().ravel()
        assert int(columns.max()) <= 10
        up, down = 10 - int(rows.min()), int(rows.max()) - 14
        assert min(up, down) == 0
        reaches.append(max(up, down))
    assert 4 <= max(reaches) <= 6


def fluid_beside_the_cord(eccentric: float, seed: int) -> tuple[float, float]:
    """How far (voxels) the fluid's middle is from the cord's, and how mottled the fluid is."""
    _, target = tube()
    canal = torch.nn.functional.max_pool3d(target[None], (1, 9, 9), 1, (0, 4, 4))[0]
    made = synthesis.synthetic(
        torch.zeros(SHAPE), target, rng(seed), canal, synthesis.TissueMix(eccentric)
    )
    surroundings = made[0, 0, 0]
    fluid = (target < 0.01) & ((made - surroundings).abs() > 0.5)
    middle = fluid.nonzero().float().mean(0)[1:] - 11.5
    well_in = (target < 0.01) & (canal > 0.99)
    return float(middle.norm()), float(made[well_in].std())


def test_eccentric_fluid_lies_to_one_side_of_the_cord_and_is_mottled() -> None:
    seeds = range(12)
    round_about = np.array([fluid_beside_the_cord(0.0, seed) for seed in seeds])
    aside = np.array([fluid_beside_the_cord(1.0, seed) for seed in seeds])
    assert np.nanmax(round_about[:, 0]) < 0.3
    assert np.nanmedian(aside[:, 0]) > 1
    assert np.nanmedian(aside[:, 1]) > 2 * np.nanmedian(round_about[:, 1])


def test_inversion_is_its_own_inverse_and_reverses_the_order_of_tissues() -> None:
    image, target = tube()
    mix = ContrastMix(
        **dict.fromkeys(ContrastMix.__dataclass_fields__, 0.0) | {"invert": 1.0, "thickest": 17.0}
    )
    patch = Patch(image, target, torch.ones(SHAPE))
    made, _ = randomised(patch, SPACING, mix, rng())
    assert float(torch.corrcoef(torch.stack([made.flatten(), image.flatten()]))[0, 1]) < -0.999


def test_low_resolution_makes_thick_slices() -> None:
    """Somewhere among the seeds z is averaged over 8 mm or more: neighbours become alike."""
    image = torch.from_numpy(rng().normal(size=SHAPE).astype(np.float32))
    rough = float((image[1:] - image[:-1]).abs().mean())
    smooth = min(
        float((made[1:] - made[:-1]).abs().mean())
        for made in (contrast.low_resolution(image, SPACING, 17.0, rng(s)) for s in range(20))
    )
    assert smooth < 0.2 * rough


def test_distortion_moves_image_and_target_together() -> None:
    _, target = tube()
    moved, both = contrast.distorted(target.clone(), target.clone(), rng(2))
    assert torch.equal(moved, both)
    assert not torch.allclose(moved, target, atol=1e-2)


def test_a_cut_field_of_view_is_a_box_of_at_least_20_mm() -> None:
    for seed in range(30):
        mask = contrast.cut_field_of_view((48, 48, 48), SPACING, rng(seed))
        index = torch.nonzero(mask)
        extent = index.max(0).values - index.min(0).values + 1
        assert int(mask.sum()) == int(extent.prod())
        assert all(int(n) >= min(48, int(20 / mm)) for n, mm in zip(extent, SPACING, strict=True))


def test_the_target_is_unknown_where_the_field_of_view_ends() -> None:
    image, target = tube()
    nothing = dict.fromkeys(ContrastMix.__dataclass_fields__, 0.0)
    mix = ContrastMix(**nothing | {"field_of_view": 1.0, "thickest": 17.0})
    cut = 0
    for seed in range(10):
        made, left = randomised(Patch(image, target, torch.ones(SHAPE)), SPACING, mix, rng(seed))
        assert bool((left[made == 0] == contrast.OUTSIDE).all())
        assert bool((left[made != 0] >= 0).all())
        cut += bool((left == contrast.OUTSIDE).any())
    assert cut


def test_an_empty_outside_holds_no_cord_but_where_the_cord_may_go_on() -> None:
    _, target = tube()
    inside = torch.zeros(SHAPE)
    inside[:12, :, :12] = 1
    left = contrast.known(target, inside, empty=True)
    assert torch.equal(left[inside > 0], target[inside > 0])
    assert bool((left[inside == 0] <= 0).all())
    unknown = left == contrast.OUTSIDE
    assert bool(unknown[12:, 8:16, 8:16].all())
    assert not bool(unknown[..., : 7 - contrast.NEAR].any())
    assert bool((left[:, :, -1] == 0).all())
    short = torch.where(torch.arange(24)[:, None, None] < 12, target, torch.zeros(()))
    beyond = contrast.known(short, inside, empty=True)[12:, 12, 11]
    assert bool((beyond[: contrast.NEAR] == contrast.OUTSIDE).all())
    assert bool((beyond[contrast.NEAR :] == 0).all())


def test_normalised_has_mean_0_and_deviation_1_inside_and_is_0_outside() -> None:
    image = tube()[0] * 7 + 3
    inside = torch.zeros(SHAPE)
    inside[:, 4:20, 4:20] = 1
    made = contrast.normalised(image, inside, None)
    assert abs(float(made[inside > 0].mean())) < 1e-4
    assert abs(float(made[inside > 0].std()) - 1) < 1e-4
    assert bool((made[inside == 0] == 0).all())


def test_a_mix_is_read_from_the_recipe_and_ignores_no_number() -> None:
    assert ContrastMix.from_dict({"noise": 1}).noise == 1.0
    assert ContrastMix.from_dict({}) == ContrastMix()


def test_a_field_of_view_of_one_voxel_gives_numbers() -> None:
    inside = torch.zeros(SHAPE)
    inside[3, 3, 3] = 1
    assert bool(torch.isfinite(contrast.normalised(tube()[0], inside, rng())).all())
