"""Whatever a file holds: a valid volume and right results, or one error in one sentence."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hostile_images import CLASSES, Input, made, voxels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_law import judged

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Grid, Segmentation
from sct_deepseg_general.morphometry.morphometrics import measure

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_of_input_is_read_or_refused(name: str) -> None:
    @settings(max_examples=14, deadline=None, suppress_health_check=list(HealthCheck))
    @given(CLASSES[name])
    def lawful(one: Input) -> None:
        with tempfile.TemporaryDirectory() as folder:
            assert judged(one, Path(folder)) in {"measured", "read", "refused"}

    lawful()


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_the_corpus_keeps_the_law(path: Path, tmp_path: Path) -> None:
    outcome = judged(Input(f"in.{path.name.partition('.')[2]}", path.read_bytes()), tmp_path)
    assert outcome == ("refused" if path.name.startswith("bad") else "measured")


def test_a_broken_law_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Input("in.nii", made(voxels((6, 7, 8))))
    assert judged(good, tmp_path) == "measured"
    monkeypatch.setattr("image_law.LONGEST", 0.0)
    with pytest.raises(AssertionError):
        judged(good, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr("image_law.MOST_MEMORY", 1)
    with pytest.raises(AssertionError):
        judged(good, tmp_path)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=60)
)
def test_strange_names_are_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.nii"
    try:
        path.write_bytes(made(voxels((4, 5, 6))))
    except OSError:
        return  # the file system does not take it
    assert nifti.load(path).grid.shape == (4, 5, 6)
    path.unlink()


@pytest.mark.parametrize("length", [200, 255, 256, 5000])
def test_paths_however_long_are_read_or_refused(length: int, tmp_path: Path) -> None:
    folder = tmp_path
    while len(str(folder)) < length - 60:
        folder = folder / ("x" * 50)
    path = folder / "in.nii"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made(voxels((4, 5, 6))))
    except OSError:
        with pytest.raises(ImageError, match=r"cannot be opened|does not exist"):
            nifti.load(path)
        return
    assert nifti.load(path).grid.shape == (4, 5, 6)


def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.nii")
    caught: list[ImageError] = []

    def read() -> None:
        with pytest.raises(ImageError, match="not a file") as error:
            nifti.load(tmp_path / "in.nii")
        caught.append(error.value)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(10)
    assert caught


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/stdin", "/proc/self/mem"])
def test_a_device_is_refused(device: str, tmp_path: Path) -> None:
    (tmp_path / "in.nii").symlink_to(device)
    with pytest.raises(ImageError):
        nifti.load(tmp_path / "in.nii")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_claim_of_gigabytes_is_refused_within_a_gigabyte_of_addresses(
    zipped: bool, tmp_path: Path
) -> None:
    import gzip

    content = made(voxels((4, 4, 4)), dim=(0, [3, 1024, 1024, 2000]))[:1000]
    path = tmp_path / ("in.nii.gz" if zipped else "in.nii")
    path.write_bytes(gzip.compress(content) if zipped else content)
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from sct_deepseg_general import errors\nfrom sct_deepseg_general.image import nifti\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try: nifti.load(Path(sys.argv[1]))\n"
        "except errors.ImageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True, timeout=60
    )
    assert "incomplete" in done.stdout


def test_nothing_but_the_error_is_said_of_an_odd_header(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """nibabel's own remarks on a header stay out of the user's terminal."""
    content = bytearray(made(voxels((4, 5, 6))))
    content[344:348] = b"odd\0"
    (tmp_path / "in.nii").write_bytes(bytes(content))
    with pytest.raises(ImageError):
        nifti.load(tmp_path / "in.nii")
    content[344:348] = b"n+1\0"
    content[252:254] = struct.pack("<h", 77)  # no code that NIfTI knows
    (tmp_path / "in.nii").write_bytes(bytes(content))
    nifti.load(tmp_path / "in.nii")
    assert capfd.readouterr() == ("", "")


def test_a_thousand_slices_are_measured(tmp_path: Path) -> None:
    mask = np.zeros((12, 12, 1000), np.uint8)
    mask[3:9, 3:9] = 1
    nib.save(nib.Nifti1Image(mask, np.diag([1.0, 1, 0.5, 1])), tmp_path / "in.nii.gz")
    area = measure(nifti.load_map(tmp_path / "in.nii.gz")).area
    assert area.shape == (1000,)
    assert np.isfinite(area).all()


def test_voxels_of_a_twentieth_of_a_millimetre_are_measured() -> None:
    mask = np.zeros((60, 60, 30), np.uint8)
    mask[10:50, 10:50] = 1
    table = measure(Segmentation(mask, Grid(mask.shape, np.diag([0.05, 0.05, 0.05, 1.0]))))
    np.testing.assert_allclose(table.area, 4.0, rtol=0.15)


def test_a_mask_wider_than_a_body_is_refused() -> None:
    mask = np.ones((9, 9, 2), np.uint8)
    with pytest.raises(ImageError, match=r"1350 x 1350 mm"):
        measure(Segmentation(mask, Grid(mask.shape, np.diag([150.0, 150, 1, 1]))))
