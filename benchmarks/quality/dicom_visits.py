"""Two DICOM folders of one person, made from one image: what the pages about change show.

`visit1` and `visit2` are sagittal series of a woman of 33 and, 399 days later, of 34 years: the
image moved and turned differently, with 3 % noise; in the second the cord is smaller.

    python -m benchmarks.quality.dicom_visits -i sub-errsm20_T2w.nii.gz -o FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from benchmarks.quality.atrophy import Visit, visited
from sct_deepseg_general.change.straight import course_of
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.pipeline import segment
from sct_deepseg_general.inference.predictor import load_predictor
from sct_deepseg_general.zoo.zoo import resolve

VISITS = {
    "visit1": (Visit(0.00, (1.5, -2.0, 1.0), (2.0, -1.0, 1.5), 0.03, 1), "20230402", "033Y"),
    "visit2": (Visit(0.03, (-1.0, 2.5, -2.0), (-1.0, 2.0, -2.0), 0.03, 2), "20240506", "034Y"),
}
"""How each folder's images are made, day of the study, and age."""
LPS = np.array([-1.0, -1.0, 1.0])
BRIGHTEST = 4000


def write_series(folder: Path, image: Volume, day: str, age: str) -> None:
    """The image as sagittal DICOM files, a file for each slice."""
    image = image.reoriented(("P", "I", "L"))
    columns, rows, across = (image.grid.affine[:3, n] * LPS for n in range(3))
    first = image.grid.affine[:3, 3] * LPS
    spacing = image.grid.spacing
    data = np.clip(image.data / np.percentile(image.data, 99.9), 0, 1)
    whole = np.round(BRIGHTEST * data).astype("<u2")
    folder.mkdir(parents=True)
    study, series, frame = (generate_uid() for _ in range(3))
    for number in range(image.grid.shape[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.Modality, one.Manufacturer = "MR", "example"
        one.SeriesNumber, one.InstanceNumber, one.AcquisitionNumber = 3, number + 1, 1
        one.SeriesDescription = "t2 sagittal"
        one.PatientName, one.PatientID = "Example^Person", "1"
        one.PatientAge, one.PatientSex, one.StudyDate = age, "F", day
        one.ImageOrientationPatient = [
            f"{v:.8f}" for v in (*columns / spacing[0], *rows / spacing[1])
        ]
        one.ImagePositionPatient = [f"{v:.4f}" for v in first + number * across]
        one.PixelSpacing = [spacing[1], spacing[0]]
        one.SliceThickness = one.SpacingBetweenSlices = spacing[2]
        one.Rows, one.Columns = whole.shape[1], whole.shape[0]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
        one.PixelData = np.ascontiguousarray(whole[:, :, number].T).tobytes()
        pydicom.dcmwrite(folder / f"{number:03d}.dcm", one, enforce_file_format=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", dest="image", type=Path, required=True)
    parser.add_argument("-o", dest="folder", type=Path, required=True)
    given = parser.parse_args()
    image = nifti.load(given.image)
    cord = segment(image, load_predictor(resolve(None))).segmentation
    for name, (visit, day, age) in VISITS.items():
        seen = visited(image, cord, course_of(cord), visit)
        write_series(given.folder / name, seen, day, age)
        print(given.folder / name)


if __name__ == "__main__":
    main()
