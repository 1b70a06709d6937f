"""nnU-Net results are found in any layout, and only what is used is unpacked."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the torch extra is not installed")

from sct_deepseg_general.errors import ModelError  # after the skip
from sct_deepseg_general.files import sha256
from sct_deepseg_general.release.results_folder import found_results, unpacked

PADS = ("superior", "inferior", "left", "right", "anterior", "posterior")


def results(folder: Path, *checkpoints: str, plans: str = "{}") -> Path:
    """A results folder whose checkpoints are a few bytes: "fold_0/checkpoint_final.pth"."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(plans)
    (folder / "dataset.json").write_text("{}")
    for name in checkpoints:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def found(*sources: Path) -> list[str]:
    """The checkpoints that are used, as fold/name."""
    paths = found_results(sources, sources).folds
    return [f"{path.parent.name}/{path.name}" for path in paths]


FINAL, BEST = "checkpoint_final.pth", "checkpoint_best.pth"


@pytest.mark.parametrize(
    ("there", "used"),
    [
        ([f"fold_0/{FINAL}", f"fold_0/{BEST}"], [f"fold_0/{FINAL}"]),
        ([f"fold_3/{BEST}"], [f"fold_3/{BEST}"]),
        ([f"fold_0/{FINAL}", f"fold_1/{BEST}"], [f"fold_0/{FINAL}", f"fold_1/{BEST}"]),
        ([f"fold_all/{FINAL}"], [f"fold_all/{FINAL}"]),
        ([f"fold_all/{FINAL}", f"fold_2/{FINAL}"], [f"fold_2/{FINAL}"]),
        ([f"fold_10/{FINAL}", f"fold_2/{FINAL}"], [f"fold_10/{FINAL}", f"fold_2/{FINAL}"]),
    ],
)
def test_of_each_fold_the_final_or_else_the_best(
    tmp_path: Path, there: list[str], used: list[str]
) -> None:
    assert found(results(tmp_path / "trainer", *there).parent) == used


def test_folds_of_several_folders_are_one_network(tmp_path: Path) -> None:
    places = [results(tmp_path / name, f"fold_{n}/{FINAL}") for n, name in enumerate("abc")]
    assert found(*places) == [f"fold_{n}/{FINAL}" for n in range(3)]
    assert len(found(tmp_path)) == 3  # side by side in one folder


def test_a_second_plan_without_folds_is_passed_over(tmp_path: Path) -> None:
    place = results(tmp_path / "trainer", f"fold_4/{BEST}")
    (place / "crossval_results").mkdir()
    (place / "crossval_results" / "plans.json").write_text('{"other": 1}')
    assert found(tmp_path) == [f"fold_4/{BEST}"]


def test_two_networks_are_named(tmp_path: Path) -> None:
    results(tmp_path / "step1" / "trainer", f"fold_0/{FINAL}")
    results(tmp_path / "step2" / "trainer", f"fold_0/{FINAL}", plans='{"other": 1}')
    with pytest.raises(ModelError, match=r"found 2 .*step1/trainer, step2/trainer"):
        found(tmp_path)


def test_the_distances_of_the_crop_are_read(tmp_path: Path) -> None:
    results(tmp_path / "trainer", f"fold_0/{FINAL}")
    pads = {f"pad_{name}": float(mm) for mm, name in enumerate(PADS)}
    (tmp_path / "crop_metadata.json").write_text(json.dumps({**pads, "sc_crop_version": "0.12"}))
    crop = found_results((tmp_path,), (tmp_path,)).crop
    assert crop is not None
    assert [getattr(crop, name) for name in PADS] == [0, 1, 2, 3, 4, 5]


def test_every_source_is_hashed(tmp_path: Path) -> None:
    place = results(tmp_path / "trainer", f"fold_0/{FINAL}")
    archive = tmp_path / "release.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for path in sorted(place.rglob("*.*")):
            bundle.write(path, f"release/{path.relative_to(tmp_path)}")
    folders = unpacked((archive,), tmp_path)
    assert found_results((archive,), folders).sources == {
        "release.zip": sha256(archive),
        "plans.json": sha256(place / "plans.json"),
        "dataset.json": sha256(place / "dataset.json"),
        f"fold_0/{FINAL}": sha256(place / "fold_0" / FINAL),
    }


def test_only_what_is_used_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "release.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        for name in ("a/plans.json", "a/trainer_class.py", "a/fold_0/checkpoint_best.pth"):
            bundle.writestr(name, "x")
        for name in ("__MACOSX/a/plans.json", "a/fold_0/progress.png", "crop_metadata.json"):
            bundle.writestr(name, "x")
    (folder,) = unpacked((archive,), tmp_path)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == {
        *("a/plans.json", "a/fold_0/checkpoint_best.pth", "crop_metadata.json")
    }


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"There is no file or folder .*absent\.zip"):
        unpacked((tmp_path / "absent.zip",), tmp_path)
