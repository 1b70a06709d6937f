"""The loss is least where the probability is the fraction."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from sct_deepseg_general.training.loss import dice, soft_dice_loss, soft_loss  # noqa: E402


def logits(probability: torch.Tensor) -> torch.Tensor:
    """Two-channel logits (background, cord) of a probability (batch, 1, z, y, x)."""
    difference = torch.logit(probability.clamp(1e-6, 1 - 1e-6))
    return torch.cat([-difference / 2, difference / 2], 1)


@pytest.fixture
def fraction() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 1, 8, 8, 8, generator=generator).round(decimals=1)


def test_the_fraction_itself_is_the_best_answer(fraction: torch.Tensor) -> None:
    best = soft_loss([logits(fraction)], fraction)
    for other in (fraction.round(), (fraction + 0.1).clamp(0, 1), 1 - fraction, 0 * fraction):
        assert float(soft_loss([logits(other)], fraction)) > float(best)


def test_dice_of_fractions_is_0_only_for_equality(fraction: torch.Tensor) -> None:
    assert float(soft_dice_loss(fraction, fraction)) == pytest.approx(0, abs=1e-6)
    assert float(soft_dice_loss(fraction.round(), fraction)) > 0.01


def test_coarser_outputs_are_compared_with_averages(fraction: torch.Tensor) -> None:
    coarse = torch.nn.functional.avg_pool3d(fraction, 2)
    right = soft_loss([logits(fraction), logits(coarse)], fraction)
    wrong = soft_loss([logits(fraction), logits(1 - coarse)], fraction)
    assert float(right) < float(wrong)


def test_an_empty_patch_prefers_an_empty_answer() -> None:
    nothing = torch.zeros(1, 1, 8, 8, 8)
    assert float(soft_loss([logits(nothing)], nothing)) < float(
        soft_loss([logits(nothing + 0.2)], nothing)
    )


def test_what_lies_outside_the_field_of_view_does_not_count(fraction: torch.Tensor) -> None:
    target = fraction.clone()
    target[:, :, 4:] = -1
    answer, other = fraction.clone(), fraction.clone()
    other[:, :, 4:] = 1 - other[:, :, 4:]
    assert torch.equal(soft_loss([logits(answer)], target), soft_loss([logits(other)], target))
    other[:, :, :4] = 1 - other[:, :, :4]
    assert float(soft_loss([logits(other)], target)) > float(soft_loss([logits(answer)], target))


def test_dice_counts_only_what_is_known() -> None:
    """A cord of four voxels, two of them found, and one voxel too many in a known place."""
    target = torch.full((1, 1, 1, 4, 4), -1.0)
    target[..., :2] = 0.0
    target[..., 0] = 0.9
    cord = torch.full((1, 1, 4, 4), 5.0)
    cord[..., :2, 0] = -5.0
    cord[..., 1] = -5.0
    cord[..., 3, 1] = 5.0
    logits = torch.stack([torch.zeros_like(cord), cord], 1)
    assert dice(logits, target) == pytest.approx(2 * 2 / (3 + 4))
    assert dice(logits, torch.full_like(target, -1.0)) == 0
