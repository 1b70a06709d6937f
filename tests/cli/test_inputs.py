"""Inputs that are not what they seem, given to each command."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from phantoms import Convention, phantom_bids
from placeholders import PLACEHOLDERS
from samples import cord_crop

from sct_deepseg_general import cli
from sct_deepseg_general.image import nifti


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Typed = Callable[..., Ended]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sct_deepseg_sc_general", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Ended(int(end.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "t2.nii.gz"
    nifti.save(cord_crop(), path)
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "drawn.nii.gz"
    write_tube(path)
    return path


def write_tube(path: Path, radius: float = 5.0) -> None:
    """A tube of 24 slices; `radius` in mm."""
    grid = cord_crop().reoriented(("L", "A", "S")).grid
    shape, spacing = grid.shape, grid.spacing
    x, y = ((np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape[:2], spacing[:2], strict=True))
    disc = np.hypot(x[:, None], y) <= radius
    data = np.repeat(disc[..., None], shape[2], axis=2).astype(np.uint8)
    nib.save(nib.Nifti1Image(data, grid.affine), path)


def _tube(folder: Path) -> Path:
    write_tube(folder / "tube.nii.gz")
    return folder / "tube.nii.gz"


COMMANDS: dict[str, Callable[[Path, Path, Path], list[object]]] = {
    "segment": lambda path, _image, _folder: ["-i", path],
    "csa": lambda path, _image, _folder: ["csa", "-i", path],
    "csa -vertfile": lambda path, _image, folder: ["csa", "-i", _tube(folder), "-vertfile", path],
    "qc": lambda path, image, folder: ["qc", "-i", path, "-s", image, "-qc", folder / "qc"],
    "qc -s": lambda path, image, folder: ["qc", "-i", image, "-s", path, "-qc", folder / "qc"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_content_that_is_not_here_is_one_sentence(
    kind: str, command: str, image: Path, typed: Typed, tmp_path: Path
) -> None:
    make, said = PLACEHOLDERS[kind]
    absent = tmp_path / "absent.nii.gz"
    make(absent)
    ended = typed(*COMMANDS[command](absent, image, tmp_path))
    assert ended.code == 1
    assert ended.err.startswith(f"Error: {absent}: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("whose", ["image", "label"])
def test_evaluate_ends_with_1_where_content_is_not_here(
    whose: str, typed: Typed, tmp_path: Path
) -> None:
    root = phantom_bids(tmp_path / "ds", Convention(people=("01", "02")))
    paths = [
        one for one in root.rglob("sub-01*.nii.gz") if ("labels" in str(one)) == (whose == "label")
    ]
    for path in paths:
        path.unlink()
        path.symlink_to("../../.git/annex/objects/a/b")
    ended = typed("evaluate", "-bids", root, "-offline")
    assert ended.code == 1
    assert f"{whose}: the content is not present: run 'git annex get'" in ended.err
    assert "ds_sub-02" in ended.out, "the rest is measured"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_rows_are_appended_to_a_table_that_another_program_saved(
    encoding: str, mask: Path, typed: Typed, tmp_path: Path
) -> None:
    out = tmp_path / "areas.csv"
    assert typed("csa", "-i", mask, "-o", out).code == 0
    first = out.read_bytes()
    out.write_bytes(first.decode().encode(encoding))
    assert typed("csa", "-i", mask, "-o", out, "-append", 1).code == 0
    content = out.read_bytes()
    assert content.startswith(first)
    rows = list(csv.DictReader(content.decode("utf-8").splitlines()))
    assert len(rows) == 2
    assert rows[0]["MEAN(area)"] == rows[1]["MEAN(area)"]


def test_a_table_with_semicolons_is_named_and_kept(
    mask: Path, typed: Typed, tmp_path: Path
) -> None:
    out = tmp_path / "areas.csv"
    assert typed("csa", "-i", mask, "-o", out).code == 0
    out.write_text(
        out.read_text().replace('","', '";"').replace(",MEAN", ";MEAN").replace(",", ";")
    )
    before = out.read_bytes()
    ended = typed("csa", "-i", mask, "-o", out, "-append", 1)
    assert ended.code == 1
    assert "separated by semicolons: save it with commas" in ended.err
    assert out.read_bytes() == before


def test_a_mask_is_refused_as_an_image_by_its_values(
    mask: Path, typed: Typed, tmp_path: Path
) -> None:
    ended = typed("-i", mask, "-offline")
    assert ended.code == 1
    assert "is a mask (its only values are 0, 1)" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.nii.gz"]


def test_own_results_among_the_images_are_skipped(
    image: Path, typed: Typed, tmp_path: Path
) -> None:
    assert typed("-i", image, "-soft", "-offline").code == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    images = sorted(tmp_path.glob("*.nii.gz"))
    assert len(images) == 3
    again = typed("-i", *images, "-offline", "-overwrite")
    assert again.code == 0, again.err
    assert again.err.count("Skipped ") == 2
    assert set(tmp_path.iterdir()) == set(before)
    alone = typed("-i", tmp_path / "t2_seg.nii.gz", "-offline")
    assert alone.code == 1
    assert "t2_seg.nii.gz is not an image to segment: t2_seg.json says" in alone.err


def test_an_edited_mask_is_replaced_only_by_its_name(image: Path, typed: Typed) -> None:
    assert typed("-i", image, "-offline").code == 0
    mask = image.with_name("t2_seg.nii.gz")
    written = mask.read_bytes()
    write_tube(mask)
    edited = mask.read_bytes()
    kept = typed("-i", image, "-offline", "-overwrite")
    assert kept.code == 1
    assert "was edited after t2_seg.json was written" in kept.err
    assert "'-overwrite t2_seg.nii.gz'" in kept.err
    assert mask.read_bytes() == edited
    assert typed("-i", image, "-offline", "-overwrite", mask.name).code == 0
    assert mask.read_bytes() == written
    assert typed("-i", image, "-offline", "-overwrite", "1").code == 0
    assert typed("-i", image, "-offline", "-overwrite", "0").code == 1


def test_an_edited_mask_is_measured_as_such(image: Path, typed: Typed) -> None:
    assert typed("-i", image, "-offline").code == 0
    mask, sidecar = image.with_name("t2_seg.nii.gz"), image.with_name("t2_seg.json")
    own = typed("csa", "-i", mask, "-overwrite", "-perslice", 1)
    assert "was edited" not in own.out
    assert json.loads(sidecar.read_text())["Status"] != "edited"
    write_tube(mask)
    ended = typed("csa", "-i", mask, "-overwrite", "-perslice", 1)
    assert ended.code == 0, ended.err
    assert "was edited" in ended.out
    described = json.loads(sidecar.read_text())
    assert described["Status"] == "edited"
    assert described["Area"] == {"Mean": pytest.approx(np.pi * 25, rel=0.03)}
    rows = list(csv.DictReader(image.with_name("t2_seg_csa.csv").read_text().splitlines()))
    assert {row["Status"] for row in rows} == {"edited"}
    areas = [float(row["MEAN(area)"]) for row in rows if row["MEAN(area)"]]
    assert np.mean(areas) == pytest.approx(described["Area"]["Mean"], abs=0.001)


def test_a_mask_of_another_program_is_replaced_only_by_its_name(image: Path, typed: Typed) -> None:
    mask = image.with_name("t2_seg.nii.gz")
    write_tube(mask)
    sidecar = {"GeneratedBy": [{"Name": "sct_deepseg"}]}
    image.with_name("t2_seg.json").write_text(json.dumps(sidecar))
    before = mask.read_bytes()
    kept = typed("-i", image, "-offline", "-overwrite")
    assert kept.code == 1
    assert "is not of sct_deepseg_sc_general" in kept.err
    assert mask.read_bytes() == before
