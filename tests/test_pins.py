"""The files with hashes pin what constraints.txt pins, each package with a hash."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
APART = {"torch"}  # its builds for CPU and GPU come from different places


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(path: Path) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", path.read_text("utf-8"), re.MULTILINE)
    return {normal(name): version for name, version in found}


def unhashed(text: str) -> list[str]:
    lines = "\n".join(line for line in text.splitlines() if line[:1] != "#")
    blocks = re.split(r"\n(?=\S)", lines)
    return [b.split("==")[0] for b in blocks if "==" in b and "--hash=sha256:" not in b]


def test_locks_hold_the_versions_of_the_constraints() -> None:
    constraints = pinned(ROOT / "constraints.txt")
    everything = pinned(ROOT / "requirements" / "test.lock")
    assert {
        name: version for name, version in constraints.items() if name not in APART
    } == everything
    running = pinned(ROOT / "requirements" / "run.lock")
    assert running.items() <= everything.items()
    assert {"numpy", "openvino", "nibabel", "setuptools"} <= set(running)


def test_every_package_has_a_hash() -> None:
    for name in ("run.lock", "test.lock"):
        assert unhashed((ROOT / "requirements" / name).read_text("utf-8")) == []
    assert unhashed("x==1 \\\n    --hash=sha256:0\ny==2") == ["y"]
