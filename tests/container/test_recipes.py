"""The container recipes, their shared scripts, and the Boutiques descriptor."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tools import tool

from sct_deepseg_general import __version__
from sct_deepseg_general.cli.bids_app import arguments, words_for_batch

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "container"
DESCRIPTOR = CONTAINER / "boutiques.json"


def test_bosh_accepts_the_descriptor() -> None:
    said = subprocess.run(
        [tool("bosh"), "validate", DESCRIPTOR], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "OK" in said.stdout


def test_the_command_of_the_descriptor_is_understood(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "filter.json").write_text("{}")
    chosen = {
        "bids_dir": str(tmp_path / "data"), "out_dir": "out", "level": "participant",
        "participants": ["01", "02"], "sessions": ["1"], "filter": str(tmp_path / "filter.json"),
        "n_cpus": 2, "model": "sc-general", "levels": True, "uncertainty": True,
    }  # fmt: skip
    (tmp_path / "invocation.json").write_text(json.dumps(chosen))
    said = subprocess.run(
        [tool("bosh"), "exec", "simulate", DESCRIPTOR, "-i", tmp_path / "invocation.json"],
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(one for one in said.stdout.splitlines() if "sct-deepseg-general " in one)
    program, *words = shlex.split(line)
    assert program == "sct-deepseg-general"
    given = arguments().parse_args(words)
    given.bids_filter_file = None
    assert list(words_for_batch(given))[:12] == [
        "batch", "-bids", chosen["bids_dir"], "-o", "out", "-participant-label", "01", "02",
        "-session", "1", "-per-participant", "-m",
    ]  # fmt: skip


def test_the_descriptor_is_of_this_version_and_names_every_argument() -> None:
    described = json.loads(DESCRIPTOR.read_text())
    assert described["tool-version"] == __version__
    flags = {one.get("command-line-flag") for one in described["inputs"]} - {None}
    known = set(re.findall(r"--[a-z-]+", arguments().format_help()))
    assert flags <= known


@pytest.mark.parametrize("recipe", ["Dockerfile", "apptainer.def"])
def test_both_recipes_run_the_shared_scripts_and_begin_with_the_same_system(recipe: str) -> None:
    text = (CONTAINER / recipe).read_text()
    assert "debian:bookworm-slim" in text
    assert "/src/container/system.sh" in text
    assert "/src/container/install.sh /opt/sct-deepseg-general/bin/python /src" in text


def test_the_docker_image_is_not_run_as_root() -> None:
    assert re.search(r"^USER sct$", (CONTAINER / "Dockerfile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("script", ["install.sh", "system.sh"])
def test_the_scripts_are_those_of_a_plain_shell(script: str) -> None:
    subprocess.run(["sh", "-n", CONTAINER / script], check=True)
    assert os.access(CONTAINER / script, os.X_OK)


def _without_caches(one: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in one.name else one


def copied(paths: list[str], place: Path) -> Path:
    """The files that the recipes copy, without what git ignores."""
    place.mkdir()
    archive = place / "src.tar"
    with tarfile.open(archive, "w") as made:
        for path in paths:
            made.add(
                ROOT / path, path, filter=lambda one: None if "__pycache__" in one.name else one
            )
    with tarfile.open(archive) as made:
        made.extractall(place, filter="data")
    archive.unlink()
    return place


@pytest.mark.slow
def test_a_fresh_environment_is_small_without_torch_and_segments(tmp_path: Path) -> None:
    """The steps of install.sh, from the files that the Apptainer recipe copies."""
    listed = re.search(r"%files\n(.*?)\n\n", (CONTAINER / "apptainer.def").read_text(), re.DOTALL)
    assert listed is not None
    source = copied([line.split()[0] for line in listed[1].splitlines()], tmp_path / "src")
    place = tmp_path / "fresh"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    python = place / "bin" / "python"
    ended = subprocess.run(
        ["sh", source / "container" / "install.sh", python, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    size = sum(path.lstat().st_size for path in place.rglob("*") if not path.is_dir()) / 1e6
    assert size < 400, f"{size:.0f} MB"
    found = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    assert found.returncode == 1
    image = tmp_path / "t2.nii.gz"
    shutil.copy(ROOT / "tests" / "data" / "sub-sct" / "anat" / "sub-sct_T2w.nii.gz", image)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    said = subprocess.run(
        [place / "bin" / "sct_deepseg_sc_general", "-i", image, "-qc", tmp_path / "qc"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    assert said.returncode == 0, said.stderr
    assert "t2.nii.gz: ok, mean CSA" in said.stdout
    version = subprocess.run(
        [place / "bin" / "sct-deepseg-general", "--version"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert version.stdout == f"sct-deepseg-general {__version__}\n"
