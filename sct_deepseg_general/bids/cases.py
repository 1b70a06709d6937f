"""The images of a BIDS dataset as values: one image with its label, a selection, an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sct_deepseg_general.bids.names import LABEL_SUFFIXES
from sct_deepseg_general.files import stem_of

__all__ = ["Case", "DatasetIndex", "DatasetSelection", "Skipped", "case_of"]


@dataclass(frozen=True)
class DatasetSelection:
    """Which images and labels of a dataset are taken. An empty tuple takes all."""

    contrasts: tuple[str, ...] = ()
    """BIDS suffixes ("T2w") or `Case.contrast` ("MTon")."""
    label_suffixes: tuple[str, ...] = LABEL_SUFFIXES
    derivatives: str = "labels"
    """The folder below `derivatives/` that holds the labels."""
    datatypes: tuple[str, ...] = ("anat", "func", "dwi")
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    """"ses-1" or "1"."""
    runs: tuple[str, ...] = ()
    """"run-1" or "1"."""
    exclude: tuple[str, ...] = ()
    """Patterns (`sub-03*`, `*acq-crop*`) of image names to leave out."""


@dataclass(frozen=True)
class Case:
    """One image of one participant, with its label if there is one."""

    dataset: str
    image: Path
    label: Path | None
    entities: Mapping[str, str] = field(compare=False)
    """BIDS entities of the name: {"sub": "01", "ses": "1", "acq": "MTon", ...}."""
    suffix: str
    """The last word of the name: "T2w", "bold", "MTS"."""

    @property
    def stem(self) -> str:
        """The image's file name without `.nii.gz`."""
        return stem_of(self.image.name)

    @property
    def name(self) -> str:
        """Dataset, subject, session, run and contrast in one word, unique over datasets."""
        return f"{self.dataset}_{self.stem}"

    @property
    def participant(self) -> str:
        """The participant with the key of the entity ("sub-01")."""
        return f"sub-{self.entities['sub']}"

    @property
    def session(self) -> str:
        """The session with the key of the entity ("ses-1"), or ""."""
        return _entity("ses", self.entities)

    @property
    def run(self) -> str:
        """The run with the key of the entity ("run-1"), or ""."""
        return _entity("run", self.entities)

    @property
    def contrast(self) -> str:
        """The suffix; for magnetisation transfer (MTS) "MTon" or "MToff" if the name has it."""
        if self.suffix != "MTS":
            return self.suffix
        state = self.entities.get("mt", self.entities.get("acq", "")).lower().removeprefix("mt")
        return f"MT{state}" if state in {"on", "off"} else self.suffix


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class DatasetIndex:
    """The images of a dataset, in the order of participant, session and name."""

    dataset: str
    """The name of the dataset."""
    root: Path
    cases: tuple[Case, ...]
    skipped: tuple[Skipped, ...]
    missing: tuple[Case, ...] = ()
    """Images that were selected, but whose content, or whose label's content, is not on this
    machine; they are listed in `skipped` too."""
    absent: tuple[Skipped, ...] = ()
    """Folders of participants and sessions that are empty, or links to nowhere; they are listed
    in `skipped` too."""

    @property
    def incomplete(self) -> bool:
        """Whether files that were selected, or folders, are not on this machine."""
        return bool(self.missing or self.absent)

    @property
    def labelled(self) -> tuple[Case, ...]:
        """The cases that have a label."""
        return tuple(case for case in self.cases if case.label is not None)

    @property
    def unlabelled(self) -> tuple[Case, ...]:
        """The cases that have no label."""
        return tuple(case for case in self.cases if case.label is None)

    @property
    def reasons(self) -> Mapping[str, int]:
        """The number of files that were left out, for each reason."""
        return Counter(item.reason for item in self.skipped)


def case_of(image: Path, dataset: str, label: Path | None = None) -> Case:
    """The case of an image, from the entities of its BIDS name."""
    *pairs, suffix = stem_of(image.name).split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    return Case(dataset, image, label, entities, suffix)


def _entity(key: str, entities: Mapping[str, str]) -> str:
    return f"{key}-{entities[key]}" if key in entities else ""
