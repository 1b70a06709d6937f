"""The subcommand `batch` as it is typed, with the real model on real images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from batches import table
from tools import tool

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).parents[1] / "data"
MAIN = [sys.executable, "-c", "from sct_deepseg_general.cli import main; main()", "batch"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Two of the sample images as a dataset, and one that is no image."""
    images = sorted(SAMPLES.glob("sub-*/anat/*_MTS.nii.gz"))
    if not images:
        pytest.skip("the sample images are not in tests/data")
    root = tmp_path_factory.mktemp("data")
    folder = root / "sub-01" / "anat"
    folder.mkdir(parents=True)
    for image in images:
        shutil.copy(image, folder / image.name.replace("sub-sct", "sub-01"))
    (folder / "sub-01_T2w.nii.gz").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def ran(dataset, tmp_path_factory):
    """The batch of that dataset: its folder, and how the command ended."""
    model = os.environ.get("SCT_DEEPSEG_GENERAL_MODEL", "sc-general")
    folder = tmp_path_factory.mktemp("out")
    words = [
        "-bids",
        dataset,
        "-o",
        folder,
        "-m",
        model,
        "-offline",
        "-soft",
        "-v",
        "2",
        "-jobs",
        "1",
    ]
    return folder, typed(*words), words


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MAIN, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_what_works_is_written_and_what_fails_is_listed(ran):
    folder, ended, _ = ran
    assert ended.returncode == 1, ended.stderr
    assert "Failed (1," in ended.stderr
    assert "sub-01_T2w.nii.gz" in ended.stderr
    assert "Traceback" not in ended.stderr
    rows = {row["image"].rpartition("/")[2]: row for row in table(folder / "images.tsv")}
    assert rows["sub-01_T2w.nii.gz"]["status"] == "error"
    assert sum(row["status"] != "error" for row in rows.values()) == 2
    mask = folder / rows["sub-01_acq-MTon_MTS.nii.gz"]["mask"]
    sidecar = json.loads(mask.with_name(mask.name.replace(".nii.gz", ".json")).read_text())
    assert sidecar["Sources"] == ["bids:raw:sub-01/anat/sub-01_acq-MTon_MTS.nii.gz"]
    assert (folder / "qc" / "index.html").exists()
    assert any(float(row["area"]) > 0 for row in table(folder / "csa.tsv") if row["area"] != "n/a")


def test_what_is_shown_says_where_everything_is(ran):
    folder, ended, _ = ran
    assert "3 to do: new" in ended.stdout
    assert ended.stdout.count(", mean CSA ") == 2
    for name in ("images.tsv", "csa.tsv", "qc/index.html"):
        assert str(folder / name) in ended.stdout
    progress = json.loads((folder / "batch" / "0001-of-0001" / "progress.json").read_text())
    assert (progress["state"], progress["done"], progress["error"]) == ("finished", 3, 1)


def test_what_failed_is_a_list_to_give_again(ran, dataset, tmp_path):
    folder, _, _ = ran
    again = typed("-list", folder / "failed.txt", "-root", dataset, "-o", tmp_path, "-dry-run")
    assert again.stdout.split() == ["do", "sub-01/anat/sub-01_T2w.nii.gz:", "new"]


def test_the_same_again_says_that_nothing_is_left(ran):
    _, _, words = ran
    again = typed(*words, "-dry-run")
    assert again.returncode == 0
    assert again.stdout.count("keep") == 3
    assert again.stdout.count("done before") == 2
    assert again.stdout.count("failed before") == 1


