"""What is asked of a job, and what it results in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sct_deepseg_general.csa.aggregate import Row
from sct_deepseg_general.csa.c2c3 import C2C3
from sct_deepseg_general.csa.measure import PER_SLICE, CsaRequest, Measured
from sct_deepseg_general.image.las import InLas
from sct_deepseg_general.inference.pipeline import InferenceResult, Options
from sct_deepseg_general.job.outputs import Outputs
from sct_deepseg_general.levels.answer import LevelAnswer, LevelRequest
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.norms.assess import Assessment, NormRequest
from sct_deepseg_general.quality.findings import Quality
from sct_deepseg_general.quality.uncertainty import Doubt

__all__ = ["Done", "Job", "QcPlace", "Request"]


@dataclass(frozen=True)
class QcPlace:
    """The QC page to which an entry is added, and the names it gets there."""

    folder: Path
    dataset: str = ""
    """The name of the dataset; "" takes it from the path of the image."""
    subject: str = ""
    """The name of the subject; "" takes it from the path of the image."""
    at_once: bool = True
    """Whether the page shows each entry at once; otherwise `qc.folder.refresh` has to be called."""


@dataclass(frozen=True)
class Request:
    """The options that apply to every image of a call."""

    options: Options = field(default_factory=Options)
    soft: bool = False
    """Whether the probability map is written."""
    csa: bool = True
    """Whether the table of areas is written."""
    qc: QcPlace | None = None
    command: str = ""
    """The command line, for the QC page."""
    measures: CsaRequest = PER_SLICE
    """The rows of the table of areas, and how the areas are normalised."""
    norms: NormRequest | None = None
    """Among whom to place each level's area and diameters."""
    levels: LevelRequest | None = None
    """Find the vertebral levels in the image, or check and complete those of `measures`."""
    excel: bool = False
    """Whether the table writes ranges in words, which no spreadsheet takes for a time."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The paths of the volumes in `measures`, by the names of its fields, for messages."""
    header: Mapping[str, Any] = field(default_factory=dict)
    """Age, sex and day of a DICOM header that the user wants in the sidecar."""


@dataclass(frozen=True)
class Job:
    """An image and the paths of its outputs."""

    image: Path
    outputs: Outputs
    contrast: str = ""
    source: str = ""
    """The image as a BIDS URI, for the sidecar; "" for its file name."""
    channels: tuple[Path, ...] = ()
    """Further images that the model takes together with the first."""
    sha256: str | None = None
    """Of the image's file; None: of what the file holds when the outputs are written; "" for an
    image without a file."""


@dataclass(frozen=True, eq=False)
class Done:
    """The results of a job."""

    job: Job
    result: InferenceResult
    measured: Measured
    doubt: Doubt
    quality: Quality
    seconds: float
    """Time from reading the image to the last file written, without the QC page."""
    qc_page: Path | None = None
    norms: Assessment | None = None
    """Where the levels lie among the norms, if norms were requested."""
    levels: LevelAnswer | None = None
    c2c3: C2C3 | None = None
    """The area of C2-C3; None, like the levels, unless requested."""
    region: Row | None = None
    """The row of the region that was asked for; None where the whole cord was."""
    sentences: tuple[str, ...] = ()
    """What the user should know of the files that go with the image."""
    body: InLas | None = None
    """The image, mask and probability in LAS."""
    measures: CsaRequest = PER_SLICE
    """What was measured, with the levels that were found."""

    @property
    def disc_file(self) -> tuple[Path, ...]:
        """The file of the discs, if some were found."""
        path = self.job.outputs.discs
        return (path,) if path and self.levels is not None and self.levels.written else ()

    @property
    def table(self) -> Morphometrics:
        """Area (mm²) and shape of every slice, with the soft area and the interval of the area."""
        return self.measured.morphometrics

    @property
    def mean_area(self) -> float:
        """Mean cross-sectional area in mm², of the region that was asked for or of all slices with
        cord; NaN without cord.
        """
        if self.region is None:
            return self.whole_area
        value = self.region.values[self.measured.table.columns.index("MEAN(area)")]
        return float("nan") if value is None else float(value)

    @property
    def whole_area(self) -> float:
        """Mean cross-sectional area in mm² of all slices with cord, whatever region was asked for;
        NaN without cord.
        """
        area = self.table.area
        return float(np.nanmean(area)) if np.isfinite(area).any() else float("nan")

    @property
    def interval(self) -> tuple[float, float] | None:
        """The interval of the mean area in mm², None without cord.

        It is narrower than those of the slices; see `morphometry.region_interval`.
        """
        slices = None if self.region is None else np.array(self.region.slices)
        return self.table.mean_interval(slices)

    @property
    def repeated(self) -> tuple[float, float] | None:
        """Where the mean area (mm²) of a second scan of the same person would lie, if known."""
        return self.table.mean_repeat(self.mean_area)

    @property
    def region_name(self) -> str:
        """The region that was asked for in words; "" for the whole cord."""
        return "" if self.region is None else self.region.name

    @property
    def row_remarks(self) -> tuple[str, ...]:
        """What is odd about each level, or the region, that was asked for; not about slices."""
        if self.measures.selection.each_slice:
            return ()
        rows = self.measured.table.rows
        return tuple(f"{row.name}: {remark}" for row in rows for remark in row.remarks)
