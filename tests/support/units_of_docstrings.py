"""Public functions with arrays or quantities, and whether their docstrings state shapes and units.

An array is an annotation with `NDArray`, or with a name that a module of the package assigns to
such a type (`Floats = NDArray[np.float64]`). A quantity is an annotation with `float`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2] / "sct_deepseg_general"

SHAPES = re.compile(
    r"\b(?:shapes?|grids?|ax[ei]s|voxels?|LAS|RAS|[2-5]D|pixels?|columns?|rows?|scalar)\b|"
    r"\d ?[x×] ?\d|"
    r"\((?:[a-z0-9 ·*+-]+, ?)+[a-z0-9 ·*+-]*\)|"
    r"\b(?:of|for|per|at|in) (?:each|every) \w+|\bper \w+|\bone for each\b"
)
"""How a docstring states the shape of an array: in figures, by axes, or as one value of each."""
UNITS = re.compile(
    r"\b(?:mm[²³]?|voxels?|pixels?|rows?|slices?|degrees?|radians?|seconds|minutes|years?|"
    r"MB|GB|bytes|share|fraction|ratio|proportion|factor|times|probabilit(?:y|ies)|"
    r"standard deviations?|Dice|"
    r"centiles?|quantiles?|logarithm|intensit(?:y|ies)|(?:standard|z-) ?scores?|"
    r"curvature|epochs?)\b|%|°|per cent|\b\d+(?:\.\d+)? (?:to|and|or) \d|\d s\b|\bin s\b|\(s\)",
    re.IGNORECASE,
)
"""How a docstring states the unit or the range of a quantity."""


class Function(NamedTuple):
    """A public function or method, by its name in the package."""

    name: str
    docstring: str
    arrays: bool
    quantities: bool

    @property
    def lacks(self) -> str:
        """What the docstring leaves out: the shape, the unit, or nothing ("")."""
        missing = {
            "shape": self.arrays and not SHAPES.search(self.docstring),
            "unit": self.quantities and not UNITS.search(self.docstring),
        }
        return " and ".join(name for name, lacking in missing.items() if lacking)


def functions(package: Path = PACKAGE) -> list[Function]:
    """The public functions and methods with arrays or quantities, those of `cli` left out."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
        if "cli" not in path.relative_to(package).parts
    }
    arrays = aliases(list(trees.values()))
    found = []
    for path, tree in trees.items():
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        for name, node in public(tree.body):
            used = {word for one in annotations(node) for word in words(one)}
            one = Function(
                f"{module}:{name}",
                ast.get_docstring(node) or "",
                bool(used & arrays),
                "float" in used,
            )
            found += [one] if one.arrays or one.quantities else []
    return found


def aliases(trees: list[ast.Module]) -> set[str]:
    """`NDArray`, and the names that modules assign to a type with arrays."""
    names = {"NDArray", "ndarray"}
    assigned = [
        (target.id, set(words(node.value)))
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    for _ in range(3):  # aliases of aliases
        names |= {name for name, used in assigned if used & names}
    return names


def words(annotation: ast.AST) -> Iterator[str]:
    """The names in an annotation."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def public(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """The public functions, and the public methods and properties of public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield owner + node.name, node


def annotations(node: ast.FunctionDef) -> list[ast.expr]:
    """The types of the parameters and of the value."""
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    types = [one.annotation for one in given if one.annotation is not None]
    return [*types, *([] if node.returns is None else [node.returns])]
