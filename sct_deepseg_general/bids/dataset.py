"""The images and labels of a BIDS dataset.

Names, folders and file sizes are read, and only files that are too small for an image are opened,
to see whether they stand for content that is not on this machine. Nothing is written.

Images are `sub-*/[ses-*/]{anat,func,dwi}/*.nii[.gz]`; labels have the same paths below
`derivatives/FOLDER/`. A label belongs to the image whose name it begins with:
`sub-01_T2w_seg-manual` belongs to `sub-01_T2w`. A label may have a `space-` or `desc-` entity
that the image does not have (`sub-01_space-other_T2w_label-SC_seg`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from sct_deepseg_general.bids.cases import Case, DatasetIndex, DatasetSelection, Skipped, case_of
from sct_deepseg_general.bids.folders import contents, folders, misplaced, niftis_of
from sct_deepseg_general.bids.labels import labels_of
from sct_deepseg_general.content import missing_content
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import stem_of
from sct_deepseg_general.text_files import composed

__all__ = ["index", "roots"]


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

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.bids.dataset import index
    >>> anat = Path("raw/sub-01/anat")
    >>> anat.mkdir(parents=True)
    >>> _ = (anat / "sub-01_T2w.nii.gz").write_bytes(b"an image")
    >>> index(Path("raw")).reasons
    Counter({'no label': 1})
    """
    selection = selection or DatasetSelection()
    dataset = name or root.resolve().name
    images, doubled = _by_stem(_images(root, selection.datatypes))
    labels, orphans = labels_of(root, selection, images)
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
    if folders(folder, "sub-"):
        return (folder,)
    found = [one for one in sorted(folders(folder, "")) if folders(one, "sub-")]
    if not found:
        raise DatasetError(
            f"{folder} holds no BIDS dataset: neither it nor a folder in it has a sub-* folder."
        )
    return tuple(found)


def _images(root: Path, datatypes: Iterable[str]) -> Iterator[Path]:
    subjects = sorted(folders(root, "sub-"))
    if not subjects:
        raise DatasetError(
            f"{root} is not a BIDS dataset: it has no sub-* folder in it. "
            f"Give the folder that holds them."
        )
    for subject in subjects:
        yield from niftis_of(subject, datatypes)


def _absent_folders(root: Path, selection: DatasetSelection) -> list[Skipped]:
    """The selected folders of participants and sessions that are not on this machine."""
    skipped = []
    for subject, reason in contents(root, "sub-"):
        if _unnamed(subject.name, "sub", selection.participants):
            continue
        sessions = [] if reason else contents(subject, "ses-")
        named = [one for one in sessions if not _unnamed(one[0].name, "ses", selection.sessions)]
        skipped += [Skipped(path, why) for path, why in [(subject, reason), *named] if why]
    return skipped


def _by_stem(paths: Iterable[Path]) -> tuple[dict[str, Path], list[Skipped]]:
    """The images by their names, and those that another image of the name, or their folder,
    contradicts.
    """
    found: dict[str, Path] = {}
    skipped = []
    for path in paths:
        stem = stem_of(path)
        reason = misplaced(path)
        if not reason and found.setdefault(stem, path) != path:
            reason = f"the same name as {found[stem].name} in {found[stem].parent.name}"
        if reason:
            skipped.append(Skipped(path, reason))
    return found, skipped


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
