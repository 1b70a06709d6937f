"""A result as an array with its place in space."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from samples import image_path, label

from sct_deepseg_general.api.image import ResultImage


def test_numpy_nibabel_and_the_properties_agree() -> None:
    volume = label("T2w")
    one = ResultImage(volume, "Mask")
    source = nib.load(image_path("T2w"))
    assert one.shape == source.shape
    assert np.array_equal(one.affine, source.affine)
    assert one.spacing == source.header.get_zooms()[:3]
    image = one.to_nibabel()
    assert np.array_equal(np.asarray(image.dataobj), np.asarray(one))
    assert np.array_equal(image.affine, one.affine)
    assert int(image.header["sform_code"]) == int(source.header["sform_code"])
    assert int(image.header["qform_code"]) == int(source.header["qform_code"])


def test_the_voxels_in_another_type_or_as_a_copy() -> None:
    one = ResultImage(label("T2w"), "Mask")
    assert np.asarray(one, float).dtype == float
    copy = np.array(one)
    copy[:] = 9
    assert np.asarray(one).max() == 1
    assert float(np.mean(one)) == label("T2w").data.mean()  # type: ignore[call-overload]


def test_the_affine_cannot_be_changed_by_accident() -> None:
    one = ResultImage(label("T2w"), "Mask")
    one.affine[0, 0] = 99
    assert one.affine[0, 0] != 99


def test_the_words_are_short() -> None:
    assert repr(ResultImage(label("T2w"), "Mask")) == "<Mask, 60 x 55 x 52 voxels of 1 x 1 x 1 mm>"
