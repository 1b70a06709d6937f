"""Names of images, masks and labels in BIDS."""

from __future__ import annotations

import re

__all__ = ["LABEL_SUFFIXES", "MASK_WORDS", "is_mask_name", "name_parts"]

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

_WORD = re.compile(r"[\w+]+")


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
