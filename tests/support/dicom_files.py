"""A series of MR images in DICOM form, made from an array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid


def write_series(
    folder: Path, data: np.ndarray, spacing: tuple[float, float, float], **fields: Any
) -> None:
    """Axial slices of `data` (x to the left, y to the back, z up; uint16), a file each."""
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = (generate_uid() for _ in range(3))
    for z in range(data.shape[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.Modality, one.Manufacturer = "MR", "phantom"
        one.SeriesNumber, one.InstanceNumber, one.AcquisitionNumber = 3, z + 1, 1
        one.SeriesDescription = "t2 spine"
        one.PatientName, one.PatientID = "Doe^Jane", "12345"
        one.PatientAge, one.PatientSex, one.StudyDate = "034Y", "F", "20240506"
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.ImagePositionPatient = [-10.0, -20.0, z * spacing[2]]
        one.PixelSpacing = [spacing[1], spacing[0]]
        one.SliceThickness = one.SpacingBetweenSlices = spacing[2]
        one.Rows, one.Columns = data.shape[1], data.shape[0]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.PixelData = np.ascontiguousarray(data[:, :, z].T.astype("<u2")).tobytes()
        for name, value in fields.items():
            setattr(one, name, value)
        pydicom.dcmwrite(folder / f"{z:03d}.dcm", one, enforce_file_format=True)
