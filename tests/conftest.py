"""What many tests share: the sample images, and the embedded model loaded once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sct_deepseg_general.inference.openvino import drop_signal_stack
from sct_deepseg_general.inference.predictor import Predictor, load_predictor


def pytest_configure() -> None:
    """Shells start background jobs with Ctrl-C ignored, and the tests' children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """The embedded model on OpenVINO."""
    from samples import model

    return load_predictor(model(), "openvino", "cpu")


@pytest.fixture
def cord(tmp_path: Path) -> Path:
    """A small real image: the T2w sample cropped around the cord."""
    from samples import cord_crop

    from sct_deepseg_general.image import nifti

    nifti.save(cord_crop(), tmp_path / "t2.nii.gz")
    return tmp_path / "t2.nii.gz"


@pytest.fixture(autouse=True)
def ordinary_signal_stack() -> Iterator[None]:
    """OpenVINO's own stack for signals does not outlive the models of a test."""
    drop_signal_stack()
    yield
    drop_signal_stack()
