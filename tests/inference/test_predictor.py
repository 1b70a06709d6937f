"""The engines agree on real images, and say in words why they cannot run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from samples import grid, image, label, model, near

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference import pipeline
from sct_deepseg_general.inference.predictor import Predictor, load_predictor

EXACT = pipeline.Options(exact=True)
IMAGES = ("T2w", "acq-MTon_MTS", "acq-crop_T2star")


@cache
def engine(name: str) -> Predictor:
    if name != "openvino":
        pytest.importorskip("nnunetv2", reason="the torch extra is not installed")
    return load_predictor(model(), name, "cpu")


@cache
def segmented(name: str, sample: str) -> pipeline.InferenceResult:
    return pipeline.segment(image(sample), engine(name), EXACT)


@pytest.mark.parametrize("sample", IMAGES)
@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_engines_agree_with_nnunet_around_the_cord(name: str, sample: str) -> None:
    ours, theirs = segmented(name, sample), segmented("nnunet", sample)
    assert theirs.segmentation.data.any()
    around = near(label(sample).data | theirs.segmentation.data)
    same = ours.segmentation.data[around] == theirs.segmentation.data[around]
    assert same.mean() >= 0.999
    difference = np.abs(ours.probability.data - theirs.probability.data)[around]
    assert np.quantile(difference, 0.999) < 0.05


def test_the_same_input_gives_the_same_probability(predictor: Predictor) -> None:
    volume = Volume(
        np.random.default_rng(0).standard_normal((48, 48, 60)).astype(np.float32),
        grid((48, 48, 60), predictor.model.spacing),
    )
    first, second = predictor.probability(volume), predictor.probability(volume)
    np.testing.assert_array_equal(first.data, second.data)
    assert first.data.dtype == np.float32
    assert 0 <= first.data.min() < first.data.max() <= 1


def test_unwanted_parts_are_zero(predictor: Predictor) -> None:
    shape = (*predictor.model.patch[:2], 4 * predictor.model.patch[2])
    volume = Volume(np.zeros(shape, np.float32), grid(shape, predictor.model.spacing))
    wanted = np.zeros(shape, bool)
    wanted[..., :4] = True
    found = predictor.probability(volume, wanted)
    assert found.data[..., 0].any()
    assert not found.data[..., shape[2] // 2 :].any()


class NotANumber:
    """An engine whose network has gone wrong."""

    name = "wrong"
    device = "cpu"

    def __init__(self, value: float) -> None:
        self.value = value

    def difference(self, data: np.ndarray, wanted: object, progress: object) -> np.ndarray:
        return np.where(data > 0, self.value, 1).astype(np.float32)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(value: float, predictor: Predictor) -> None:
    broken = replace(predictor, engine=NotANumber(value))
    volume = Volume(np.ones((4, 4, 4), np.float32), grid((4, 4, 4), (1, 1, 1)))
    with pytest.raises(ModelError, match="not finite"):
        broken.probability(volume)


def test_a_model_without_locator_says_so(predictor: Predictor) -> None:
    volume = Volume(np.ones((4, 4, 4), np.float32), grid((4, 4, 4), (1, 1, 1)))
    with pytest.raises(ModelError, match="no locator"):
        replace(predictor, locator=None).coarse_probability(volume)


def test_the_locator_goes_with_every_engine() -> None:
    """Found by the locator on the CPU, looked at closely by torch: the same cord."""
    ours = pipeline.segment(image("T2w"), engine("openvino"))
    theirs = pipeline.segment(image("T2w"), engine("torch"))
    assert theirs.location.box == ours.location.box
    assert (theirs.segmentation.data == ours.segmentation.data).mean() >= 0.999


@pytest.mark.gpu
@pytest.mark.parametrize("sample", IMAGES)
def test_a_gpu_gives_the_same_cord(sample: str) -> None:
    torch = pytest.importorskip("torch", reason="the torch extra is not installed")
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    found = load_predictor(model())
    assert found.engine.device == "cuda"
    theirs = pipeline.segment(image(sample), found)
    ours = pipeline.segment(image(sample), engine("openvino"))
    assert (theirs.segmentation.data == ours.segmentation.data).mean() >= 0.999


@pytest.mark.parametrize(
    ("missing", "name", "says"),
    [
        ("torch", "torch", "pip install"),
        ("torch", "nnunet", "pip install"),
        ("openvino", "openvino", "-engine torch"),
    ],
)
def test_a_missing_library_says_what_installs_it(missing: str, name: str, says: str) -> None:
    script = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "from sct_deepseg_general.errors import BackendError\n"
        "from sct_deepseg_general.inference.predictor import load_predictor\n"
        "from samples import model\n"
        f"try: load_predictor(model(), '{name}', 'cpu')\n"
        "except BackendError as error: print(error)\n"
    )
    words, here = [sys.executable, "-c", script], Path(__file__).parents[1] / "support"
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=here)
    assert says in done.stdout
    assert missing in done.stdout.lower()
