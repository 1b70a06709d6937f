"""Networks in int8 give nearly the same labels, or the model stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import samples
from emulated_releases import BY_TASK, imported

from sct_deepseg_general.errors import ImageError, ModelError
from sct_deepseg_general.inference.pipeline import Options, segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.release.quantise import quantise
from sct_deepseg_general.zoo.model import Model

pytest.importorskip("nncf", reason="the int8 extra is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


def test_the_labels_are_nearly_those_of_float32(tmp_path: Path) -> None:
    _, model = imported(BY_TASK["spinalcord"], tmp_path)
    image = samples.image("T2w")
    with pytest.raises(ModelError, match="models quantise"):
        load_predictor(model, "openvino", "cpu", "int8")
    made = quantise(model, [image], least=0.9)
    assert made.model.int8 == ("network-fold_0-int8",)
    assert made.model.folder == model.folder
    maps = []
    for precision in ("f32", "int8"):
        predictor = load_predictor(made.model, "openvino", "cpu", precision)
        found = segment(image, predictor, Options(largest=False)).labels
        assert found is not None
        maps.append(found.data > 0)
    assert (maps[0] != maps[1]).any()  # it is another network
    dice = 2 * (maps[0] & maps[1]).sum() / (maps[0].sum() + maps[1].sum())
    assert dice == pytest.approx(made.dice)
    assert dice > 0.9


def test_too_different_labels_leave_the_model_as_it_was(tmp_path: Path) -> None:
    _, model = imported(BY_TASK["spinalcord"], tmp_path)
    with pytest.raises(ModelError, match=r"have a Dice of 0\.\d+ with those in float32, less than"):
        quantise(model, [samples.image("T2w")], least=1.0)
    assert Model.load(model.folder, full=True).digest == model.digest
    assert not [path for path in tmp_path.iterdir() if "int8" in path.name]


def test_what_cannot_be_quantised_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not an imported model"):
        quantise(samples.model(), [samples.image("T2w")])
    _, model = imported(BY_TASK["canal"], tmp_path)
    with pytest.raises(ImageError, match="sample images"):
        quantise(model, [])
