"""What many tests share: the sample images, and the embedded model loaded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sct_deepseg_general.network import Predictor, load_predictor


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """The embedded model on OpenVINO."""
    from samples import model

    return load_predictor(model(), "openvino", "cpu")


@pytest.fixture
def cord(tmp_path: Path) -> Path:
    """A small real image: the T2w sample cropped around the cord."""
    from samples import cord_crop

    from sct_deepseg_general import nifti

    nifti.save(cord_crop(), tmp_path / "t2.nii.gz")
    return tmp_path / "t2.nii.gz"
