"""Every reason of the code has a row in the documentation that says what to do now."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sct_deepseg_general"
PLACES = ("quality/assess.py", "quality/mask_checks.py", "job/labels.py:unchecked")
SIDES = {"left or right", "front or back"}
DOCUMENTED = ROOT / "docs" / "quality.md"


def templates() -> Iterator[str]:
    """The texts of all reasons; what varies in them is …"""
    for place in PLACES:
        path, _, only = place.partition(":")
        for function in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef) and only in ("", function.name):
                yield from reasons(function)


def reasons(function: ast.FunctionDef) -> Iterator[str]:
    """The texts with a space in a function that makes findings, without its docstring."""
    makes = {getattr(node.func, "id", "") for node in calls(function)}
    if not makes & {"Finding", "Quality"} and function.name not in ("unchecked", "_cause"):
        return
    inside = {
        id(part)
        for node in ast.walk(function)
        if isinstance(node, (ast.JoinedStr, ast.Expr))
        for part in ast.walk(node)
        if part is not node and not isinstance(node, ast.Expr)
    }
    docstring = ast.get_docstring(function, clean=False)
    names = assigned(function)
    for node in ast.walk(function):
        if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in inside:
            found = text(node, names)
            if " " in found and found != docstring and not is_part(found, names):
                yield found


def calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(function) if isinstance(node, ast.Call))


def assigned(function: ast.FunctionDef) -> dict[str, str]:
    """The texts that a function puts into variables other than `text`."""
    return {
        target.id: text(node.value, {})
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, (ast.Constant, ast.JoinedStr))
    }


def is_part(found: str, names: dict[str, str]) -> bool:
    """Whether a text is only used within another one, as the slices of a stretch are."""
    return found in {names.get("place"), names.get("words")} or (
        found == names.get("text") and "off the axis" in found
    )


def text(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if not isinstance(node, ast.JoinedStr):
        return ""
    return "".join(
        part.value if isinstance(part, ast.Constant) else inserted(part, names)
        for part in node.values
    )


def inserted(part: ast.expr, names: dict[str, str]) -> str:
    name = getattr(getattr(part, "value", None), "id", "")
    return names["text"] if name == "text" and "text" in names else "…"


def rows() -> dict[str, tuple[str, str]]:
    """Status and what to do, by reason, from the tables of the page."""
    lines = DOCUMENTED.read_text(encoding="utf-8").splitlines()
    cells = [line.strip("|").split(" | ") for line in lines if line.startswith("| ")]
    return {row[0].strip(): (row[1].strip(), row[2].strip()) for row in cells if row[1] != "status"}


FOUND = sorted(set(templates()) - SIDES)


def test_the_reasons_are_found() -> None:
    assert len(FOUND) >= 30
    assert "the area jumps between slices at …" in FOUND
    assert "the cord is cut by the field of view (…)" in FOUND


@pytest.mark.parametrize("reason", FOUND)
def test_a_reason_has_its_row_with_what_to_do_now(reason: str) -> None:
    status, action = rows()[reason]
    assert set(status.split(", ")) <= {"ok", "warn", "fail"}
    assert re.match(r"[A-Z].*\.$", action)
    assert len(action) > 20


def test_no_row_is_of_a_reason_that_is_gone() -> None:
    assert set(rows()) - set(FOUND) == set()
