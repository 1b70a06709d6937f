"""The docstrings say what a user of the functions needs, and their examples run."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from units_of_docstrings import Function, functions

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sct_deepseg_general"
FOLDERS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py") if path.parent.name != "cli")
WITHOUT_EXAMPLE = {
    *("release.release", "assemble.assemble", "nnunet_results.import_results"),
    *("quantise.quantise", "install.fetch", "archive.unpack_model", "fit.fit"),
    *("sampling.draw_patch", "contrast.randomised", "measure.compared"),
    *("centile.place_of", "series.series_in", "convert.converted", "build.build_norms"),
    *("content.content_of", "pdf.write_pdf", "html.write_html"),
    *("centiles.write_centiles", "groups.compare", "longitudinal.write_changes"),
}
"""Functions whose example would need a trained network, a download, a table or a DICOM folder."""
LEAST_STATED = 0.95
"""Share of the functions with arrays or quantities whose docstrings state shapes and units."""


def main_functions(text: str) -> list[str]:
    """The functions and classes that a folder's docstring names, such as `nifti.load`."""
    docstring = ast.get_docstring(ast.parse(text)) or ""
    _, _, names = docstring.partition("Main functions:")
    return re.findall(r"`([\w.]+)`", names)


def definition(path: Path, name: str) -> ast.FunctionDef | ast.ClassDef | None:
    """The definition of a function, or of a method as Class.method, in a module."""
    body: list[ast.stmt] = ast.parse(path.read_text(encoding="utf-8")).body
    found = None
    for part in name.split("."):
        nodes = [node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        found = next((node for node in nodes if node.name == part), None)
        body = found.body if found else []
    return found


def documented() -> Iterator[tuple[Path, str]]:
    for folder in FOLDERS:
        for name in main_functions((folder / "__init__.py").read_text(encoding="utf-8")):
            module, _, inner = name.partition(".")
            yield folder / f"{module}.py", inner


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_folder_says_what_it_holds_and_may_import(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert docstring is not None
    assert "May import:" in docstring
    assert main_functions((folder / "__init__.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "name"), list(documented()), ids=lambda one: one.stem if isinstance(one, Path) else one
)
def test_a_main_function_has_the_sections_of_numpydoc(path: Path, name: str) -> None:
    node = definition(path, name)
    assert node is not None, f"{path.parent.name}/__init__.py names {path.stem}.{name}"
    docstring = ast.get_docstring(node) or ""
    sections = list(needed(node, f"{path.stem}.{name}"))
    missing = [one for one in sections if not re.search(rf"^{one}\n-+$", docstring, re.MULTILINE)]
    assert missing == []


def needed(node: ast.FunctionDef | ast.ClassDef, name: str) -> Iterator[str]:
    """The sections that a function needs: those of its parameters, its value and an example."""
    if isinstance(node, ast.FunctionDef):
        if [one for one in node.args.args if one.arg not in ("self", "cls")]:
            yield "Parameters"
        if not (isinstance(node.returns, ast.Constant) and node.returns.value is None):
            yield "Returns"
    if name not in WITHOUT_EXAMPLE:
        yield "Examples"


def test_arrays_have_shapes_and_quantities_have_units() -> None:
    every = functions()
    lacking = [f"{one.name} states no {one.lacks}" for one in every if one.lacks]
    assert len(every) > 200
    assert 1 - len(lacking) / len(every) >= LEAST_STATED, "\n".join(lacking)


@pytest.mark.parametrize(
    ("docstring", "lacks"),
    [
        ("The curve at these positions.", "shape and unit"),
        ("The curve at these positions, shape (n,).", "unit"),
        ("The curve at these positions in mm.", "shape"),
        ("The curve at these positions in mm, shape (n,).", ""),
    ],
)
def test_a_docstring_without_shape_or_unit_is_noticed(docstring: str, lacks: str) -> None:
    assert Function("module:curve", docstring, arrays=True, quantities=True).lacks == lacks


def with_examples() -> list[str]:
    paths = (path for path in PACKAGE.rglob("*.py") if ">>>" in path.read_text(encoding="utf-8"))
    return sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)


@pytest.mark.parametrize("name", with_examples())
def test_the_examples_of_a_module_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder with copies of the sample images and their masks: `t2.nii.gz` with
    `t2_seg.nii.gz`, and `neck.nii.gz` with `neck_seg.nii.gz`, where levels can be found.
    """
    from samples import DATA, image_path, label_path

    (tmp_path / "t2.nii.gz").write_bytes(image_path("T2w").read_bytes())
    (tmp_path / "t2_seg.nii.gz").write_bytes(label_path("T2w").read_bytes())
    for ending in ("", "_seg"):
        neck = (DATA / "levels" / f"neck_T2w{ending}.nii.gz").read_bytes()
        (tmp_path / f"neck{ending}.nii.gz").write_bytes(neck)
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name.removesuffix(".__init__"))
    except ImportError as error:
        pytest.skip(f"{error.name} is not installed")
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testmod(module, optionflags=options)
    assert tried > 0
    assert failed == 0
