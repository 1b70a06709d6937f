"""What a batch and its workers say to each other, as values and as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sct_deepseg_general.job.outputs import Outputs

__all__ = ["Failure", "Kind", "Outcome", "Stamp", "Task", "WorkerSettings", "decoded", "encoded"]

Kind = Literal["image", "memory", "space", "output", "machine", "time", "program"]
"""What failed: the image itself; too little memory; no space for any output; one output that
cannot be written; the worker's process was killed, or took too long; a fault of ours."""


@dataclass(frozen=True)
class WorkerSettings:
    """What is wanted for every image of a batch."""

    model: str | None = None
    """A model's name or folder; None is the default model."""
    digest: str = ""
    """What the model's digest must be; "" for any."""
    engine: str = "auto"
    device: str = "auto"
    offline: bool = False
    threshold: float | None = None
    largest: bool = True
    fill_holes: bool = True
    exact: bool = False
    uncertainty: bool = False
    soft: bool = False
    csa: bool = True
    levels: bool = False
    """Find the vertebral levels, or take the discs of the dataset, and sum up C2 and C3."""
    qc: str = ""
    """Folder of the QC page; "" for none."""
    qc_dataset: str = ""
    command: str = ""

    @property
    def parameters(self) -> dict[str, Any]:
        """What changes the result: another value makes earlier results out of date."""
        names = ("threshold", "largest", "fill_holes", "exact", "uncertainty")
        wanted = {"levels": True} if self.levels else {}
        return {**{name: getattr(self, name) for name in names}, **wanted}


@dataclass(frozen=True)
class Task:
    """One image, by its key in the worklist, and where its results go."""

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

    @property
    def outputs(self) -> Outputs:
        mask, sidecar, csa, soft = map(Path, (self.segmentation, self.sidecar, self.csa, self.soft))
        return Outputs(mask, sidecar, csa, soft, Path(self.discs) if self.discs else None)


@dataclass(frozen=True)
class Stamp:
    """An image file as it was when it was read: bytes, time of change, SHA-256."""

    size: int = 0
    mtime_ns: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Outcome:
    """What was made of an image. `status` is the quality check's; `mean_area` in mm²."""

    status: str
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0
    mean_area: float | None = None
    slices: int = 0
    image: Stamp = field(default_factory=Stamp)
    outputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file written, by its path."""
    qc: str = ""
    c2c3: tuple[float | None, float | None, float | None] = (None, None, None)
    """Mean area of C2 and C3 and the ends of its interval, in mm², where they are known."""
    levels: str = ""
    """How the vertebral levels are known, or why they are not, in words."""


@dataclass(frozen=True)
class Failure:
    """Why nothing was made of an image: a sentence, and what a developer needs."""

    kind: Kind
    sentence: str
    details: str = ""


def encoded(value: WorkerSettings | Task | Outcome | Failure) -> str:
    """One line of JSON that says what it is."""
    return json.dumps({"type": type(value).__name__, **asdict(value)})


def decoded(line: str) -> WorkerSettings | Task | Outcome | Failure:
    """The value of such a line.

    Raises:
        ValueError: the line is not whole, or is something else.
    """
    try:
        fields = json.loads(line)
        kind = _TYPES[fields.pop("type")]
        if kind is Outcome:
            fields |= {"image": Stamp(**fields["image"]), "reasons": tuple(fields["reasons"])}
            fields["c2c3"] = tuple(fields.get("c2c3", (None, None, None)))
        return kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a message: {line[:80]!r}") from error


_TYPES: dict[str, type[WorkerSettings | Task | Outcome | Failure]] = {
    kind.__name__: kind for kind in (WorkerSettings, Task, Outcome, Failure)
}
