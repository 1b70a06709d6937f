"""`segment`: one call gives what the command gives, from files, nibabel images and arrays."""

from __future__ import annotations

import csv
import json
import os
import typing
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from samples import DATA, image_path

from sct_deepseg_general import cli, load, measure, segment
from sct_deepseg_general.api.result import CordResult
from sct_deepseg_general.errors import (
    ArgumentError,
    BackendError,
    DeepsegError,
    ImageError,
    ModelError,
    OutputError,
)

T2 = image_path("T2w")
NECK = DATA / "levels" / "neck_T2w.nii.gz"


@pytest.fixture(scope="module")
def result() -> CordResult:
    return segment(T2)


@pytest.fixture(scope="module")
def neck() -> CordResult:
    return segment(NECK, levels="auto")


def test_a_path_an_image_and_an_array_give_the_same_mask(result: CordResult) -> None:
    image = nib.load(T2)
    array = np.asarray(image.dataobj)
    for other in (segment(image), segment(array, affine=image.affine), segment(os.fspath(T2))):
        assert np.array_equal(np.asarray(other.mask), np.asarray(result.mask))
        assert other.mean_area() == result.mean_area()
        assert np.array_equal(other.mask.affine, result.mask.affine)


def test_an_array_of_whole_numbers_of_64_bits_is_an_image_too(result: CordResult) -> None:
    image = nib.load(T2)
    whole = segment(np.asarray(image.dataobj).astype(np.int64), affine=image.affine)
    assert np.array_equal(np.asarray(whole.mask), np.asarray(result.mask))


