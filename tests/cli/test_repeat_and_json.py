"""A run is repeated from its settings file, and told as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from samples import DATA, cord_crop

from sct_deepseg_general import cli
from sct_deepseg_general.image import nifti
from sct_deepseg_general.provenance.schemas import schema

NECK = DATA / "levels" / "neck_T2w.nii.gz"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "neck.nii.gz").write_bytes(NECK.read_bytes())
    nifti.save(cord_crop(), tmp_path / "images" / "t2.nii.gz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764000000")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, words: str) -> int:
    monkeypatch.setattr("sys.argv", ["sct_deepseg_sc_general", *words.split()])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


SETTINGS = [
    "-thr 0.4 -largest 0 -soft",
    "-perlevel 1 -vert 2:4 -excel 1",
    "-z 20:40,50 -perslice 1 -centerline-algo linear -centerline-smooth 20",
    "-disc-at 81,3 -perlevel 1 -remove-small 10mm3",
    pytest.param("-uncertainty -exact -angle-corr 0", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_repeated_run_gives_the_same_bytes(
    settings: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, f"-i images/neck.nii.gz -o out/ {settings}") == 0
    out = folder / "out"
    names = {path.name for path in out.iterdir()}
    assert {"neck_seg.nii.gz", "neck_seg_csa.csv", "neck_seg.toml"} <= names
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for path in out.iterdir():
        if path.suffix != ".toml":
            path.unlink()
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert run(monkeypatch, "-config ../out/neck_seg.toml -overwrite") == 0
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(after) == set(before)
    for name in ("neck_seg.nii.gz", "neck_seg.json", "neck_seg.toml"):
        assert after[name] == before[name], name
    table = before["neck_seg_csa.csv"].replace(b"out/neck", b"../out/neck")
    assert after["neck_seg_csa.csv"] == table


def test_the_same_settings_for_another_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "-i images/neck.nii.gz -o out/ -thr 0.4 -z 20:40") == 0
    assert run(monkeypatch, "-config out/neck_seg.toml -i images/t2.nii.gz -largest 0") == 0
    made = json.loads((folder / "images" / "t2_seg.json").read_text(encoding="utf-8"))
    assert made["Parameters"]["threshold"] == 0.4
    assert made["Parameters"]["largest"] is False
    assert not (folder / "out" / "t2_seg.nii.gz").exists()


def test_one_settings_file_a_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "-i images/neck.nii.gz images/t2.nii.gz -o out -csa 0") == 0
    assert [path.name for path in (folder / "out").glob("*.toml")] == ["neck_seg.toml"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("[settings]\nthreshold = 0.4\n", 2, "names no flags of this command: threshold"),
        ("[settings]\nthr = 7\n", 2, "7"),
        ("thr = 0.4\n", 1, "holds no settings"),
        ("[settings]\nthr = 0.4\n", 2, "There is no image"),
    ],
)
def test_a_wrong_settings_file_is_one_sentence(
    text: str,
    code: int,
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "a.toml").write_text(text, encoding="utf-8")
    assert run(monkeypatch, "-config a.toml") == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def validated(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for record in records:
        jsonschema.Draft202012Validator(schema(record["Schema"])).validate(record)
    return records


def test_a_line_for_each_image(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "-i images/neck.nii.gz images/t2.nii.gz no.nii.gz -o out/ -c2c3 --json -qc qc"
    assert run(monkeypatch, words) == 1
    good, withheld, bad = validated(lines(capsys))
    assert good["Status"] == "ok"
    assert good["C2C3"]["Area"] > 50
    assert (folder / good["Files"]["Mask"]).exists()
    assert (folder / good["Files"]["Discs"]).exists()
    assert withheld["C2C3"]["Status"] == "withheld"
    assert bad == {
        "Schema": "result-1",
        "Image": "no.nii.gz",
        "Status": "error",
        "Error": "no.nii.gz does not exist: check the path.",
    }


def test_the_reasons_carry_their_status(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "-i images/t2.nii.gz -thr 1 -o out/ -json") == 0
    (record,) = validated(lines(capsys))
    assert record["Status"] == "fail"
    assert record["Reasons"][0] == {"Status": "fail", "Reason": "no cord was found in the image"}
    assert run(monkeypatch, "-i images/t2.nii.gz -thr 1 -o again/") == 0
    assert "  fail: no cord was found in the image" in capsys.readouterr().out


def test_a_line_for_a_mask(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = DATA / "levels" / "neck_T2w_seg.nii.gz"
    words = f"csa -i {mask} -anat {NECK} -c2c3 -perlevel 1 -o csa.csv --json"
    assert run(monkeypatch, words) == 0
    (record,) = validated(lines(capsys))
    assert record["C2C3"]["Area"] > 50
    assert len(record["Regions"]) > 3
    assert set(record["Files"]) == {"Table", "Status"}
