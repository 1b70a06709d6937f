"""The flags of the main command that `batch` does not take, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping

from sct_deepseg_general.cli.options.sct import SctFlag

__all__ = ["INSTEAD", "ONE_IMAGE_FLAGS"]

INSTEAD: Mapping[str, tuple[str, ...]] = {
    "put age and sex of each person into participants.tsv, or a table named by -participants.": (
        "-age", "-sex",
    ),
    "use -longitudinal: it compares the sessions of each person.": ("-earlier",),
    "mark the discs in derivatives/labels of the dataset (_label-discs), and use -levels auto.": (
        "-discfile", "-disc-at",
    ),
    "use -levels auto (the level of each slice), and 'csa -perlevel 1' on the masks.": (
        "-perlevel",
    ),
    "leave it out: csa.tsv has a row for each slice.": ("-perslice",),
    "leave it out: the tables have no ranges of slices.": ("-excel",),
    "leave it out: the QC page takes both names from the dataset.": ("-qc-dataset", "-qc-subject"),
    "run 'csa' with it on the masks that batch wrote.": (
        "-z", "-vertfile", "-pmj", "-pmj-distance", "-pmj-extent", "-angle-corr", "-centerline",
        "-centerline-algo", "-centerline-smooth", "-centerline-exclude-missing",
        "-normalize-PAM50", "-normalize",
    ),
    "look at group.png for all images, or run 'csa -plot' on the mask of one.": ("-plot",),
    "run the main command with it on the images that need it.": (
        "-report", "-channels", "-label", "-remove-small", "-precision",
    ),
    "name the model with -m; 'models list' shows the task of each.": ("-task",),
    "run 'models fetch -m NAME' first, with -trust where the model has no published checksum.": (
        "-install", "-trust",
    ),
    "convert DICOM folders to a BIDS dataset first, or run the main command on each folder.": (
        "-series", "-dicom-seg", "-dicom-sr", "-keep-dates",
    ),
    "give batch the flags themselves: a settings file is of the main command.": ("-config",),
    "run 'batch -h', which shows every flag.": ("-help-all",),
    "run 'sct_deepseg_sc_general --version'.": ("-version", "--version"),
}  # fmt: skip
"""What to do instead, and the flags in whose place it is done; docs/batch.md has this table."""

ONE_IMAGE_FLAGS: Mapping[str, SctFlag] = {
    name: SctFlag(refused=f"batch has no {name}: {instead}")
    for instead, names in INSTEAD.items()
    for name in names
}
"""The refusal of each flag of the main command that `batch` does not take."""
