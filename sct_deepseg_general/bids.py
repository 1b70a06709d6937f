"""The images and labels of a BIDS dataset.

Names, folders and file sizes are read, and only files that are too small for an image are opened,
to see whether they stand for content that is not on this machine. Nothing is written.

Images are `sub-*/[ses-*/]{anat,func,dwi}/*.nii[.gz]`; labels have the same paths below
`derivatives/FOLDER/`. A label belongs to the image whose name it begins with:
`sub-01_T2w_seg-manual` belongs to `sub-01_T2w`. A label may have a `space-` or `desc-` entity
that the image does not have (`sub-01_space-other_T2w_label-SC_seg`).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from sct_deepseg_general.content import missing_content
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.text_files import composed

__all__ = [
    "LABEL_SUFFIXES",
    "MASK_WORDS",
    "Case",
    "DatasetIndex",
    "DatasetSelection",
    "Skipped",
    "case_of",
    "index",
    "is_mask_name",
    "name_parts",
    "roots",
]

LABEL_SUFFIXES = (
    *("_label-SC_desc-manual_seg", "_seg-manual", "_label-SC_seg", "_label-SC_softseg"),
    "_desc-*_seg",
)
"""What follows the image's name in a label's name, in order of preference; `*` is a wildcard."""

MASK_WORDS = (
    *("mask", "dseg", "probseg", "seg", "softseg", "gmseg", "wmseg", "lesionseg", "lesion"),
    *("label", "labels", "centerline", "defacemask"),
)
"""Last words of the names of masks and label maps, such as "seg" or "seg-manual"."""

_NIFTI = (".nii.gz", ".nii")
_WORD = re.compile(r"[\w+]+")
_EXTRA_ENTITIES = re.compile(r"_(?:space|desc)-[A-Za-z0-9]+")


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
        return _stem(self.image.name)

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


def index(root: Path, selection: DatasetSelection | None = None, name: str = "") -> DatasetIndex:
    """Find the images and labels of a BIDS dataset.

    Images without a label are cases too (`DatasetIndex.unlabelled`); they are also listed in
    `skipped`.

    Parameters
    ----------
    root
        The folder that holds the `sub-*` folders.
    selection
        Which images and labels are taken; by default all.
    name
        The name of the dataset; by default the name of the folder.

    Returns
    -------
    DatasetIndex
        The cases, and the files that were left out with the reason for each.

    Raises
    ------
    DatasetError
        The folder is missing or has no `sub-*` folder in it.
    """
    selection = selection or DatasetSelection()
    dataset = name or root.resolve().name
    images, doubled = _by_stem(_images(root, selection.datatypes))
    labels, orphans = _labels(root, selection, images)
    absent = _absent_folders(root, selection)
    cases, missing, skipped = [], [], [*doubled, *orphans, *absent]
    for stem, path in images.items():
        case = case_of(path, dataset, labels.get(stem))
        reason = _reason_to_leave(case, selection)
        content = "" if reason else _missing_content(case)
        if content:
            missing.append(case)
        elif not reason:
            cases.append(case)
        left = reason or content or ("" if case.label else "no label")
        if left:
            skipped.append(Skipped(path, left))
    skipped.sort(key=lambda one: one.path)
    kept, without = _in_order(cases), _in_order(missing)
    return DatasetIndex(dataset, root, kept, tuple(skipped), without, tuple(absent))


def roots(folder: Path) -> tuple[Path, ...]:
    """The folder itself if it is a BIDS dataset, otherwise the datasets directly in it.

    Raises
    ------
    DatasetError
        There is no dataset.
    """
    if _folders(folder, "sub-"):
        return (folder,)
    found = [one for one in sorted(_folders(folder, "")) if _folders(one, "sub-")]
    if not found:
        raise DatasetError(
            f"{folder} holds no BIDS dataset: neither it nor a folder in it has a sub-* folder."
        )
    return tuple(found)


def case_of(image: Path, dataset: str, label: Path | None = None) -> Case:
    """The case of an image, from the entities of its BIDS name."""
    *pairs, suffix = _stem(image.name).split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    return Case(dataset, image, label, entities, suffix)


def name_parts(stem: str) -> tuple[dict[str, str], str] | None:
    """The entities and the suffix of a BIDS name; None if it is not a BIDS name.

    Examples
    --------
    >>> name_parts("sub-01_acq-sag_T2w")
    ({'sub': '01', 'acq': 'sag'}, 'T2w')
    >>> name_parts("sub-01_T2w_brain") is None
    True
    """
    *pairs, suffix = stem.split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    words = (*entities.values(), suffix)
    whole = len(entities) == len(pairs) and "sub" in entities
    return (entities, suffix) if whole and all(map(_WORD.fullmatch, words)) else None


def is_mask_name(stem: str) -> bool:
    """Whether the last word of a name is that of a mask or a label map.

    Examples
    --------
    >>> [is_mask_name(name) for name in ("t2_seg", "sub-01_T2w_seg-manual", "sub-01_T2w", "seg")]
    [True, True, False, False]
    """
    before, _, word = stem.rpartition("_")
    return bool(before) and word.partition("-")[0] in MASK_WORDS


def _images(root: Path, datatypes: Iterable[str]) -> Iterator[Path]:
    subjects = sorted(_folders(root, "sub-"))
    if not subjects:
        raise DatasetError(
            f"{root} is not a BIDS dataset: it has no sub-* folder in it. "
            f"Give the folder that holds them."
        )
    for subject in subjects:
        yield from _niftis_of(subject, datatypes)


def _niftis_of(subject: Path, datatypes: Iterable[str]) -> Iterator[Path]:
    for place in (subject, *sorted(_folders(subject, "ses-"))):
        for datatype in datatypes:
            yield from _niftis(place / datatype)


def _niftis(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - iterdir makes a Path of every sidecar
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from (folder / name for name in names if name.endswith(_NIFTI) and name[:4] == "sub-")


def _folders(root: Path, prefix: str) -> list[Path]:
    try:
        with os.scandir(root) as entries:
            return [Path(e.path) for e in entries if e.name.startswith(prefix) and _is_folder(e)]
    except OSError as error:
        raise DatasetError(f"Cannot read the dataset {root}: {error.strerror}.") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _absent_folders(root: Path, selection: DatasetSelection) -> list[Skipped]:
    """The selected folders of participants and sessions that are not on this machine."""
    skipped = []
    for subject, reason in _contents(root, "sub-"):
        if _unnamed(subject.name, "sub", selection.participants):
            continue
        sessions = [] if reason else _contents(subject, "ses-")
        named = [one for one in sessions if not _unnamed(one[0].name, "ses", selection.sessions)]
        skipped += [Skipped(path, why) for path, why in [(subject, reason), *named] if why]
    return skipped


def _contents(folder: Path, prefix: str) -> list[tuple[Path, str]]:
    """Folders, and links to folders, with why they are not on this machine, or ""."""
    with os.scandir(folder) as entries:
        named = [entry for entry in entries if entry.name.startswith(prefix)]
    return [
        (Path(entry.path), _absence(entry))
        for entry in sorted(named, key=lambda one: one.name)
        if _is_folder(entry) or entry.is_symlink()
    ]


def _absence(entry: os.DirEntry[str]) -> str:
    if not _is_folder(entry):
        return missing_content(Path(entry.path))
    with os.scandir(entry.path) as inside:
        empty = next(inside, None) is None
    return "the folder is empty: run 'datalad get -n' if it is a subdataset" if empty else ""


def _by_stem(paths: Iterable[Path]) -> tuple[dict[str, Path], list[Skipped]]:
    """The images by their names, and those that another image of the name, or their folder,
    contradicts.
    """
    found: dict[str, Path] = {}
    skipped = []
    for path in paths:
        stem = _stem(path.name)
        reason = _misplaced(path)
        if not reason and found.setdefault(stem, path) != path:
            reason = f"the same name as {found[stem].name} in {found[stem].parent.name}"
        if reason:
            skipped.append(Skipped(path, reason))
    return found, skipped


def _misplaced(path: Path) -> str:
    """Why a file does not belong into its folder, by the participant or session of its name."""
    words = _stem(path.name).split("_")
    for folder in (path.parent.parent, path.parent.parent.parent):
        key = folder.name.partition("-")[0]
        own = next((word for word in words if word.partition("-")[0] == key), folder.name)
        if key in {"sub", "ses"} and composed(own) != composed(folder.name):
            return f"named {own} in the folder of {folder.name}"
    return ""


def _labels(
    root: Path, selection: DatasetSelection, images: Mapping[str, Path]
) -> tuple[dict[str, Path], list[Skipped]]:
    """The best label of each image's stem, and the labels that belong to no image."""
    best: dict[str, tuple[int, Path]] = {}
    orphans = []
    folder = root / "derivatives" / selection.derivatives
    for path in _label_files(folder, selection.datatypes, selection.label_suffixes):
        stem = _stem(path.name)
        owner, rest = _owner(stem, images)
        rank = _rank(rest if owner else stem, selection.label_suffixes, whole=bool(owner))
        if rank is None:
            continue
        misplaced = _misplaced(path)
        if misplaced or not owner:
            reason = f"label {misplaced}" if misplaced else "label without an image"
            orphans.append(Skipped(path, reason))
        elif owner in best and _stem(best[owner][1].name) == stem:
            orphans.append(Skipped(path, f"the same name as {best[owner][1].name}"))
        elif owner not in best or rank < best[owner][0]:
            best[owner] = (rank, path)
    return {stem: path for stem, (_, path) in best.items()}, orphans


