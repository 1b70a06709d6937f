"""What the package can do where torch, nnU-Net and the other extras are not installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from phantoms import Convention, phantom_bids
from samples import image_path

T2W = image_path("T2w")
EXTRAS = ("torch", "nnunetv2", "safetensors", "pandas", "nbformat", "nbclient", "submitit")
_WITHOUT = f"""
import sys
for name in {EXTRAS!r}:
    sys.modules[name] = None  # an import of it raises ModuleNotFoundError
from sct_deepseg_general.cli import main
main()
"""


def call(*words: object) -> subprocess.CompletedProcess[str]:
    """The command in a process in which no extra can be imported."""
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT, *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "SCT_DEEPSEG_GENERAL_OFFLINE": "1"},
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    phantom_bids(folder / "a", Convention(people=("01", "02", "03", "04"), shape=(12, 12, 3)))
    done = call("recipe", "init", "-bids", folder / "a", "-o", folder / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    return folder


def test_recipes_are_checked(data: Path) -> None:
    done = call("recipe", "check", "-recipe", data / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    assert "4 of 4 images are labelled" in done.stdout


def test_datasets_are_converted(data: Path) -> None:
    done = call("dataset", "-recipe", data / "recipe.yaml", "-o", data / "nnunet", "-jobs", 1)
    assert done.returncode == 0, done.stderr
    assert (data / "nnunet/nnUNet_raw/Dataset101_general/dataset.json").is_file()


def test_existing_masks_are_evaluated(data: Path) -> None:
    masks = data / "a/derivatives/ours"
    for label in (data / "a/derivatives/labels").rglob("*.nii.gz"):
        copy = masks / label.name.replace("_seg-manual", "_seg")
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(label.read_bytes())
    done = call("evaluate", "-bids", data / "a", "-masks", masks, "-o", data / "ours.csv")
    assert done.returncode == 0, done.stderr
    assert "all: 4 images, 4 people" in done.stdout


@pytest.mark.parametrize(
    "words", [("models", "list"), ("models", "verify", "-m", "sc-general"), ("models", "info")]
)
def test_models_are_listed_and_verified(words: tuple[str, ...]) -> None:
    done = call(*words)
    assert done.returncode == 0, done.stderr


def test_an_image_is_segmented(tmp_path: Path) -> None:
    done = call("-i", T2W, "-o", tmp_path / "seg.nii.gz")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "seg.nii.gz").is_file()


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (("train", "-recipe", "RECIPE", "-o", "OUT"), "train"),
        (("compare", "-recipe", "RECIPE", "-o", "OUT"), "train"),
        (("compare", "-recipe", "RECIPE", "-o", "OUT", "-notebook", "0"), "train"),
        (("models", "release", "-from", "OUT", "-id", "a@1.0", "-o", "OUT"), "torch"),
        (("-i", str(T2W), "-o", "OUT", "-engine", "torch"), "torch"),
        (("-i", str(T2W), "-o", "OUT", "-engine", "nnunet"), "torch"),
    ],
)
def test_what_needs_an_extra_names_it_in_one_sentence(
    data: Path, tmp_path: Path, words: tuple[str, ...], extra: str
) -> None:
    places = {"RECIPE": data / "recipe.yaml", "OUT": tmp_path}
    done = call(*(places.get(word, word) for word in words))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert f"pip install 'sct-deepseg-general[{extra}]'" in last
    assert "Traceback" not in done.stderr
