"""The shape of the package: imports go down, heavy libraries wait, functions stay short."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAME = "sct_deepseg_general"
PACKAGE = ROOT / NAME

LAYERS = [
    "cli",
    "cohort",
    "batch study report api provenance",
    "release",
    "job change training level_training evaluation",
    "augmentation",
    "recipes",
    "csa quality qc norms datasets",
    "levels",
    "inference",
    "morphometry zoo cluster",
    "image",
    "bids schema dicom",
    "files text_files",
    "locks content words",
    "errors",
]
"""The folders and the root's modules from the top down: imports go from a layer to those below."""

WITHIN = {"norms": {"csa"}}
"""Folders of one layer that may import each other, each in one direction."""

FACADE = "__init__"  # the package itself: hands out, lazily, what the layers make
DOORS = {
    "openvino": {"inference.openvino", "inference.instance_norm", "release.lean_ir"},
    "nnunetv2": {"inference.nnunet", "training.*", "release.*"},
    "torch": {
        "inference.devices",
        "inference.torch_engine",
        "inference.imported.engine",
        "inference.nnunet",
        "augmentation.*",
        "training.*",
        "level_training.*",
        "release.*",
    },
}
"""Foreign libraries, and the modules that may import them."""
MOST_MODULES, MOST_AT_THE_ROOT = 14, 8
"""Modules in a folder, and in the package's root, without the __init__.py."""
HEAVY = ["torch", "nnunetv2", "openvino", "matplotlib", "pandas", "scipy", "nibabel", "numpy"]
LONGEST_FUNCTION = 60
"""Lines of the longest function, without its docstring."""


@cache
def modules() -> dict[str, ast.Module]:
    """Every module by its name within the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        name = name if name == FACADE else name.removesuffix(f".{FACADE}")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


@cache
def imports() -> dict[str, tuple[str, ...]]:
    """The full names each module imports."""
    return {name: tuple(imported(tree)) for name, tree in modules().items()}


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names a module imports; in `from a import b` that of b, where b is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(full: str) -> str | None:
    """The module of this package that a full name is, or is in."""
    if full.split(".", maxsplit=1)[0] != NAME:
        return None
    inner = full.removeprefix(NAME).lstrip(".")
    while inner and inner not in modules():
        inner = inner.rpartition(".")[0]
    return inner or FACADE


def edges() -> Iterator[tuple[str, str]]:
    for name, names in imports().items():
        for full in names:
            target = own(full)
            if target is not None and target != name and full != f"{NAME}.__version__":
                yield name, target


def belongs(module: str, names: set[str]) -> bool:
    return any(
        module == name or (name.endswith(".*") and f"{module}.".startswith(name[:-1]))
        for name in names
    )


def folder(module: str) -> str:
    """The folder a module lies in; a module of the package's root stands for itself."""
    return module.split(".", maxsplit=1)[0]


def height(name: str) -> int:
    """How high a folder stands, 0 at the bottom."""
    for level, names in enumerate(reversed(LAYERS)):
        if name in names.split():
            return level
    raise AssertionError(f"{name} stands in no layer: say in LAYERS where it belongs")


def wrong_way(source: str, target: str) -> bool:
    if FACADE in (source, target):
        return source != FACADE
    upper, lower = folder(source), folder(target)
    if upper == lower or lower in WITHIN.get(upper, set()):
        return False
    return height(upper) <= height(lower)


def test_every_folder_has_one_layer() -> None:
    folders = {folder(module) for module in modules()} - {FACADE}
    assert sorted(folders) == sorted(" ".join(LAYERS).split())


def test_the_page_draws_the_layers() -> None:
    """The drawing in ARCHITECTURE.md has the folders in the layers of this file."""
    drawing = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("```")[1]
    names = set(" ".join(LAYERS).split())
    drawn = [
        names & set(re.findall(r"(?:^ |  )(\w+) ", part, re.MULTILINE))
        for part in re.split("─+", drawing)
    ]
    assert drawn == [set(layer.split()) for layer in LAYERS]


