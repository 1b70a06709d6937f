"""The wheel holds every module and every data file of the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

pytest.importorskip("setuptools")

ROOT = Path(__file__).parents[2]
PACKAGE = "sct_deepseg_general"
FILES = ["pyproject.toml", "setup.py", "setup.cfg", "README.md", "LICENSE"]


def _within(folder: Path) -> set[str]:
    """The files of a folder by their names below it, without those that Python makes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix() for path in files if "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_whole_package_and_the_models(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in (PACKAGE, "model_zoo"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copyfile(ROOT / name, source / name)
    line = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*line, "-w", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        held = {name.removeprefix(f"{PACKAGE}/") for name in archive.namelist()}
    assert _within(ROOT / PACKAGE) <= held
    models = {
        f"model_zoo/{name}" for name in _within(ROOT / "model_zoo") if not name.endswith(".md")
    }
    assert models <= held
    assert "model_zoo/sc-general/card.md" in held
