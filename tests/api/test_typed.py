"""Arguments of the public functions: what is wrong is one error of ours, in Python's words."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from samples import image_path, label_path

import sct_deepseg_general
from sct_deepseg_general import CordResult, load, measure, segment
from sct_deepseg_general.api.image import ResultImage
from sct_deepseg_general.api.models import LoadedModel
from sct_deepseg_general.errors import ArgumentError, DeepsegError, NormsError

T2, MASK = image_path("T2w"), label_path("T2w")
WHO: dict[str, typing.Any] = {"age": 54, "sex": "F"}
ARRAY = np.zeros((4, 4, 4), np.float32)

SEGMENT: list[tuple[dict[str, typing.Any], str]] = [
    ({**WHO, "age": "54"}, "age='54': give a number of years."),
    ({**WHO, "age": True}, "age=True: give a number of years."),
    ({**WHO, "age": [54]}, "age=[54]: give a number of years."),
    ({**WHO, "age": 540}, "540 is not an age in years"),
    ({**WHO, "age": float("nan")}, "nan is not an age in years"),
    ({**WHO, "age": 10**400}, "is not an age in years"),
    ({**WHO, "sex": "x"}, "'x' is not a sex that the norms know"),
    ({**WHO, "sex": 1}, 'sex=1: give "F" or "M".'),
    ({**WHO, "contrast": 1}, 'contrast=1: give "T1w" or "T2w".'),
    ({**WHO, "contrast": ""}, "contrast is empty"),
    ({"levels": "foo"}, "levels='foo': give \"auto\", or a map of levels."),
    ({"levels": [2, 3]}, "levels is of the type list"),
    ({"discs": {"C2": (1, 2, 3)}}, "give a whole number"),
    ({"discs": {3: 5}}, "disc 3 at voxel (5,) is not in the image"),
    ({"discs": {3: ("a", 2, 3)}}, "discs: disc 3=('a', 2, 3): give a whole number"),
    ({"discs": {}}, "discs holds no disc"),
    ({"affine": np.eye(4)}, "affine belongs to an array, and image has that of the file."),
    ({"image": ARRAY, "affine": np.eye(3)}, "affine does not place voxels in space"),
    ({"image": ARRAY, "affine": "x"}, "affine does not place voxels in space"),
    ({"image": ARRAY, "affine": np.full((4, 4), np.nan)}, "affine does not place voxels in space"),
    ({"image": ARRAY, "affine": np.zeros((4, 4))}, "affine does not place voxels in space"),
    ({"threshold": 2}, "A threshold of 2 makes no mask"),
    ({"model": 3}, "model=3: give a name, or the result of load."),
    ({"label": 3}, "label=3: give a text."),
    ({"channels": "b.nii.gz"}, "channels='b.nii.gz': give a sequence."),
    ({"largest": "no"}, "largest='no': give True or False."),
    ({"progress": 3}, "progress=3: give a function."),
]
MEASURE: list[tuple[dict[str, typing.Any], str]] = [
    ({"label": "1"}, "label='1': give a whole number."),
    ({"affine": np.eye(4)}, "affine belongs to an array, and mask has that of the file."),
    ({"angle_correction": "no"}, "angle_correction='no': give True or False."),
    ({**WHO, "model": 3}, "model=3: give a text."),
]
LOAD: list[tuple[dict[str, typing.Any], str]] = [
    ({"model": 3}, "model=3: give a name, name@version, folder or https address."),
    ({"precision": "x"}, 'precision=\'x\': give "f32", "bf16" or "int8".'),
    ({"offline": "yes"}, "offline='yes': give True or False."),
]


@pytest.mark.parametrize(("given", "words"), SEGMENT)
def test_segment(given: dict[str, typing.Any], words: str) -> None:
    _refused(segment, {"image": T2, **given}, words)


@pytest.mark.parametrize(("given", "words"), MEASURE)
def test_measure(given: dict[str, typing.Any], words: str) -> None:
    _refused(measure, {"mask": MASK, **given}, words)


@pytest.mark.parametrize(("given", "words"), LOAD)
def test_load(given: dict[str, typing.Any], words: str) -> None:
    _refused(load, given, words)


def _refused(function: Callable[..., object], given: dict[str, typing.Any], words: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - of our own kind, below
        function(**given)
    assert isinstance(raised.value, ArgumentError)
    assert words in str(raised.value)


def test_an_impossible_person_is_still_an_error_of_the_norms() -> None:
    with pytest.raises(NormsError):
        segment(T2, **{**WHO, "age": 540})


def test_an_image_of_nibabel_has_its_own_place() -> None:
    with pytest.raises(ArgumentError, match="image has that of an image"):
        segment(nib.load(T2), affine=np.eye(4))


def test_numbers_and_truth_of_numpy_and_paths_are_taken(tmp_path: Path) -> None:
    result = segment(T2, threshold=np.float32(0.5), largest=np.bool_(True))  # type: ignore[arg-type]
    assert result.save(tmp_path / "new", soft=np.bool_(False))  # type: ignore[arg-type]
    folder = load().predictor.model.folder
    assert load(folder).name == load(str(folder)).name


def test_a_result_is_saved_only_as_was_meant(tmp_path: Path) -> None:
    result = measure(MASK)
    for words, given in {
        "folder=None: give the path of a folder.": {"folder": None},
        "name=3: give a file name": {"folder": tmp_path, "name": 3},
        "overwrite=3: give True, False": {"folder": tmp_path, "overwrite": 3},
        "soft='x': give True or False.": {"folder": tmp_path, "soft": "x"},
    }.items():
        with pytest.raises(ArgumentError, match=words):
            result.save(**given)  # type: ignore[arg-type]
    assert not any(tmp_path.iterdir())


def test_the_hints_of_every_public_name_resolve() -> None:
    names = [getattr(sct_deepseg_general, name) for name in sct_deepseg_general.__all__]
    found = [one for one in names if inspect.isfunction(one)]
    for kind in (CordResult, ResultImage, LoadedModel):
        for name, value in inspect.getmembers(kind):
            member = value.fget if isinstance(value, property) else value
            if not name.startswith("_") and inspect.isfunction(member):
                found.append(member)
    assert len(found) > 20
    for function in found:
        hints = typing.get_type_hints(function)
        assert set(inspect.signature(function).parameters) - {"self"} == set(hints) - {"return"}
        assert "return" in hints
    assert issubclass(DeepsegError, Exception)