def test_imports_go_down_and_not_sideways() -> None:
    assert [f"{a} imports {b}" for a, b in edges() if wrong_way(a, b)] == []


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("image.volume", "zoo.model"),
        ("zoo.zoo", "cluster.slurm"),
        ("csa.measure", "qc.entry"),
        ("job.job", "cli.segment"),
    ],
)
def test_a_wrong_import_would_be_seen(source: str, target: str) -> None:
    assert wrong_way(source, target)


def test_folders_stay_small() -> None:
    count: dict[str, int] = {}
    for path in PACKAGE.rglob("*.py"):
        if path.name != "__init__.py":
            count[str(path.parent.relative_to(PACKAGE))] = (
                count.get(str(path.parent.relative_to(PACKAGE)), 0) + 1
            )
    assert count.pop(".") <= MOST_AT_THE_ROOT
    assert {name: number for name, number in count.items() if number > MOST_MODULES} == {}


def test_no_module_imports_itself_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for source, target in edges():
        if not target.startswith(f"{source}."):  # a package picks one of its parts when called
            graph.setdefault(source, set()).add(target)
    below: dict[str, int] = {}

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " > ".join((*path, module))
        if module not in below:
            for target in graph.get(module, ()):
                walk(target, (*path, module))
            below[module] = len(path)

    for module in list(graph):
        walk(module, ())


@pytest.mark.parametrize("library", DOORS)
def test_a_foreign_library_has_its_doors(library: str) -> None:
    users = {
        name for name, names in imports().items() for full in names if full.split(".")[0] == library
    }
    strangers = [user for user in users if not belongs(user, DOORS[library])]
    assert strangers == []
    assert users


def test_heavy_libraries_are_not_imported_at_the_top_of_what_help_needs() -> None:
    script = (
        "import sys, json\n"
        f"sys.argv = ['x', '-h']\nfrom {NAME}.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600
    )
    loaded = json.loads(done.stderr)
    assert "Usage" in done.stdout
    assert [name for name in HEAVY if name in loaded] == []
    assert len([name for name in loaded if name.split(".")[0] == NAME]) <= 13
    assert len(loaded) <= 300  # a bare Python with click has about 200


def test_importing_the_package_is_light() -> None:
    script = f"import sys, {NAME}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert [name for name in HEAVY if name in done.stdout.split()] == []


def test_no_function_is_too_long() -> None:
    long = [
        f"{module}.{node.name}: {length(node)} lines"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and length(node) > LONGEST_FUNCTION
    ]
    assert long == []


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    docstring = node.body[0] if ast.get_docstring(node) else None
    described = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return (node.end_lineno or 0) - node.lineno + 1 - described


def test_no_code_contains_a_models_name() -> None:
    index = json.loads((ROOT / "model_zoo" / "index.json").read_text(encoding="utf-8"))
    names = {entry["id"] for entry in index["models"]}
    assert names
    found = [
        f"{module}: {node.value}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.split("@")[0] in names
    ]
    assert found == []


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("word", ["pickle", "marshal", "shelve", "telnetlib", "ftplib"])
def test_nothing_that_runs_what_it_reads(word: str) -> None:
    users = [
        name for name, names in imports().items() for full in names if full.split(".")[0] == word
    ]
    assert users == []


def test_every_module_says_what_it_is_and_what_it_offers() -> None:
    for name, tree in modules().items():
        if tree.body:
            assert ast.get_docstring(tree), name
            assert set(offered(tree)) <= set(defined(tree)), name
            assert offered(tree) or not list(defined(tree)), name


def offered(tree: ast.Module) -> list[str]:
    return [
        element.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        for element in getattr(node.value, "elts", [])
    ]


def defined(tree: ast.Module) -> Iterator[str]:
    """The names a module's top level makes or imports, for types only too."""
    for_types = [one for node in tree.body if isinstance(node, ast.If) for one in node.body]
    for node in [*tree.body, *for_types]:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            stored = (part for target in node.targets for part in ast.walk(target))
            yield from (part.id for part in stored if isinstance(part, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
