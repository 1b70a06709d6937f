"""Sentences with flags become sentences with arguments."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from sct_deepseg_general.api.words import ARGUMENTS, python_words, reworded
from sct_deepseg_general.errors import ImageError

PACKAGE = Path(__file__).resolve().parents[2] / "sct_deepseg_general"
REACHED = ("image", "inference", "csa", "levels", "quality", "morphometry", "job", "zoo")
"""The folders whose sentences `segment`, `measure` and `load` can raise."""
NOT_REACHED = {
    "-normalize-PAM50",  # the template is for the command csa
    "-soft", "-backend", "-from", "-bids",  # of commands only
    "-b", "-f", "-v", "-c",
}  # fmt: skip
FLAG = re.compile(r"(?<![\w'/-])-[a-z][\w-]*")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("x exists: add -overwrite to replace it.", "x exists: add overwrite=True to replace it."),
        ("replace it with '-overwrite a.nii'.", 'replace it with overwrite="a.nii".'),
        ("use -engine openvino -device cpu", 'use engine="openvino" device="cpu"'),
        ("give -disc-at 120,3", "give disc_at=(120, 3)"),
        (
            "run 'models fetch -m a -trust', or -trust",
            "run 'models fetch -m a -trust', or trust=True",
        ),
        ("rerun with -exact", "rerun with exact=True"),
        ("sub-01_T2w.nii.gz is a C2-C3 -1 mask", "sub-01_T2w.nii.gz is a C2-C3 -1 mask"),
    ],
)
def test_flags_become_arguments(told: str, expected: str) -> None:
    assert reworded(told) == expected


def test_an_error_keeps_its_kind() -> None:
    with pytest.raises(ImageError, match="choose it with label") as raised, python_words():
        raise ImageError("choose it with -mask-label")
    assert isinstance(raised.value.__cause__, ImageError)


def test_every_flag_in_a_sentence_of_the_library_has_an_argument() -> None:
    found = {
        flag
        for folder in REACHED
        for path in (PACKAGE / folder).rglob("*.py")
        if path.name != "sct.py"
        for text in sentences(path)
        for flag in FLAG.findall(text)
    }
    assert "-exact" in found
    assert found - set(ARGUMENTS) - NOT_REACHED == set()


def sentences(path: Path) -> list[str]:
    """The texts of a module that hold a space, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and " " in node.value
        and id(node) not in alone
    ]