def test_an_edited_mask_is_measured_and_kept(ran, dataset, tmp_path):
    """An elliptic tube of 12 x 8 mm, 75.4 mm², drawn in place of a mask."""
    folder, _, words = ran
    out = tmp_path / "out"
    shutil.copytree(folder, out)
    again = [out if word == folder else word for word in words]
    mask = next(out.rglob("*acq-MTon*_mask.nii.gz"))
    grid = nib.as_closest_canonical(nib.load(mask))
    axes = [
        (np.arange(n) - (n - 1) / 2) * mm
        for n, mm in zip(grid.shape, grid.header.get_zooms(), strict=True)
    ]
    inside = (axes[0][:, None] / 6) ** 2 + (axes[1] / 4) ** 2 <= 1
    tube = np.repeat(inside[..., None], grid.shape[2], axis=2).astype(np.uint8)
    nib.save(nib.Nifti1Image(tube, grid.affine), mask)
    drawn = mask.read_bytes()
    ended = typed(*again)
    assert "1 to measure: an output was edited since" in ended.stdout
    assert "1 edited" in ended.stdout
    row = next(row for row in table(out / "images.tsv") if "MTon" in row["image"])
    assert row["status"] == "edited"
    assert float(row["mean_area"]) == pytest.approx(75.4, rel=0.03)
    rows = [row for row in table(out / "csa.tsv") if "MTon" in row["image"]]
    assert len(rows) == grid.shape[2]
    assert {row["status"] for row in rows} == {"edited"}
    assert {row["area_lower"] for row in rows} == {"n/a"}
    assert mask.read_bytes() == drawn
    stricter = typed(*again, "-thr", "0.6", "-overwrite")
    assert "was edited since (threshold was" in stricter.stderr
    assert mask.read_bytes() == drawn
    typed(*again, "-thr", "0.6", "-overwrite", mask.name)
    assert mask.read_bytes() != drawn


def test_the_output_is_valid_bids(ran):
    folder, _, _ = ran
    said = subprocess.run(
        [tool("bids-validator-deno"), folder], capture_output=True, text=True, check=False
    )
    assert "[ERROR]" not in said.stdout
    assert said.returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-o", "out"], 2, "Nothing to segment"),
        (["-bids", "d", "-i", "a.nii", "-o", "out"], 2, "Give either"),
        (["-bids", "missing", "-o", "out"], 1, "missing"),
        (["-i", "a.nii", "-o", "out", "-shard", "5/4"], 1, "no shard 5/4"),
        (["merge", "-o", "nowhere"], 1, "no table to join"),
        (["-i", "a.nii", "-o", "out", "-shrad", "1/4"], 2, "-shard"),
    ],
)
def test_wrong_words_end_with_a_sentence(words, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = typed(*words)
    assert ended.returncode == code
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from sct_deepseg_general.cli import batch, _click; "
        "batch.command.main(['-h'], standalone_mode=False); "
        "print([m for m in ('numpy', 'torch', 'openvino', 'yaml', 'submitit') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert "batch merge" in ended.stdout


def test_the_script_documents_itself_and_is_sound():
    script = ROOT / "batch_processing.sh"
    subprocess.run(["bash", "-n", script], check=True)
    text = script.read_text()
    names = ("PATH_DATA", "PATH_DATA_PROCESSED", "PATH_RESULTS", "PATH_LOG", "PATH_QC")
    assert all(f"#   {name}" in text for name in names)
    assert os.access(script, os.X_OK)


@pytest.fixture(scope="module")
def with_discs(tmp_path_factory):
    """A batch of the T2w image with the discs of the dataset's derivatives, and -vert 4:5."""
    root, folder = tmp_path_factory.mktemp("discs"), tmp_path_factory.mktemp("levels")
    for place, name in (
        ("sub-sct/anat", "sub-sct_T2w.nii.gz"),
        ("derivatives/labels/sub-sct/anat", "sub-sct_T2w_label-discs.nii.gz"),
    ):
        (root / place).mkdir(parents=True)
        shutil.copy(SAMPLES / place / name, root / place)
    ended = typed("-bids", root, "-o", folder, "-vert", "C4:C5", "-offline", "-jobs", "1")
    return folder, ended


def test_the_interval_and_the_region_are_columns_of_the_table_of_images(with_discs):
    folder, ended = with_discs
    assert ended.returncode == 0, ended.stderr
    (row,) = table(folder / "images.tsv")
    slices = [one for one in table(folder / "csa.tsv") if one["level"] in ("4", "5")]
    assert {one["level"] for one in slices} == {"4", "5"}
    mean = np.mean([float(one["area"]) for one in slices])
    assert float(row["region_area"]) == pytest.approx(mean, abs=0.01)
    for name in ("area", "region"):
        area = float(row["mean_area" if name == "area" else "region_area"])
        assert float(row[f"{name}_lower"]) < area < float(row[f"{name}_upper"])
    sidecar = json.loads(next(folder.rglob("*_mask.json")).read_text())
    assert float(row["mean_area"]) == pytest.approx(sidecar["Area"]["Mean"], abs=0.01)


def test_the_picture_of_the_group_is_drawn(with_discs):
    folder, ended = with_discs
    assert f"Picture: {folder / 'group.png'}" in ended.stdout
    assert (folder / "group.png").read_bytes().startswith(b"\x89PNG")
