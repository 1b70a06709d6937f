"""The lock files pin every dependency with hashes, for every supported Python."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from part_of_lock import part_of_lock

ROOT = Path(__file__).parents[1]
LOCKS = ("run.lock", "test.lock")
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def lines(text: str) -> list[str]:
    """The requirement of each block of a lock file, without its hashes."""
    found = re.findall(r"^(\w[^\\\n]*?)\s*(?:\\)?$", text, re.MULTILINE)
    return [line for line in found if "==" in line]


def pinned(text: str, python: str) -> dict[str, str]:
    """The version of each package for one Python on Linux."""
    where = {"python_version": python, "python_full_version": f"{python}.5"}
    where["sys_platform"] = "linux"
    parsed = [Requirement(line) for line in lines(text)]
    return {
        canonicalize_name(one.name): str(one.specifier)
        for one in parsed
        if one.marker is None or one.marker.evaluate(where)
    }


def dependencies() -> list[Requirement]:
    """What the package itself depends on, as pyproject.toml says."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    return [Requirement(word) for word in re.findall(r'"([^"]+)"', block[1])]


def unhashed(text: str) -> list[str]:
    uncommented = "\n".join(line for line in text.splitlines() if line[:1] != "#")
    blocks = re.split(r"\n(?=\S)", uncommented)
    return [b.split("==")[0] for b in blocks if "==" in b and "--hash=sha256:" not in b]


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_pinned_for_every_python(python: str) -> None:
    text = {name: (ROOT / "requirements" / name).read_text("utf-8") for name in LOCKS}
    running, testing = (pinned(text[name], python) for name in LOCKS)
    for one in dependencies():
        if one.marker is not None and not one.marker.evaluate({"python_version": python}):
            continue
        version = running[canonicalize_name(one.name)].removeprefix("==")
        assert one.specifier.contains(version), one
    assert "setuptools" in running
    assert running.items() <= testing.items()
    assert {"pytest", "nnunetv2", "safetensors"} <= set(testing)
    assert "torch" not in testing


def test_a_version_that_is_for_another_python_does_not_count() -> None:
    text = "a==1 ; python_full_version < '3.11' \\\n    --hash=sha256:0\nb==2\n"
    assert pinned(text, "3.10") == {"a": "==1", "b": "==2"}
    assert pinned(text, "3.12") == {"b": "==2"}


def test_torch_alone_is_pinned_apart() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert [line.split("==")[0] for line in text.splitlines() if line[:1] != "#"] == ["torch"]


def test_every_package_has_a_hash() -> None:
    for name in LOCKS:
        assert unhashed((ROOT / "requirements" / name).read_text("utf-8")) == []
    assert unhashed("x==1 \\\n    --hash=sha256:0\ny==2") == ["y"]


def test_a_part_of_a_lock_keeps_the_hashes() -> None:
    text = "a==1 \\\n    --hash=sha256:0\nbc==2 \\\n    --hash=sha256:1\n"
    assert part_of_lock(text, ["bc"]) == "bc==2 \\\n    --hash=sha256:1\n"
