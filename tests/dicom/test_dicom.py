import gzip
from datetime import date

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("pydicom")

from dicom_files import write_series

from sct_deepseg_general.dicom import convert
from sct_deepseg_general.dicom.convert import converted
from sct_deepseg_general.dicom.series import chosen, series_in
from sct_deepseg_general.errors import BackendError, ImageError

SPACING = (0.5, 0.75, 3.0)


@pytest.fixture
def data():
    return np.random.default_rng(0).integers(0, 2000, (40, 32, 6)).astype(np.uint16)


@pytest.fixture
def folder(tmp_path, data):
    write_series(tmp_path / "dicom" / "s3", data, SPACING)
    (tmp_path / "dicom" / "README.txt").write_text("not an image")
    return tmp_path / "dicom"


def test_a_series_is_read_with_who_and_when(folder):
    (one,) = series_in(folder)
    assert (one.number, one.description, len(one.files)) == (3, "t2 spine", 6)
    assert (one.person.age, one.person.sex, one.day) == (34, "F", date(2024, 5, 6))


@pytest.mark.parametrize(
    ("fields", "age"),
    [
        ({"PatientAge": "648M"}, 54),
        ({"PatientAge": "", "PatientBirthDate": "19700506"}, 54),
        ({"PatientAge": ""}, None),
    ],
)
def test_the_age_is_in_years_whatever_its_unit(tmp_path, data, fields, age):
    write_series(tmp_path / "d", data, SPACING, **fields)
    found = series_in(tmp_path / "d")[0].person.age
    assert found == (age if age is None else pytest.approx(age, abs=0.01))


def test_the_image_keeps_values_and_place_and_loses_the_name(folder, tmp_path, data):
    path = converted(series_in(folder)[0], tmp_path / "image.nii.gz")
    image = nib.as_closest_canonical(nib.load(path))
    assert image.header.get_zooms() == pytest.approx(SPACING)
    expected = data[::-1, ::-1]  # to the right, to the front
    assert np.array_equal(np.asarray(image.dataobj), expected)
    corner = image.affine @ [0, 0, 0, 1]
    assert corner[:3] == pytest.approx([10 - 39 * 0.5, 20 - 31 * 0.75, 0])
    raw = gzip.decompress(path.read_bytes())
    assert b"Jane" not in raw
    assert b"2024" not in raw[:352]


def test_a_series_must_be_chosen_among_several(folder, data):
    write_series(folder / "s7", data, SPACING, SeriesNumber=7, SeriesDescription="t1 spine")
    both = series_in(folder)
    with pytest.raises(ImageError, match=r"3: t2 spine .* 7: t1 spine"):
        chosen(both, None)
    assert chosen(both, 7).description == "t1 spine"
    with pytest.raises(ImageError, match="0 series have the number 5"):
        chosen(both, 5)


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(ImageError, match="no magnetic resonance image"):
        series_in(tmp_path)


def test_without_the_converter_the_sentence_names_the_extra(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "find_spec", lambda _: None)
    monkeypatch.setattr(convert, "which", lambda _: None)
    with pytest.raises(BackendError, match=r"\[dicom\]"):
        converted(series_in(folder)[0], tmp_path / "image.nii.gz")
