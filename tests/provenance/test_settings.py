"""RunSettings survive the way through a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sct_deepseg_general.errors import SchemaError
from sct_deepseg_general.provenance.settings import RunSettings, as_toml, read_toml

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**31), 2**31),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), VALUES, max_size=6))
def test_values_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, values) -> None:
    path = tmp_path_factory.mktemp("settings") / "a.toml"
    path.write_bytes(as_toml(RunSettings({}, values), path.parent).encode())
    assert read_toml(path).values == values


def test_paths_are_those_seen_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    files = {"i": [Path("data/t2.nii.gz")], "o": Path("out")}
    text = as_toml(RunSettings(files, {}), Path("out"))
    assert '"../data/t2.nii.gz"' in text
    (tmp_path / "out" / "a.toml").write_text(text, encoding="utf-8")
    assert read_toml(Path("out/a.toml")).files == {"i": ["data/t2.nii.gz"], "o": "out/"}
    moved = tmp_path / "moved"
    (tmp_path / "out").rename(moved)
    assert read_toml(moved / "a.toml").files["i"] == [str(tmp_path / "data" / "t2.nii.gz")]


@pytest.mark.parametrize("text", ["a = 1", "[files", "files = 3", "[other]\nx = 1"])
def test_what_holds_no_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError, match=str(path)):
        read_toml(path)
    with pytest.raises(SchemaError, match=r"no\.toml"):
        read_toml(tmp_path / "no.toml")
