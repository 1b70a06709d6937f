"""Names of what is written, and what its sidecar says."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from sct_deepseg_general import __version__
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.job.outputs import (
    Provenance,
    check_folder,
    check_writable,
    outputs_for,
    write_sidecar,
)

NAMES = {
    "beside": ("d/t2.nii.gz", None, "d/t2_seg.nii.gz", "d/t2_seg.json", "d/t2_softseg.nii.gz"),
    "plain": ("d/t2.nii", None, "d/t2_seg.nii", "d/t2_seg.json", "d/t2_softseg.nii"),
    "folder": ("d/t2.nii.gz", "o", "o/t2_seg.nii.gz", "o/t2_seg.json", "o/t2_softseg.nii.gz"),
    "file": ("d/t2.nii.gz", "o/a.nii.gz", "o/a.nii.gz", "o/a.json", "o/a_softseg.nii.gz"),
    "seg": ("t2.nii", "o/a_seg.nii.gz", "o/a_seg.nii.gz", "o/a_seg.json", "o/a_softseg.nii.gz"),
    "dots": (
        "s-1.5_T2.nii.gz",
        None,
        "s-1.5_T2_seg.nii.gz",
        "s-1.5_T2_seg.json",
        "s-1.5_T2_softseg.nii.gz",
    ),
    "bare": ("t2.nii.gz", "a.nii", "a.nii", "a.json", "a_softseg.nii"),
}


@pytest.mark.parametrize(("image", "asked", "mask", "sidecar", "soft"), NAMES.values(), ids=NAMES)
def test_names(image: str, asked: str | None, mask: str, sidecar: str, soft: str) -> None:
    found = outputs_for(Path(image), Path(asked) if asked else None)
    assert found.segmentation == Path(mask)
    assert found.sidecar == Path(sidecar)
    assert found.soft == Path(soft)
    assert found.csa == Path(sidecar.replace(".json", "_csa.csv"))


def test_only_what_was_asked_for_is_wanted() -> None:
    found = outputs_for(Path("t2.nii.gz"))
    assert found.paths(csa=False, soft=False) == (found.segmentation, found.sidecar)
    assert found.paths(csa=True, soft=True) == (
        found.segmentation,
        found.csa,
        found.soft,
        found.sidecar,
    )


def test_what_exists_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match="add -overwrite"):
        check_writable((tmp_path / "b", tmp_path / "a"), overwrite=False)
    check_writable((tmp_path / "b", tmp_path / "a"), overwrite=True)


def test_a_folder_may_be_new_but_not_a_file(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "newer")
    (tmp_path / "a").touch()
    for place in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(OutputError, match="is not a folder"):
            check_folder(place)


def test_folders_missing_or_in_the_way_are_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"folder {tmp_path}/no does not exist"):
        check_writable((tmp_path / "no" / "a",), overwrite=True)
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        check_writable((tmp_path / "a",), overwrite=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; test_cli gives it up")
def test_a_read_only_folder_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(OutputError, match="no permission"):
        check_writable((tmp_path / "a",), overwrite=True)


def test_the_sidecar_says_how_it_was_made(tmp_path: Path) -> None:
    image = tmp_path / "t2.nii.gz"
    image.write_bytes(b"an image")
    made = Provenance(
        image=image,
        model_key="m@1.2",
        model_digest="ab" * 32,
        engine="openvino",
        device="cpu",
        status="warn",
        reasons=("épaule",),
        frames=3,
        parameters={"threshold": 0.5},
    )
    write_sidecar(made, tmp_path / "s.json")
    written = json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))
    generated = written["GeneratedBy"][0]
    assert generated["Name"] == "sct_deepseg_sc_general"
    assert generated["Version"] == __version__
    assert (generated["Model"], generated["ModelSHA256"]) == ("m@1.2", "ab" * 32)
    assert hashlib.sha256(b"an image").hexdigest() in json.dumps(written)
    assert written["SpatialReference"] == "t2.nii.gz"
    assert (written["Engine"], written["Device"]) == ("openvino", "cpu")
    assert (written["Status"], written["Reasons"]) == ("warn", ["épaule"])
    assert written["AveragedVolumes"] == 3
    assert written["Parameters"] == {"threshold": 0.5}
    assert str(tmp_path) not in (tmp_path / "s.json").read_text()
