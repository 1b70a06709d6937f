"""The measurements of a release: which are run, in which order, and on what."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.quality import release_figures
from benchmarks.quality.release_figures import PARTS, commands


def test_each_part_is_a_module_that_writes_into_the_folder() -> None:
    found = commands(Path("model"), [Path("harmonised")], PARTS)
    assert len(found) == len(PARTS)
    for module, *arguments in found:
        assert find_spec(f"benchmarks.{module}") is not None
        assert arguments[-2:] == ["-write", "model"]


def test_a_part_alone() -> None:
    found = commands(Path("model"), [], ["change", "norms"])
    assert [one[0] for one in found] == ["quality.norms_calibration", "quality.scan_rescan_change"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["-m", "MODEL"], "-labels"), (["-m", "nowhere", "-only", "norms"], "not a model folder")],
)
def test_what_is_missing_is_said(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "model.json").write_text("{}")
    given = [str(tmp_path) if word == "MODEL" else word for word in arguments]
    monkeypatch.setattr("sys.argv", ["release_figures", *given])
    with pytest.raises(SystemExit):
        release_figures.main()
    assert words in capsys.readouterr().err
