"""Reading what scanners and programs make, refusing what is no image, writing whole files."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bad_images import BAD, SHAPE, Maker, noise
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import geometry, grid, image_path, label_path

from sct_deepseg_general.errors import ImageError, OutputError
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Probability, Segmentation, Volume

U, _, V = np.linalg.svd([[0, 0.2, 3], [-0.8, 0.1, 0.2], [0.1, 0.8, 0.3]])
OBLIQUE = np.eye(4)
OBLIQUE[:3] = np.column_stack([U @ V * [0.8, 0.8, 3.0], [-9, 4, 5]])
DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def write(path: Path, data: np.ndarray, affine: np.ndarray = OBLIQUE, **fields: object) -> Path:
    header = nib.Nifti1Header()
    header.set_data_dtype(data.dtype)
    made = nib.Nifti1Image(data, affine, header)
    for name, value in fields.items():
        made.header[name] = value
    nib.save(made, path)
    return path


@pytest.mark.parametrize(("make", "says"), BAD.values(), ids=BAD)
def test_what_is_no_image_gets_one_sentence(make: Maker, says: str, tmp_path: Path) -> None:
    path = make(tmp_path)
    with pytest.raises(ImageError, match=says) as caught:
        nifti.load(path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert path.name in sentence
    assert len(sentence) < 400 + len(str(path))


@pytest.mark.parametrize("name", ["claims 4 GB", "claims 4 GB, zipped", "claims 2^40"])
def test_no_memory_is_asked_for_what_a_header_claims(name: str, tmp_path: Path) -> None:
    path = BAD[name][0](tmp_path)
    tracemalloc.start()
    with pytest.raises(ImageError):
        nifti.load(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20e6


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [1, 2])
def test_every_number_type_is_read(dtype: str, order: str, version: int, tmp_path: Path) -> None:
    data = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    kind = {1: nib.Nifti1Image, 2: nib.Nifti2Image}[version]
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.dtype(order + dtype))
    nib.save(kind(data, OBLIQUE, header), tmp_path / "i.nii")
    volume = nifti.load(tmp_path / "i.nii")
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_allclose(volume.grid.affine, OBLIQUE, atol=1e-6)
    assert type(volume.header) is nib.Nifti1Header


@pytest.mark.parametrize(("slope", "inter"), [(0.5, 3.0), (-2.0, 0.0), (1.0, -7.0)])
def test_scaled_integers_have_their_meant_values(
    slope: float, inter: float, tmp_path: Path
) -> None:
    path = write(tmp_path / "i.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    raw = bytearray(path.read_bytes())
    raw[112:120] = struct.pack("<2f", slope, inter)
    path.write_bytes(bytes(raw))
    np.testing.assert_allclose(
        nifti.load(path).data.ravel(), np.arange(24) * slope + inter, atol=1e-6
    )


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_a_slope_of_zero_or_nan_means_none(slope: float, tmp_path: Path) -> None:
    path = write(tmp_path / "i.nii", np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    raw = bytearray(path.read_bytes())
    raw[112:120] = struct.pack("<2f", slope, 5)
    path.write_bytes(bytes(raw))
    assert nifti.load(path).data.ravel().tolist() == list(range(24))


def test_zipped_or_not_is_the_same(tmp_path: Path) -> None:
    data = noise()
    plain, zipped = write(tmp_path / "i.nii", data), write(tmp_path / "i.nii.gz", data)
    np.testing.assert_array_equal(nifti.load(plain).data, nifti.load(zipped).data)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (2, 4), (0, 0)])
def test_the_affine_is_that_of_the_best_form(codes: tuple[int, int], tmp_path: Path) -> None:
    path = write(tmp_path / "i.nii", noise())
    made = nib.load(path)
    made.set_qform(np.diag([2.0, 2, 4, 1]), codes[0])
    made.set_sform(np.diag([2.0, 2, 4, 1]) + np.eye(4, k=3), codes[1])
    nib.save(made, tmp_path / "j.nii")
    volume = nifti.load(tmp_path / "j.nii")
    shift = volume.grid.affine[0, 3]
    assert volume.grid.spacing == (2.0, 2.0, 4.0)
    if codes[1]:
        assert shift == 1  # the sform where there is one
    elif codes[0]:
        assert shift == 0


def test_a_series_is_averaged_and_counted(tmp_path: Path) -> None:
    series = np.random.default_rng(0).integers(0, 900, (4, 5, 6, 7)).astype(np.int16)
    volume = nifti.load(write(tmp_path / "i.nii.gz", series))
    np.testing.assert_allclose(volume.data, series.mean(3), rtol=1e-6)
    assert volume.data.dtype == np.float32
    assert volume.frames == 7


@pytest.mark.parametrize("shape", [(4, 5, 6, 1), (4, 5, 6, 1, 1), (4, 5, 6)])
def test_one_volume_is_no_series(shape: tuple[int, ...], tmp_path: Path) -> None:
    volume = nifti.load(write(tmp_path / "i.nii", noise(shape)))
    assert volume.frames == 1
    assert volume.grid.shape == (4, 5, 6)


def test_one_slice_is_an_image(tmp_path: Path) -> None:
    assert nifti.load(write(tmp_path / "i.nii", noise((9, 8, 1)))).grid.shape == (9, 8, 1)


def test_names_with_spaces_and_letters_of_the_world(tmp_path: Path) -> None:
    path = tmp_path / "mœlle épinière\n脊髄 1.nii.gz"
    nifti.save(Volume(noise(), grid(SHAPE, (1, 1, 1))), path)
    np.testing.assert_array_equal(nifti.load(path).data, noise())


def test_what_nifti1_cannot_hold_is_refused(tmp_path: Path) -> None:
    long = nib.Nifti2Image(noise((40000, 2, 2)), np.diag([0.05, 1, 1, 1]))
    nib.save(long, tmp_path / "long.nii")
    with pytest.raises(ImageError, match="NIfTI-1"):
        nifti.load(tmp_path / "long.nii")


def test_masks_may_be_empty_and_are_binary(tmp_path: Path) -> None:
    empty = write(tmp_path / "e.nii", np.zeros(SHAPE, np.uint8))
    assert not nifti.load_segmentation(empty).data.any()
    soft = np.linspace(-0.05, 1.05, 24).reshape(2, 3, 4)
    path = write(tmp_path / "s.nii", soft)
    mask, probability = nifti.load_segmentation(path), nifti.load_probability(path)
    np.testing.assert_array_equal(mask.data, soft > 0.5)
    assert mask.data.dtype == np.uint8
    np.testing.assert_allclose(probability.data, soft.clip(0, 1), atol=1e-6)
    assert probability.data.dtype == np.float32
    np.testing.assert_allclose(nifti.load_map(path).data, soft)


def test_nibabel_images_are_volumes() -> None:
    volume = nifti.volume_of(nib.Nifti1Image(noise(), OBLIQUE))
    np.testing.assert_array_equal(volume.data, noise())
    with pytest.raises(ImageError, match="2 dimensions"):
        nifti.volume_of(nib.Nifti1Image(noise((4, 4)), OBLIQUE))


def odd_header(**fields: object) -> nib.Nifti1Header:
    header = nib.load(image_path("T2w")).header.copy()
    for name, value in fields.items():
        header[name] = value
    return header


ODD = {
    "as it is": {},
    "qform only": {"sform_code": 0},
    "sform only": {"qform_code": 0},
    "neither": {"qform_code": 0, "sform_code": 0},
    "talairach": {"qform_code": 3, "sform_code": 4},
    "template": {"sform_code": 5},
    "no units": {"xyzt_units": 0},
    "other units": {"xyzt_units": 2 | 16},
    "left-handed": {"pixdim": [-1, 1, 1, 1, 0, 0, 0, 0]},
    "time step": {"pixdim": [1, 1, 1, 1, 2.5, 0, 0, 0]},
    "disagreeing": {"qoffset_x": 55.5, "quatern_b": 0.1},
}


@pytest.mark.parametrize("fields", ODD.values(), ids=ODD)
def test_geometry_is_kept_to_the_byte(fields: dict[str, object], tmp_path: Path) -> None:
    made = nib.Nifti1Image(
        np.asarray(nib.load(image_path("T2w")).dataobj), None, odd_header(**fields)
    )
    nib.save(made, tmp_path / "in.nii.gz")
    volume = nifti.load(tmp_path / "in.nii.gz")
    mask = Segmentation((volume.data > 200).astype(np.uint8), volume.grid, volume.header)
    nifti.save(mask, tmp_path / "out.nii.gz")
    assert geometry(tmp_path / "out.nii.gz") == geometry(tmp_path / "in.nii.gz")
    back = nib.load(tmp_path / "out.nii.gz")
    assert back.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(back.affine, volume.grid.affine)
    np.testing.assert_array_equal(np.asarray(back.dataobj), mask.data)


def test_a_shifted_geometry_is_seen(tmp_path: Path) -> None:
    volume = nifti.load(image_path("T2w"))
    header = odd_header(qoffset_x=1.5)
    nifti.save(Volume(volume.data, volume.grid, header), tmp_path / "out.nii")
    assert geometry(tmp_path / "out.nii") != geometry(image_path("T2w"))


def test_a_header_that_would_move_the_anatomy_is_not_written(tmp_path: Path) -> None:
    volume = nifti.load(image_path("T2w"))
    rows = volume.grid.affine[0] + np.array((0, 0, 0, 0.5))
    with pytest.raises(OutputError, match="lie apart"):
        nifti.save(Volume(volume.data, volume.grid, odd_header(srow_x=rows)), tmp_path / "o.nii")
    assert list(tmp_path.iterdir()) == []


def test_a_big_endian_header_is_kept_in_value(tmp_path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">f4")
    nib.save(nib.Nifti1Image(noise(), OBLIQUE, header), tmp_path / "in.nii")
    nifti.save(nifti.load(tmp_path / "in.nii"), tmp_path / "out.nii")
    assert geometry(tmp_path / "out.nii") == geometry(tmp_path / "in.nii")


def test_free_text_of_the_header_is_not_carried_over(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.nii", noise(), descrip=b"Jane Doe", db_name=b"Jane", aux_file=b"Doe"
    )
    nifti.save(nifti.load(path), tmp_path / "out.nii")
    content = (tmp_path / "out.nii").read_bytes()
    assert b"Jane" in path.read_bytes()
    assert b"Jane" not in content
    assert b"Doe" not in content


def test_the_same_volume_is_the_same_bytes(tmp_path: Path) -> None:
    mask = nifti.load_segmentation(label_path("T2w"))
    for name in ("a.nii.gz", "other.nii.gz"):
        nifti.save(mask, tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "other.nii.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.nii.gz").read_bytes())[344:347] == b"n+1"


def test_a_volume_without_header_gets_its_grids(tmp_path: Path) -> None:
    volume = nifti.load(image_path("T2w")).resampled((2, 2, 2))
    nifti.save(Probability((volume.data / 9e3).astype(np.float32), volume.grid), tmp_path / "p.nii")
    header = nib.load(tmp_path / "p.nii").header
    assert (int(header["qform_code"]), int(header["sform_code"])) == (0, 2)
    assert header.get_xyzt_units()[0] == "mm"
    assert header.get_data_dtype() == np.float32
    np.testing.assert_allclose(header.get_best_affine(), volume.grid.affine, atol=1e-5)


def bases() -> list[bytes]:
    made = nib.Nifti1Image(noise(), OBLIQUE)
    return [made.to_bytes(), nib.Nifti2Image(noise(), OBLIQUE).to_bytes()]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    base=st.sampled_from(bases()),
    changes=st.dictionaries(st.integers(0, 539), st.binary(min_size=1, max_size=4), max_size=8),
    length=st.integers(0, 2600),
    zipped=st.booleans(),
)
def test_any_header_is_read_or_refused(
    base: bytes, changes: dict[int, bytes], length: int, zipped: bool, tmp_path: Path
) -> None:
    content = bytearray(base)
    for place, new in changes.items():
        content[place : place + len(new)] = new
    path = tmp_path / ("f.nii.gz" if zipped else "f.nii")
    raw = bytes(content[: len(content) - length if length > 1300 else None])
    path.write_bytes(gzip.compress(raw, 1) if zipped else raw)
    try:
        volume = nifti.load(path)
    except ImageError:
        return
    assert volume.data.shape == volume.grid.shape
    assert np.isfinite(volume.data).all()


def _saved(path: Path, data: np.ndarray, slope: float | None = None) -> Path:
    image = nib.Nifti1Image(data, np.eye(4))
    if slope is not None:
        image.header.set_slope_inter(slope, 0)
    nib.save(image, path)
    return path


def test_a_4d_mask_is_never_averaged(tmp_path: Path) -> None:
    data = np.zeros((4, 4, 4, 2), np.uint8)
    data[1, 1, 1, 0] = data[2, 2, 2, 1] = 1
    path = _saved(tmp_path / "mask.nii.gz", data)
    for load in (nifti.load_map, nifti.load_segmentation, nifti.load_probability):
        with pytest.raises(ImageError, match="2 volumes differ"):
            load(path)
        assert load(path, volume=1).data[2, 2, 2] == 1
        with pytest.raises(ImageError, match="there is no 2"):
            load(path, volume=2)
    same = _saved(tmp_path / "same.nii.gz", np.repeat(data[..., :1], 3, axis=3))
    np.testing.assert_array_equal(nifti.load_map(same).data, data[..., 0])


def test_a_background_of_nan_becomes_the_lowest_value_and_is_counted(tmp_path: Path) -> None:
    data = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 9, 7)).astype(np.float32)
    data[:3] = np.nan
    image = nifti.load(_saved(tmp_path / "UNIT1.nii.gz", data))
    assert image.undefined == 3 * 9 * 7
    assert (image.data[:3] == np.nanmin(data)).all()
    np.testing.assert_array_equal(image.data[3:], data[3:])
    assert image.reoriented(("P", "I", "R")).undefined == image.undefined


def test_nan_in_a_label_is_no_background(tmp_path: Path) -> None:
    data = np.zeros((4, 5, 6), np.float32)
    data[1], data[2] = 1, np.nan
    with pytest.raises(ImageError, match="30 NaN or infinite"):
        nifti.load(_saved(tmp_path / "label.nii.gz", data), nan_background=False)