def test_what_is_saved_is_what_the_command_writes(
    neck: CordResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_command, from_python = tmp_path / "command", tmp_path / "python"
    from_command.mkdir()
    words = ["x", "-i", str(NECK), "-o", str(from_command), "-levels", "auto"]
    monkeypatch.setattr("sys.argv", [*words, "-soft"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    files = neck.save(from_python, soft=True)
    for kind in ("mask", "probability", "discs"):
        written = (from_command / files[kind].name).read_bytes()
        assert files[kind].read_bytes() == written, kind
    assert rows(files["table"]) == rows(from_command / files["table"].name)
    sidecars = [json.loads((folder / "neck_T2w_seg.json").read_text()) for folder in
                (from_command, from_python)]  # fmt: skip
    assert sidecars[0] == sidecars[1]


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table of areas, without the time and the place of the mask."""
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k not in ("Timestamp", "Filename")} for row in table]


def test_an_image_in_memory_is_saved_under_a_name_and_has_no_source(
    tmp_path: Path, result: CordResult
) -> None:
    image = nib.load(T2)
    files = segment(image).save(tmp_path / "new", name="anna")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "anna_seg.json",
        "anna_seg.nii.gz",
        "anna_seg_csa.csv",
    ]
    assert files["mask"].read_bytes() == result.save(tmp_path / "b")["mask"].read_bytes()
    assert not {"Sources", "SourcesSHA256"} & set(json.loads(files["sidecar"].read_text()))


def test_the_source_in_the_sidecar_is_the_file_that_was_segmented(tmp_path: Path) -> None:
    image = tmp_path / "t2.nii.gz"
    image.write_bytes(T2.read_bytes())
    found = segment(image)
    before = found.save(tmp_path / "a")["sidecar"].read_text()
    image.unlink()
    assert found.save(tmp_path / "b")["sidecar"].read_text() == before


def test_files_are_kept_unless_overwrite_says_so(tmp_path: Path, result: CordResult) -> None:
    mask = result.save(tmp_path)["mask"]
    with pytest.raises(OutputError, match="add overwrite=True to replace it, or choose folder"):
        result.save(tmp_path)
    result.save(tmp_path, overwrite=True)
    edited = nib.load(mask)
    nib.save(nib.Nifti1Image(np.asarray(edited.dataobj) * 0, edited.affine), mask)
    with pytest.raises(OutputError, match=f'overwrite="{mask.name}"'):
        result.save(tmp_path, overwrite=True)
    result.save(tmp_path, overwrite=mask.name)
    assert nib.load(mask).get_fdata().any()


def test_levels_from_the_image_a_disc_and_discs_by_number_agree(neck: CordResult) -> None:
    table = {row["level"]: row["area"] for row in records(neck.table("level"))}
    assert set(table) >= {2, 3, 4, 5}
    assert neck.mean_area(level=3) == table[3]
    discs = np.asarray(nib.load(saved_discs(neck)).dataobj)
    places = {int(discs[tuple(at)]): tuple(int(v) for v in at) for at in np.argwhere(discs)}
    again = segment(NECK, discs=places)
    assert again.mean_area(level=(2, 3)) == neck.mean_area(level=(2, 3))
    slices = segment(NECK, disc_at=(places[4][2], 4))
    assert slices.mean_area(level=(2, 3)) == pytest.approx(neck.mean_area(level=(2, 3)), rel=0.02)


def saved_discs(neck: CordResult) -> Path:
    import tempfile

    return neck.save(tempfile.mkdtemp())["discs"]


def records(table: typing.Any) -> list[dict[str, typing.Any]]:
    return table.to_dict("records") if hasattr(table, "to_dict") else table  # type: ignore[no-any-return]


def test_c2_and_c3_are_those_of_the_command(
    neck: CordResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["x", "-i", str(NECK), "-o", str(tmp_path), "-c2c3"])
    with pytest.raises(SystemExit):
        cli.main()
    assert f"C2-C3 area {neck.mean_area(level=(2, 3)):.1f} mm²" in capsys.readouterr().out


def test_uncertainty_shows_how_far_altered_copies_agree_and_moves_no_area(
    result: CordResult,
) -> None:
    sure = segment(nib.load(T2), uncertainty=True)
    assert sure.mean_area() == result.mean_area()
    assert sure.interval is not None
    assert sure.interval == pytest.approx(result.interval)  # the copies' weight in it is 0
    assert sure.interval[0] < sure.mean_area() < sure.interval[1]


def test_a_threshold_near_one_gives_a_smaller_mask(result: CordResult) -> None:
    assert segment(T2, threshold=0.9).mean_area() < result.mean_area()


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    segment(T2, progress=lambda done, of: told.append((done, of)))
    assert told
    assert told[-1][0] == told[-1][1]


WRONG: list[tuple[dict[str, typing.Any], type[DeepsegError], str]] = [
    ({"image": "no.nii.gz"}, ImageError, "no.nii.gz does not exist"),
    ({"image": np.zeros((4, 4, 4))}, ArgumentError, "image is an array"),
    ({"image": 5}, ArgumentError, "image is of the type int"),
    ({"image": None}, ArgumentError, "image is of the type NoneType"),
    ({"threshold": 0}, DeepsegError, "threshold of 0"),
    ({"threshold": "0.5"}, ArgumentError, "threshold='0.5'"),
    ({"disc_at": 5}, ArgumentError, "disc_at=5: give a slice and the number"),
    ({"disc_at": (9, 3), "discs": {3: (1, 2, 3)}}, ArgumentError, "disc_at is for images without"),
    ({"levels": "C2"}, ArgumentError, "levels='C2'"),
    ({"levels": 3}, ArgumentError, "levels is of the type int"),
    ({"discs": {3: (1, 2, 300)}}, ArgumentError, "disc 3 at voxel"),
    ({"discs": np.zeros((2, 2, 2))}, ArgumentError, "discs has the shape"),
    ({"device": "gpu"}, BackendError, "no device 'gpu'"),
    ({"engine": "tpu"}, BackendError, "no engine 'tpu'"),
    ({"model": "no-such-model"}, ModelError, "no-such-model"),
    ({"label": "brain"}, ModelError, "no label 'brain'"),
    ({"pmj": T2}, ImageError, "mark the junction with one"),
]


@pytest.mark.parametrize(("given", "kind", "words"), WRONG)
def test_a_wrong_argument_is_one_sentence_in_pythons_words(
    given: dict[str, typing.Any], kind: type[DeepsegError], words: str
) -> None:
    with pytest.raises(kind) as raised:
        segment(**{"image": T2, **given})
    assert words in str(raised.value)
    assert " -" not in str(raised.value)


def test_an_argument_error_is_a_value_error() -> None:
    assert issubclass(ArgumentError, ValueError)


def test_a_mask_is_not_an_image(tmp_path: Path, result: CordResult) -> None:
    with pytest.raises(ImageError, match="is a mask"):
        segment(result.mask)
    with pytest.raises(ImageError, match="not an image to segment"):
        segment(result.save(tmp_path)["mask"])


def test_type_hints_resolve() -> None:
    for function in (segment, measure, load, CordResult.table, CordResult.plot, CordResult.save):
        hints = typing.get_type_hints(function)
        assert "return" in hints
    hints = typing.get_type_hints(segment)
    assert hints["return"] is CordResult
    assert hints["threshold"] == float | None
