"""A JSON record is read field by field, and what is wrong in it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sct_deepseg_general import schema as record
from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.schema import Fields, read_json


def test_a_record_larger_than_any_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    with path.open("wb") as stream:
        stream.truncate(record.LARGEST + 1)
    with pytest.raises(ModelError, match="too large for a record"):
        read_json(path)


@pytest.mark.parametrize("value", [[2], [2, 1], ["1", 2], 3, [1, float("inf")], [True, 2]])
def test_a_range_is_two_numbers_the_smaller_first(value: Any) -> None:
    with pytest.raises(ModelError, match=r"'area' in model\.json must be two numbers"):
        Fields({"area": value}, "model.json").range("area")
    assert Fields({"area": [1, 2.5]}, "model.json").range("area") == (1.0, 2.5)


def test_a_list_of_objects_holds_objects() -> None:
    first, second = Fields({"models": [{"a": "x"}, {"a": "y"}]}, "index.json").objects("models")
    assert (first.text("a"), second.text("a")) == ("x", "y")
    with pytest.raises(ModelError, match="must be a list of objects"):
        Fields({"models": {"a": 1}}, "index.json").objects("models")
    with pytest.raises(ModelError, match=r"models\[1\] in index\.json must be a JSON object"):
        Fields({"models": [{}, 3]}, "index.json").objects("models")
