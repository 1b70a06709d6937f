"""What real runs write is valid by the published schemas, and every field is described."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import nibabel as nib
import numpy as np
import pytest
from samples import DATA, image_path, label_path

from sct_deepseg_general import cli, segment
from sct_deepseg_general.errors import SchemaError
from sct_deepseg_general.job.correction import Correction, begin, manual_path, measure_correction
from sct_deepseg_general.provenance.info import info_record
from sct_deepseg_general.provenance.line import table_records
from sct_deepseg_general.provenance.schemas import SCHEMAS, schema

FOLDER = Path(cli.__file__).resolve().parents[1] / "schemas"
NECK = DATA / "levels" / "neck_T2w.nii.gz"


def validate(record: Any, name: str) -> None:
    jsonschema.Draft202012Validator(schema(name)).validate(record)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["x", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_there_is_one_file_for_each_name() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(SCHEMAS)
    with pytest.raises(SchemaError, match="There is no schema 'x'"):
        schema("x")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_a_schema_and_says_its_name(name: str) -> None:
    content = schema(name)
    jsonschema.Draft202012Validator.check_schema(content)
    assert content["$id"] == f"urn:sct-deepseg-general:schema:{name}"
    if "Schema" in content["properties"]:
        assert content["properties"]["Schema"] == {"const": name}


def test_the_sidecars_of_runs_are_valid(tmp_path: Path) -> None:
    results = [
        segment(NECK, levels="auto"),
        segment(image_path("T2w"), levels="auto", uncertainty=True),
        segment(nib.load(NECK)),
        segment(image_path("acq-MTon_MTS"), exact=True, largest=False),
    ]
    for number, result in enumerate(results):
        path = result.save(tmp_path / str(number))["sidecar"]
        validate(json.loads(path.read_text(encoding="utf-8")), "sidecar-1")


def test_a_wrong_sidecar_is_not_valid(tmp_path: Path) -> None:
    sidecar = json.loads(segment(NECK).save(tmp_path)["sidecar"].read_text(encoding="utf-8"))
    for wrong in (
        {**sidecar, "Status": "good"},
        {**sidecar, "Another": 1},
        {**sidecar, "Area": {"Mean": "70"}},
        {name: value for name, value in sidecar.items() if name != "Parameters"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validate(wrong, "sidecar-1")


def test_the_sidecar_with_the_area_of_c2_and_c3_and_norms_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("-i", NECK, "-o", tmp_path, "-c2c3", "-age", 40, "-sex", "F", "-contrast", "T2w")
    assert run(monkeypatch, *words) == 0
    sidecar = json.loads((tmp_path / "neck_T2w_seg.json").read_text(encoding="utf-8"))
    assert {"C2C3", "Levels", "AmongNorms"} <= set(sidecar)
    validate(sidecar, "sidecar-1")


def test_the_status_of_masks_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "csa.csv"
    for name in ("T2w", "acq-MToff_MTS"):
        words = ("csa", "-i", label_path(name), "-o", table, "-append", 1)
        assert run(monkeypatch, *words) == 0
    content = json.loads((tmp_path / "csa_status.json").read_text(encoding="utf-8"))
    assert len(content["Masks"]) == 2
    validate(content, "status-1")


def test_the_tables_of_a_batch_are_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("-contrast", "T2w", "-jobs", 1, "-no-qc", "-levels", "auto", "--json")
    assert run(monkeypatch, "batch", "-bids", DATA, "-o", tmp_path / "out", *words) == 0
    found = {
        name: list(table_records(tmp_path / "out" / f"{name}.tsv", f"{name}-1"))
        for name in ("images", "csa")
    }
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == found["images"]
    assert [row["status"] for row in lines] == ["ok"]
    assert isinstance(lines[0]["mean_area"], float)
    assert len(found["csa"]) > 40
    for name, table in found.items():
        for row in table:
            validate(row, f"{name}-1")
            assert set(row) <= set(schema(f"{name}-1")["properties"])


def test_the_sidecar_of_a_corrected_mask_is_valid_before_and_after_the_correction(
    tmp_path: Path,
) -> None:
    mask = segment(NECK).save(tmp_path)["mask"]
    files = Correction(NECK, mask, manual_path(NECK, mask, None, None))
    begin(files)
    begun = json.loads(files.sidecar.read_text(encoding="utf-8"))
    validate(begun, "correction-1")
    read = nib.load(files.manual)
    data = np.asarray(read.dataobj).copy()
    data[:, :, 40] = 0
    nib.save(nib.Nifti1Image(data, read.affine, read.header), files.manual)
    measure_correction(files)
    corrected = json.loads(files.sidecar.read_text(encoding="utf-8"))
    validate(corrected, "correction-1")
    assert corrected["Change"]["VoxelsRemoved"] > 0
    with pytest.raises(jsonschema.ValidationError):
        validate({**corrected, "Another": 1}, "correction-1")


def test_info_is_valid() -> None:
    validate(info_record(), "info-1")