def _label_files(folder: Path, datatypes: Iterable[str], suffixes: Sequence[str]) -> Iterator[Path]:
    if suffixes and folder.is_dir():
        for subject in sorted(_folders(folder, "sub-")):
            yield from _niftis_of(subject, datatypes)


def _owner(stem: str, images: Mapping[str, Path]) -> tuple[str, str]:
    """The longest image name that begins a label's name, and what follows it."""
    for text in (stem, _EXTRA_ENTITIES.sub("", stem)):
        end = text.rfind("_")
        while end > 0:
            if text[:end] in images:
                return text[:end], text[end:]
            end = text.rfind("_", 0, end)
    return "", ""


def _rank(text: str, suffixes: Iterable[str], whole: bool) -> int | None:
    start = "" if whole else "*"
    ranks = (i for i, suffix in enumerate(suffixes) if fnmatchcase(text, start + suffix))
    return next(ranks, None)


def _reason_to_leave(case: Case, selection: DatasetSelection) -> str:
    """Why the selection leaves this case out; "" if it does not."""
    reasons = {
        f"contrast {case.contrast} not selected": _other_contrast(case, selection.contrasts),
        "participant not selected": _unnamed(case.participant, "sub", selection.participants),
        "session not selected": _unnamed(case.session, "ses", selection.sessions),
        "run not selected": _unnamed(case.run, "run", selection.runs),
        "excluded": any(fnmatchcase(case.stem, pattern) for pattern in selection.exclude),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _missing_content(case: Case) -> str:
    """Why an image or its label cannot be used on this machine; "" if both can."""
    image = missing_content(case.image)
    label = missing_content(case.label) if case.label and not image else ""
    return (image and f"image: {image}") or (label and f"label: {label}")


def _in_order(cases: Iterable[Case]) -> tuple[Case, ...]:
    return tuple(sorted(cases, key=lambda case: (case.participant, case.session, case.stem)))


def _other_contrast(case: Case, wanted: Collection[str]) -> bool:
    return bool(wanted) and case.contrast not in wanted and case.suffix not in wanted


def _unnamed(value: str, key: str, wanted: Collection[str]) -> bool:
    full = (label if label.startswith(f"{key}-") else f"{key}-{label}" for label in wanted)
    named = set(map(composed, full))
    return bool(named) and composed(value) not in named


def _entity(key: str, entities: Mapping[str, str]) -> str:
    return f"{key}-{entities[key]}" if key in entities else ""


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".nii")
