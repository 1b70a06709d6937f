"""Areas as a DICOM structured report (template TID 1500), through highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sct_deepseg_general.dicom.segmentation import MAKER, read_highdicom

__all__ = ["LevelArea", "report_of"]


@dataclass(frozen=True)
class LevelArea:
    """The mean area (mm²) of the cord at a level ("C3"), or of all slices (level "")."""

    level: str
    area: float


def report_of(areas: Sequence[LevelArea], segmentation: Any, images: Sequence[Any]) -> Any:
    """The structured report of the areas measured in a segmentation.

    Parameters
    ----------
    areas
        One for each group of measurements.
    segmentation
        What `segmentation.segmentation_of` made; the report refers to it.
    images
        The images that were segmented.

    Returns
    -------
    highdicom.sr.ComprehensiveSR
        A measurement report with a group for each area.
    """
    hd = read_highdicom()
    from pydicom.sr.codedict import codes
    from pydicom.uid import UID, generate_uid

    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(), name=MAKER
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.LN.MRIUnspecifiedBodyRegion,
        imaging_measurements=[_group(hd, codes, one, segmentation) for one in areas],
        title=codes.DCM.ImagingMeasurementReport,
    )
    return hd.sr.ComprehensiveSR(
        evidence=[segmentation, *images],
        content=content[0],
        series_instance_uid=UID(generate_uid()),
        series_number=9002,
        sop_instance_uid=UID(generate_uid()),
        instance_number=1,
        manufacturer=MAKER,
        is_complete=True,
    )


def _group(hd: Any, codes: Any, one: LevelArea, segmentation: Any) -> Any:
    """The measurement group of one area."""
    from pydicom.uid import generate_uid

    site = codes.SCT.SpinalCord
    level = getattr(codes.SCT, f"{one.level}Vertebra", None) if one.level else None
    name = f"Spinal cord at {one.level}" if one.level else "Spinal cord, all slices"
    sites = [hd.sr.FindingSite(anatomic_location=site)]
    if level is not None:
        sites.append(hd.sr.FindingSite(anatomic_location=level))
    measured = hd.sr.Measurement(
        name=codes.SCT.Area,
        value=round(one.area, 3),
        unit=codes.UCUM.SquareMillimeter,
        derivation=codes.SCT.Mean,
    )
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=generate_uid(), identifier=name),
        referenced_segment=hd.sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=1,
            source_images=_sources(hd, segmentation),
        ),
        finding_type=site,
        finding_sites=sites,
        measurements=[measured],
    )


def _sources(hd: Any, segmentation: Any) -> list[Any]:
    """The images that a segmentation refers to."""
    (series,) = segmentation.ReferencedSeriesSequence
    return [
        hd.sr.SourceImageForSegmentation(one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID)
        for one in series.ReferencedInstanceSequence
    ]
