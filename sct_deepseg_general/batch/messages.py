"""Messages between a batch and its worker processes, as values and as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sct_deepseg_general.files import FileStamp
from sct_deepseg_general.job.outputs import Outputs

__all__ = [
    "MEASURING",
    "Failure",
    "FailureKind",
    "Outcome",
    "Task",
    "WorkerSettings",
    "decoded",
    "encoded",
]

FailureKind = Literal["missing", "image", "memory", "space", "output", "machine", "time", "program"]
"""What failed: the image's content is not on this machine ("missing"); the image cannot be used;
there was too little memory; the disk is full; one output could not be written; the worker process
was killed ("machine"); the image took longer than allowed; or the program has a fault."""


MEASURING = ("levels", "region")
"""The parameters that change what is measured of a mask, and not the mask."""


@dataclass(frozen=True)
class WorkerSettings:
    """How every image of a batch is segmented, and which outputs are written."""

    model: str | None = None
    """A model's name or folder; None for the default model."""
    digest: str = ""
    """The digest that the model must have; "" accepts any."""
    engine: str = "auto"
    device: str = "auto"
    offline: bool = False
    threshold: float | None = None
    """Probability from 0 to 1 above which a voxel is cord; None for the model's own."""
    largest: bool = True
    fill_holes: bool = True
    exact: bool = False
    uncertainty: bool = False
    soft: bool = False
    csa: bool = True
    levels: bool = False
    """Find the vertebral levels, or take the discs of the dataset, and sum up C2 and C3."""
    region: tuple[int, ...] = ()
    """Vertebral levels whose mean area is a column of the table of images; () for none."""
    qc: str = ""
    """Folder of the QC page; "" for none."""
    qc_dataset: str = ""
    command: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings that change the mask, and those of `MEASURING`: if one differs, earlier
        results are out of date.
        """
        names = ("threshold", "largest", "fill_holes", "exact", "uncertainty")
        wanted = {"levels": True} if self.levels else {}
        region = {"region": list(self.region)} if self.region else {}
        return {**{name: getattr(self, name) for name in names}, **wanted, **region}


@dataclass(frozen=True)
class Task:
    """One image, identified by its key in the worklist, and the paths of its outputs."""

    key: str
    image: str
    segmentation: str
    sidecar: str
    csa: str
    soft: str
    participant: str = ""
    session: str = ""
    contrast: str = ""
    source: str = ""
    """The image as a BIDS URI, where it is in a dataset."""
    discs: str = ""
    """Where the discs found go; "" for nowhere."""
    given_discs: str = ""
    """A label map of the dataset's; "" where there is none."""
    edited: bool = False
    """Whether the existing mask was edited, and is measured instead of the image segmented."""

    @property
    def outputs(self) -> Outputs:
        """The paths of the outputs as one value."""
        mask, sidecar, csa, soft = map(Path, (self.segmentation, self.sidecar, self.csa, self.soft))
        return Outputs(mask, sidecar, csa, soft, Path(self.discs) if self.discs else None)


@dataclass(frozen=True)
class Outcome:
    """The result of an image that was segmented."""

    status: str
    """The status of the quality check: "ok", "warn" or "fail"; "edited" for an edited mask."""
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0
    mean_area: float | None = None
    """Mean cross-sectional area in mm² over the slices with cord; None without cord."""
    slices: int = 0
    """Number of slices with cord."""
    image: FileStamp = field(default_factory=FileStamp)
    """The image file when it was read."""
    sha256: str = ""
    """SHA-256 of the image file."""
    discs: str = ""
    """SHA-256 of the dataset's labelled discs, where they were taken; "" where not."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file written, by its path."""
    qc: str = ""
    """Name of the entry's folder on the QC page."""
    c2c3: tuple[float | None, float | None, float | None] = (None, None, None)
    """Mean area of C2 and C3 and the ends of its interval, in mm², where they are known."""
    levels: str = ""
    """How the vertebral levels are known, or why they are not, in words."""
    interval: tuple[float | None, float | None] = (None, None)
    """The ends of the interval of the mean area in mm², where they are known."""
    region: tuple[float | None, float | None, float | None] = (None, None, None)
    """Mean area of the region that was asked for, and the ends of its interval, in mm²."""


@dataclass(frozen=True)
class Failure:
    """The reason why an image has no result: one sentence, and details for developers."""

    kind: FailureKind
    sentence: str
    details: str = ""


def encoded(value: WorkerSettings | Task | Outcome | Failure) -> str:
    """One line of JSON that names the type of the value and holds its fields."""
    return json.dumps({"type": type(value).__name__, **asdict(value)})


def decoded(line: str) -> WorkerSettings | Task | Outcome | Failure:
    """The value of a line that `encoded` wrote.

    Raises
    ------
    ValueError
        The line is incomplete, or holds something else.
    """
    try:
        fields = json.loads(line)
        kind = _TYPES[fields.pop("type")]
        if kind is Outcome:
            fields |= {"image": FileStamp(**fields["image"]), "reasons": tuple(fields["reasons"])}
            for name in ("c2c3", "region"):
                fields[name] = tuple(fields.get(name, (None, None, None)))
            fields["interval"] = tuple(fields.get("interval", (None, None)))
        if kind is WorkerSettings:
            fields["region"] = tuple(fields.get("region", ()))
        return kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a message: {line[:80]!r}") from error


_TYPES: dict[str, type[WorkerSettings | Task | Outcome | Failure]] = {
    kind.__name__: kind for kind in (WorkerSettings, Task, Outcome, Failure)
}
