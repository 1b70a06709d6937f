from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from sct_deepseg_general import schema
from sct_deepseg_general.errors import ModelError, SchemaError
from sct_deepseg_general.schema import (
    Increasing,
    Length,
    Pattern,
    Range,
    as_json,
    from_json,
    raising,
    read_json,
)


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    size: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["a", "b"] = "a"
    items: tuple[Inner, ...] = ()
    inner: Inner = Inner()
    table: Mapping[str, float] = field(default_factory=dict)
    flag: bool = False


FULL = Outer("x", "b", (Inner(1.0), Inner(2.0, (1, 2, 3))), Inner(3.0), {"k": 0.25}, True)


@pytest.mark.parametrize("value", [Outer("x"), FULL])
def test_what_is_written_is_read_back(value: Outer) -> None:
    assert from_json(Outer, as_json(value), "file") == value


def test_defaults_are_left_out() -> None:
    assert as_json(Outer("x", items=(Inner(),))) == {"name": "x", "items": [{}]}


def test_a_whole_number_serves_as_a_number() -> None:
    assert from_json(Inner, {"rate": 2}, "file").rate == 2.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "file must be an object"),
        ({}, "'name' is missing"),
        ({"name": "x", "flagg": True}, "did you mean 'flag'"),
        ({"name": "x", "zzz": 1}, "known are name"),
        ({"name": 1}, "name must be text"),
        ({"name": "x", "kind": "c"}, "kind must be 'a' or 'b'"),
        ({"name": "x", "flag": 1}, "flag must be true or false"),
        ({"name": "x", "items": {}}, "items must be a list"),
        ({"name": "x", "items": [{"rate": "fast"}]}, r"items\[0\]: rate must be a number"),
        ({"name": "x", "inner": {"rate": True}}, "rate must be a number"),
        ({"name": "x", "inner": {"size": [1, 2]}}, "size must be a list of 3"),
        ({"name": "x", "inner": {"size": [1, 2, 2.5]}}, r"size\[2\] must be a whole number"),
        ({"name": "x", "table": [1]}, "table must be an object"),
        ({"name": "x", "table": {"k": None}}, "table.k must be a number"),
    ],
)
def test_what_is_wrong_is_named(content: object, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        from_json(Outer, content, "file")


@dataclass(frozen=True)
class Narrow:
    word: Annotated[str, Pattern("[a-z]+", "a word in lower case")] = "a"
    share: Annotated[float, Range(0, 1)] = 0.5
    length: Annotated[float, Range(0, 10, open_below=True)] = 1.0
    count: Annotated[int, Range(least=1)] = 1
    items: Annotated[tuple[int, ...], Length(1)] = (1,)
    limits: Annotated[tuple[float, float], Increasing()] = (0.0, 1.0)
    values: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    other: Mapping[str, Any] | None = None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"word": "A"}, "word must be a word in lower case, found 'A'"),
        ({"word": "a\n"}, "a word in lower case"),
        ({"share": 1.01}, "share must be from 0 to 1"),
        ({"length": 0}, "length must be above 0 to 10"),
        ({"count": 0}, "count must be at least 1"),
        ({"items": []}, "items must be a list of at least 1"),
        ({"limits": [1, 0.5]}, "limits must be numbers in increasing order"),
        ({"limits": [True, 2]}, r"limits\[0\] must be a number"),
        ({"values": {"sc": 1.5}}, "values.sc must be"),
        ({"values": {"sc": ["1"]}}, r"values.sc\[0\] must be a whole number"),
        ({"other": 3}, "other must be an object"),
    ],
)
def test_values_out_of_range_are_named(content: object, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        from_json(Narrow, content, "file")


def test_a_union_takes_the_first_type_that_fits() -> None:
    found = from_json(Narrow, {"values": {"sc": [1, 2], "lesion": 2}, "other": None}, "file")
    assert found.values == {"sc": (1, 2), "lesion": 2}
    assert found.other is None


def test_a_literal_tells_true_from_one() -> None:
    @dataclass(frozen=True)
    class Format:
        format: Literal[1]

    with pytest.raises(SchemaError, match="format must be 1, found True"):
        schema._record(Format, {"format": True}, "file")


def test_a_file_larger_than_any_record_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    with path.open("wb") as stream:
        stream.truncate(schema.LARGEST + 1)
    with pytest.raises(SchemaError, match="too large for a record"):
        read_json(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 100_000, "null", '{"a": 1, "a": 2}', '{"a": NaN}']
)
def test_what_is_not_one_json_object_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(SchemaError, match=r"a\.json"):
        read_json(tmp_path / "a.json")


def test_an_error_becomes_that_of_the_subject(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Cannot read"), raising(ModelError):
        read_json(tmp_path / "absent.json")
