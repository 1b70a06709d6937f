"""A mask as a DICOM segmentation object, through highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.dicom.series import Series
from sct_deepseg_general.errors import BackendError, ImageError
from sct_deepseg_general.files import write_whole

__all__ = ["MAKER", "anonymous", "headers_of", "read_highdicom", "segmentation_of", "write_object"]

MAKER = "sct-deepseg-general developers"
_NEAR = 0.05
"""How far, in voxels, a voxel of the mask may lie from one of the images."""
_IDENTIFYING = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientBirthTime", "PatientSex", "PatientAge",
    "PatientSize", "PatientWeight", "StudyDate", "StudyTime", "AccessionNumber", "StudyID",
    "ReferringPhysicianName", "StudyDescription", "OtherPatientIDs", "PatientComments",
    "IssuerOfPatientID", "EthnicGroup", "Occupation", "AdditionalPatientHistory",
    "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "DeidentificationMethod",
)  # fmt: skip
"""Fields of the images about the person and the day, which are left empty."""
_NEEDED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "AccessionNumber", "StudyID", "ReferringPhysicianName",
)  # fmt: skip
"""Fields that every DICOM object has, empty where nothing is known."""


def read_highdicom() -> Any:
    """The library highdicom.

    Raises
    ------
    BackendError
        It is not installed.
    """
    try:
        import highdicom
    except ImportError as error:
        raise BackendError(
            "Writing DICOM needs highdicom: pip install 'sct-deepseg-general[dicom-out]'."
        ) from error
    return highdicom


def headers_of(series: Series, *, keep: bool) -> list[Any]:
    """The images of a series as pydicom datasets.

    Parameters
    ----------
    series
        The images.
    keep
        Whether name, age, sex and dates stay, and go into what is made of the images.
    """
    import pydicom

    images = [pydicom.dcmread(path) for path in series.files]
    if not keep:
        images = [anonymous(image) for image in images]
    for image in images:
        for name in _NEEDED:
            if name not in image:
                setattr(image, name, "")
    return images


def anonymous(image: Any) -> Any:
    """An image without what its header says of the person and the day; it is changed in place."""
    for name in _IDENTIFYING:
        if name in image:
            setattr(image, name, "")
    return image


def segmentation_of(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], images: Sequence[Any], model: str
) -> Any:
    """The segmentation object of a mask of a series' images.

    Parameters
    ----------
    mask
        The cord, shape (i, j, k).
    affine
        From voxels to mm in RAS, shape (4, 4).
    images
        The images that were segmented, of one series.
    model
        The model's key, id@version.

    Returns
    -------
    highdicom.seg.Segmentation
        A binary segmentation with one segment, on the grid of the images.

    Raises
    ------
    BackendError
        highdicom is not installed.
    ImageError
        The mask is empty, or its voxels are not those of the images.
    """
    hd = read_highdicom()
    from pydicom.sr.codedict import codes
    from pydicom.uid import UID, generate_uid

    if not mask.any():
        raise ImageError("No cord was found: there is nothing to write as a DICOM segmentation.")
    algorithm = hd.AlgorithmIdentificationSequence(
        name=model.split("@", maxsplit=1)[0],
        version=model.rsplit("@", maxsplit=1)[-1],
        family=codes.DCM.ArtificialIntelligence,
    )
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Spinal cord",
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=codes.SCT.SpinalCord,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    return hd.seg.Segmentation(
        source_images=list(images),
        pixel_array=_on_images(hd, mask, affine, images),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=UID(generate_uid()),
        series_number=9001,
        sop_instance_uid=UID(generate_uid()),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=model,
        software_versions=model,
        device_serial_number="0",
        content_label="SPINAL_CORD",
        content_creator_name="automatic^",
    )


def write_object(path: Path, made: Any) -> None:
    """A DICOM object as a file, written whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with write_whole(path) as temporary:
        made.save_as(temporary, enforce_file_format=True)


def _on_images(
    hd: Any, mask: NDArray[np.bool_], affine: NDArray[np.float64], images: Sequence[Any]
) -> Any:
    """The mask as a highdicom volume on the grid of the images.

    Raises
    ------
    ImageError
        The images are no regular volume, or the mask's voxels are not theirs.
    """
    geometry = _geometry(hd, images)
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    step = np.linalg.inv(to_lps @ affine) @ geometry.affine
    corners = np.array(np.meshgrid(*((0, n - 1) for n in geometry.spatial_shape))).reshape(3, -1)
    at = step[:3, :3] @ corners + step[:3, 3:]
    inside = (at > -_NEAR) & (at < np.array(mask.shape)[:, None] - 1 + _NEAR)
    if np.abs(at - np.rint(at)).max() > _NEAR or not inside.all():
        raise ImageError(
            "The mask cannot be written as DICOM: its voxels are not those of the DICOM images, "
            "which were resampled on conversion."
        )
    index = np.indices(geometry.spatial_shape).reshape(3, -1)
    own = np.rint(step[:3, :3] @ index + step[:3, 3:]).astype(np.intp)
    values = mask[tuple(own)].reshape(geometry.spatial_shape).astype(np.uint8)
    return geometry.with_array(values)


def _geometry(hd: Any, images: Sequence[Any]) -> Any:
    try:
        if len(images) == 1 and "PerFrameFunctionalGroupsSequence" in images[0]:
            geometry = hd.Image.from_dataset(images[0]).get_volume_geometry()
        else:
            geometry = hd.get_volume_from_series(list(images)).get_geometry()
    except (ValueError, AttributeError, RuntimeError) as error:
        raise ImageError(f"The DICOM images are no regular volume: {error}.") from error
    if geometry is None:
        raise ImageError("The DICOM images are no regular volume: nothing can be written on them.")
    return geometry
