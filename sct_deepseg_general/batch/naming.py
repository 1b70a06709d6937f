"""Names of the outputs of a batch, as BIDS derivatives or as SCT has them.

BIDS leaves the contrast out of the name of a mask, so that the T1w and the T2w mask of a person
would have the same name. Here the contrast is the value of `desc-`: the mask of
`sub-01_T2w.nii.gz` is `sub-01_label-SC_desc-T2w_mask.nii.gz`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from sct_deepseg_general import __version__
from sct_deepseg_general.batch.worklist import Item, Worklist
from sct_deepseg_general.bids.names import name_parts
from sct_deepseg_general.errors import DatasetError, OutputError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.job.outputs import CODE_URL, PROGRAM, Outputs, outputs_for

__all__ = [
    "BIDS_VERSION",
    "DESCRIPTION",
    "NAMINGS",
    "Naming",
    "check_names",
    "describe",
    "describe_labels",
    "places",
]

Naming = Literal["bids", "sct"]
NAMINGS = ("bids", "sct")
BIDS_VERSION = "1.10.0"
DESCRIPTION = "dataset_description.json"

_IGNORED = (
    *("batch", "qc", "csa.tsv", "csa.json", "images.tsv", "images.json", "*_csa.csv"),
    *("summary.json", "failed.txt", "group.png"),
)
_BEFORE_LABEL = (
    *("sub", "ses", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain"),
    *("rec", "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space"),
    *("split", "recording", "chunk", "seg", "res", "den"),
)


def places(items: Iterable[Item], folder: Path, naming: Naming) -> dict[str, Outputs]:
    """The paths of the outputs of each image, by its key; all lie below `folder`.

    Raises
    ------
    DatasetError
        Two images would be written to the same file, or a name is not a BIDS name.
    """
    make = _bids_outputs if naming == "bids" else _sct_outputs
    outputs = {item.key: make(item, folder) for item in items}
    check_names(outputs)
    return outputs


def check_names(outputs: dict[str, Outputs]) -> None:
    """Check that no two images have an output of the same path.

    Raises
    ------
    DatasetError
        Two images share a path.
    """
    owners: dict[Path, str] = {}
    for key, one in outputs.items():
        for path in one.every:
            other = owners.setdefault(path, key)
            if other != key:
                raise DatasetError(
                    f"{other} and {key} would both be written to {path}: leave one of them out "
                    "with -exclude."
                )


def describe(folder: Path, worklist: Worklist, naming: Naming) -> None:
    """Create the output folder; with BIDS names also its description, README and `.bidsignore`.

    Existing files are not changed.

    Raises
    ------
    OutputError
        The folder cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make {folder}: {error.strerror or error}.") from error
    if naming != "bids":
        return
    description = json.dumps(_description(worklist), indent=2, ensure_ascii=False) + "\n"
    _write_new(folder / DESCRIPTION, description)
    _write_new(folder / ".bidsignore", "".join(f"{name}\n" for name in _IGNORED))
    _write_new(folder / "README.md", _readme(worklist))


def describe_labels(dataset: Path) -> None:
    """Make `derivatives/labels` of a dataset, with its description if it has none.

    Raises
    ------
    OutputError
        The folder cannot be created or written to.
    """
    folder = dataset / "derivatives" / "labels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make {folder}: {error.strerror or error}.") from error
    makers = [{"Name": "Manual", "Description": "Labels corrected by hand"}]
    described = {
        "Name": f"Labels of {dataset.absolute().name}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": makers,
    }
    _write_new(folder / DESCRIPTION, json.dumps(described, indent=2, ensure_ascii=False) + "\n")


def _bids_outputs(item: Item, folder: Path) -> Outputs:
    if not item.participant:
        raise DatasetError(f"{item.key} has no BIDS name (sub-...): use -naming sct.")
    parts = name_parts(item.stem)
    if parts is None:
        raise DatasetError(f"{item.key} has no BIDS name (entities_suffix): use -naming sct.")
    entities, suffix = parts
    place = folder.joinpath(*PurePosixPath(item.key).parts[:-1])
    base = _with_label(entities, suffix)
    stem = place / base
    return Outputs(
        segmentation=stem.with_name(f"{base}_mask.nii.gz"),
        sidecar=stem.with_name(f"{base}_mask.json"),
        csa=stem.with_name(f"{base}_csa.csv"),
        soft=stem.with_name(f"{base}_probseg.nii.gz"),
        discs=stem.with_name(f"{base.replace('label-SC', 'label-discs')}_dseg.nii.gz"),
    )


def _with_label(entities: dict[str, str], suffix: str) -> str:
    """The entities in BIDS order, then `label-SC` and the contrast as `desc-`."""
    kept = {key: value for key, value in entities.items() if key not in ("label", "desc")}
    order = {key: rank for rank, key in enumerate(_BEFORE_LABEL)}
    pairs = sorted(kept.items(), key=lambda pair: order.get(pair[0], len(order)))
    contrast = f"{entities.get('label', '')}{entities.get('desc', '')}{suffix}"
    return "_".join([*(f"{key}-{value}" for key, value in pairs), "label-SC", f"desc-{contrast}"])


def _sct_outputs(item: Item, folder: Path) -> Outputs:
    place = folder.joinpath(*PurePosixPath(item.key).parts[:-1])
    return outputs_for(item.image, place / f"{item.stem}_seg.nii.gz")


def _description(worklist: Worklist) -> dict[str, Any]:
    return {
        "Name": f"Spinal cord segmentation of {worklist.name}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": PROGRAM, "Version": __version__, "CodeURL": CODE_URL}],
        "SourceDatasets": [{"URL": worklist.root.absolute().as_uri()}],
        "DatasetLinks": {"raw": worklist.root.absolute().as_uri()},
    }


def _readme(worklist: Worklist) -> str:
    return (
        f"Spinal cord masks of {worklist.name}, made by {PROGRAM} {__version__}.\n\n"
        "Each mask (0/1, on the grid of its image) has a JSON file that says how it was made, and\n"
        "a CSV file with its area in each slice. images.tsv has a row for each image, csa.tsv\n"
        "for each slice. The folder batch/ holds the journal, with which the same command\n"
        "continues where it stopped.\n"
    )


def _write_new(path: Path, text: str) -> None:
    if not path.exists():
        with write_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
