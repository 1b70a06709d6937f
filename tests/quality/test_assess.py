"""Each check sees its fault, and a believable cord passes them all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantoms import affine_of, cylinder
from scipy import ndimage

from sct_deepseg_general.image.volume import Box, Grid, Probability, Segmentation, Volume
from sct_deepseg_general.morphometry.morphometrics import measure
from sct_deepseg_general.quality.assess import QualityEvidence, assess, assess_mask
from sct_deepseg_general.quality.findings import QualityLimits

SHAPE = (50, 50, 16)
SPACING = (0.8, 0.8, 3.0)
WHERE = Grid(SHAPE, affine_of("LAS", SPACING, SHAPE))
RADIUS = 5.0  # 79 mm²


def cord(radius: float = RADIUS, centre: tuple[float, float] | None = None) -> np.ndarray:
    return cylinder(SHAPE, SPACING, radius, centre)


def evidence(
    mask: np.ndarray, sure: float = 0.95, extra: np.ndarray | None = None
) -> QualityEvidence:
    """A mask with its probability; `extra` is cord by probability but not in the mask."""
    probability = np.where(mask, sure, 0.02)
    if extra is not None:
        probability[extra] = sure
    segmentation = Segmentation(mask.astype(np.uint8), WHERE)
    return QualityEvidence(
        segmentation=segmentation,
        probability=Probability(probability.astype(np.float32), WHERE),
        table=measure(segmentation),
        threshold=0.5,
        found=True,
        box=WHERE.box,
        oriented=WHERE,
    )


def with_slices(mask: np.ndarray, other: np.ndarray, *slices: int) -> np.ndarray:
    changed = mask.copy()
    changed[:, :, list(slices)] = other[:, :, list(slices)]
    return changed


def test_a_believable_cord_is_ok() -> None:
    found = assess(evidence(cord()))
    assert (found.status, found.reasons) == ("ok", ())
    assert found.confidence == pytest.approx(0.95, abs=1e-4)


def test_no_cord_fails_at_once() -> None:
    found = assess(evidence(np.zeros(SHAPE, bool)))
    assert (found.status, found.confidence) == ("fail", 0.0)
    assert "no cord" in found.reasons[0]


NOTHING = np.zeros(SHAPE, bool)
CUT = NOTHING.copy()
CUT[:, :, 7:8] = True
COMB = np.ones(SHAPE, bool)
COMB[::3] = False
FAULTS = {
    "low confidence": (cord(), 0.7, "warn"),
    "low confidence, very": (cord(), 0.55, "fail"),
    "median area": (cord(9), 0.95, "fail"),
    "median area, small": (cord(2), 0.95, "fail"),
    "area outside": (with_slices(cord(), cord(8.5), 6), 0.95, "warn"),
    "jumps": (with_slices(cord(4), cord(6), 8, 9), 0.95, "warn"),
    "gap": (with_slices(cord(), NOTHING, 3), 0.95, "warn"),
    "steps sideways": (with_slices(cord(), cord(5, (31, 19.6)), *range(12, 16)), 0.95, "warn"),
    "mm long": (cord() & CUT, 0.95, "fail"),
    "ragged": (cord() & COMB, 0.95, "fail"),
    "field of view": (cord(5, (1.0, 19.6)), 0.95, "warn"),
}


@pytest.mark.parametrize(("mask", "sure", "status"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_seen_for_what_it_is(
    mask: np.ndarray, sure: float, status: str, request: pytest.FixtureRequest
) -> None:
    found = assess(evidence(mask, sure))
    name = request.node.callspec.id.split(",")[0]
    assert any(name in reason for reason in found.reasons), found.reasons
    assert found.status == status


def test_a_second_object_is_a_fragment() -> None:
    extra = NOTHING.copy()
    extra[2:8, 2:8, 2:8] = True
    found = assess(evidence(cord(), extra=extra))
    assert found.status == "warn"
    assert "fragments" in found.reasons[0]
    speck = NOTHING.copy()
    speck[2:4, 2:4, 2] = True
    assert assess(evidence(cord(), extra=speck)).status == "ok"


def test_a_blind_coarse_pass_is_said() -> None:
    found = assess(replace(evidence(cord()), found=False))
    assert found.status == "warn"
    assert "first detection found no cord" in found.reasons[0]


def test_the_border_of_the_crop_counts_and_that_of_the_image_does_not() -> None:
    tight = Box((10, 10, 4), (40, 40, 16))
    found = assess(replace(evidence(cord()), box=tight))
    assert found.status == "warn"
    assert "-exact" in found.reasons[0]
    wide = Box((10, 10, 0), (40, 40, 16))
    assert assess(replace(evidence(cord()), box=wide)).status == "ok"


def test_a_thin_image_may_hold_a_short_cord() -> None:
    where = Grid((50, 50, 1), affine_of("LAS", SPACING, (50, 50, 1)))
    mask = Segmentation(cord()[:, :, :1].astype(np.uint8), where)
    sure = Probability(np.where(mask.data, 0.95, 0).astype(np.float32), where)
    thin = QualityEvidence(mask, sure, measure(mask), 0.5, True, where.box, where)
    assert assess(thin).status == "ok"


@pytest.mark.parametrize("codes", ["RAS", "PSR", "AIL", "SPL"])
def test_the_verdict_does_not_depend_on_the_axes(codes: str) -> None:
    straight = evidence(with_slices(cord(4), NOTHING, 7))
    axes = (codes[0], codes[1], codes[2])
    mask = straight.segmentation.reoriented(axes)
    turned = replace(
        straight,
        segmentation=mask,
        probability=straight.probability.reoriented(axes),
        table=measure(mask),
    )
    assert assess(turned).reasons == assess(straight).reasons
    assert assess(turned).reasons


def test_limits_are_what_decides() -> None:
    wide = QualityLimits(median_area=(20, 300), usual_area=(20, 300), slice_area=(12, 300))
    assert assess(evidence(cord(9))).status == "fail"
    assert assess(evidence(cord(9)), wide).status == "ok"


def seen(mask: np.ndarray, **more: object) -> QualityEvidence:
    """A mask in an image of an even cord in mixed surroundings."""
    rng = np.random.default_rng(4)
    data = np.where(cord(), 100.0, rng.choice([20.0, 150.0, 90.0], SHAPE))
    data = (data + rng.normal(0, 3, SHAPE)).astype(np.float32)
    return replace(evidence(mask), image=Volume(data, WHERE), **more)  # type: ignore[arg-type]


def coarse(mask: np.ndarray) -> Volume:
    whole = Segmentation(mask.astype(np.uint8), WHERE)
    return Volume(
        whole.resampled((3.0, 3.0, 3.0)).data.astype(np.float32), WHERE.resampled((3, 3, 3))
    )


HALF = cord().copy()
HALF[: SHAPE[0] // 2] = False
LOWER = cord().copy()
LOWER[:, :, 8:] = False
ASIDE = cord(centre=(31.0, 19.6))
LOOKS = {
    "mixed tissue": seen(cord(6.5, (28.0, 19.6))),
    "depth over width": seen(HALF),
    "covers": seen(LOWER, coarse=coarse(cord())),
    "where the cord was first detected": seen(ASIDE, coarse=coarse(cord())),
    "times the first detection's volume": seen(cord(2.8), coarse=coarse(cord())),
    "first detection of the cord is uncertain": seen(cord(), coarse_confidence=0.5),
    "altered copies": seen(cord(), agreement=(0.97, 0.8)),
    "unusual image: voxel size": seen(cord(), typical={"in_plane": (0.3, 0.6)}),
}


@pytest.mark.parametrize(("said", "found"), LOOKS.items(), ids=LOOKS)
def test_image_and_coarse_pass_are_witnesses(said: str, found: QualityEvidence) -> None:
    verdict = assess(found)
    assert verdict.status != "ok"
    assert any(said in reason for reason in verdict.reasons), verdict.reasons


@pytest.mark.parametrize(
    ("slices", "status"), [(SHAPE[2], "ok"), (SHAPE[2] * 6 // 10, "warn"), (SHAPE[2] // 5, "fail")]
)
def test_two_networks_that_contradict_each_other_are_no_cord(slices: int, status: str) -> None:
    part = cord().copy()
    part[:, :, slices:] = False
    assert assess(seen(part, coarse=coarse(cord()))).status == status


def test_a_stretch_of_mixed_tissue_is_said_if_it_is_long() -> None:
    right = seen(cord())
    assert right.image is not None
    data = right.image.data.copy()
    roots = np.random.default_rng(5).choice([20.0, 150.0], SHAPE)
    data[:, :, 2:9] = np.where(cord(), roots, data)[:, :, 2:9]
    found = replace(right, image=Volume(data, WHERE))
    assert assess(found).reasons == ()  # 21 mm, as where the signal fades
    verdict = assess(found, QualityLimits(mixed_length=(20.0, 4)))
    assert (verdict.status, verdict.flagged) == ("warn", tuple(range(2, 9)))
    assert "mixed tissue in slices 2 to 8" in verdict.reasons[0]
    assert assess(found, QualityLimits(mixed_length=(20.0, 8))).reasons == ()


def test_a_true_cord_has_no_witness_against_it() -> None:
    typical = {"in_plane": (0.5, 1.0), "evenness": (0.0, 0.5)}
    right = seen(
        cord(), coarse=coarse(cord()), coarse_confidence=0.8, agreement=(0.96,), typical=typical
    )
    assert assess(right).reasons == ()


def test_without_a_first_detection_its_probability_is_not_judged() -> None:
    typical = {"coarse": (0.7, 0.9)}
    assert assess(seen(cord(), coarse_confidence=float("nan"), typical=typical)).reasons == ()


def test_the_slices_that_a_reason_names_are_flagged() -> None:
    found = assess(evidence(with_slices(cord(), cord(8), 6)))
    assert 6 in found.flagged
    assert all(str(z) in " ".join(found.reasons) for z in found.flagged)
    assert assess(evidence(cord())).flagged == ()


def test_the_two_end_slices_may_be_partly_cord() -> None:
    small = with_slices(cord(), cord(1.5), 0, 15)
    assert not any("area outside" in reason for reason in assess(evidence(small)).reasons)
    within = with_slices(cord(), cord(1.5), 7)
    assert any("area outside" in reason for reason in assess(evidence(within)).reasons)


def test_a_leaning_centreline_is_bent() -> None:
    steps = [(19.6, 19.6 + 4.5 * max(0, 4 - abs(z - 8))) for z in range(SHAPE[2])]
    mask = np.stack([cord(4, centre)[:, :, 0] for centre in steps], axis=2)
    reasons = assess(evidence(mask)).reasons
    assert any("centreline is bent" in reason for reason in reasons), reasons


def test_a_second_object_as_large_fails() -> None:
    """Two equal tubes: which of them is the cord is anybody's guess."""
    found = assess(evidence(with_slices(cord(), NOTHING, 7, 8)))
    assert found.status == "fail"
    assert any("fragments" in reason for reason in found.reasons)


def test_faint_values_far_beyond_a_soft_mask_warn() -> None:
    mask = cord().astype(np.float32)
    soft = ndimage.gaussian_filter(mask, (1.5, 1.5, 0))
    soft[soft < 1e-4] = 0
    whole = np.maximum(soft, 1e-4)
    whole[0] = 0
    found = {}
    for name, data in (("edge", soft), ("network", whole)):
        volume = Volume(data, WHERE)
        found[name] = assess_mask(volume, measure(volume)).reasons
    assert not any("values below" in reason for reason in found["edge"])
    assert any("values below 5% of the highest fill" in reason for reason in found["network"])
