"""The same image and model give the same bytes, whatever the threads, the order or the folder."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from samples import MODEL_VARIABLE, cord_crop, image_path, model

from sct_deepseg_general.cli._click import PROGRAM
from sct_deepseg_general.image import nifti
from sct_deepseg_general.inference import pipeline
from sct_deepseg_general.inference.predictor import load_predictor

COMMAND = Path(sys.executable).with_name(PROGRAM)
MODEL = ["-m", os.environ[MODEL_VARIABLE]] if MODEL_VARIABLE in os.environ else []
STAMPS = {"Timestamp", "Filename"}


def outputs(folder: Path, images: list[Path], threads: int) -> dict[str, bytes]:
    """What the command writes into a new folder, without the time and the folder's own name."""
    folder.mkdir()
    words = [COMMAND, "-i", *images, "-soft", "-o", folder, *MODEL]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=300)
    results = (path for path in folder.iterdir() if path.suffix != ".toml")  # holds the words typed
    return {path.name: without_stamp(path) for path in results}


def without_stamp(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".csv":
        rows = list(csv.DictReader(content.decode().splitlines()))
        kept = [{k: v for k, v in row.items() if k not in STAMPS} for row in rows]
        return json.dumps(kept).encode()
    return content


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """The real crop, turned and shifted, under three names."""
    turned = cord_crop().reoriented(("L", "A", "S"))
    for name, volume in (("a", cord_crop()), ("b", turned)):
        nifti.save(volume, tmp_path / f"{name}.nii.gz")
    return [tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]


def test_the_order_changes_no_byte(images: list[Path], tmp_path: Path) -> None:
    one = outputs(tmp_path / "one", images, 1)
    two = outputs(tmp_path / "two", images[::-1], 1)
    assert len(one) == 8
    assert one == two


def test_the_number_of_threads_changes_no_byte(images: list[Path], tmp_path: Path) -> None:
    one = outputs(tmp_path / "one", images[:1], 1)
    assert len(one) == 4
    assert outputs(tmp_path / "two", images[:1], 2) == one


def test_a_difference_would_be_seen(tmp_path: Path) -> None:
    for name, text in (("a", "Timestamp,x\n1,2\n"), ("b", "Timestamp,x\n2,2\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "c.csv").write_text("Timestamp,x\n1,3\n")
    a, b, c = (without_stamp(tmp_path / f"{name}.csv") for name in "abc")
    assert a == b != c


def test_a_sidecar_holds_no_time(images: list[Path], tmp_path: Path) -> None:
    made = outputs(tmp_path / "made", images[:1], 1)
    record = json.loads(made["a_seg.json"])
    assert not [name for name in record if "time" in name.lower() or "date" in name.lower()]
    assert gzip.decompress(made["a_seg.nii.gz"])[:4] == b"\x5c\x01\0\0"


def test_engines_differ_by_little(tmp_path: Path) -> None:
    """docs/reliability.md states these bounds."""
    pytest.importorskip("nnunetv2", reason="the torch extra is not installed")
    volume = cord_crop()
    found = {
        name: pipeline.segment(volume, load_predictor(model(), name, "cpu"))
        for name in ("openvino", "torch")
    }
    first, second = (found[name] for name in ("openvino", "torch"))
    difference = np.abs(first.probability.data - second.probability.data)
    assert difference.max() < 1e-2
    changed = int((first.segmentation.data != second.segmentation.data).sum())
    assert changed <= 0.001 * first.segmentation.data.sum() + 1


@pytest.mark.slow
@pytest.mark.parametrize("threads", [2, 3, 4, 16])
def test_no_number_of_threads_changes_a_byte_of_a_whole_image(threads: int, tmp_path: Path) -> None:
    image = [image_path("T2w")]
    assert outputs(tmp_path / "one", image, 1) == outputs(tmp_path / "more", image, threads)
