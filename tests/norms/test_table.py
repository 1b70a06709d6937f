import gzip

import numpy as np
import published_table as published
import pytest

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.table import read_table


@pytest.fixture
def table(tmp_path):
    return published.write_table(tmp_path / "table.tsv", people=10, datasets=2)


def altered(table, **values):
    """The table with some fields of its first row changed."""
    header, first, *rest = table.read_text().splitlines()
    fields = dict(zip(header.split("\t"), first.split("\t"), strict=True)) | values
    table.write_text("\n".join([header, "\t".join(fields.values()), *rest]) + "\n")
    return table


@pytest.mark.parametrize(
    "values",
    [
        {"slices": "10"},
        {"pathology": "MS"},
        {"structure": "spinal_canal"},
        {"age": "n/a"},
        {"sex": "n/a"},
        {"area_mm2": "3.3"},
        {"area_mm2": "nan"},
    ],
)
def test_a_row_that_cannot_be_used_is_left_out(table, values):
    before = read_table(table)[("area", "C2")].value.size
    assert read_table(altered(table, **values))[("area", "C2")].value.size == before - 1


def test_c2_c3_is_the_mean_weighted_by_slices(table):
    found = read_table(table)
    upper, lower, both = (found[("area", level)].value[0] for level in ("C2", "C3", "C2-C3"))
    assert both == pytest.approx((31 * upper + 37 * lower) / 68)


def test_compressed_is_the_same(table):
    plain = read_table(table)[("area", "C3")].value
    packed = table.with_suffix(".tsv.gz")
    packed.write_bytes(gzip.compress(table.read_bytes()))
    assert np.array_equal(read_table(packed)[("area", "C3")].value, plain)


def test_bad_tables_are_refused(tmp_path, table):
    with pytest.raises(NormsError, match="Cannot read"):
        read_table(tmp_path / "none.tsv")
    other = tmp_path / "other.tsv"
    other.write_text("a\tb\n1\t2\n")
    with pytest.raises(NormsError, match="lacks the columns"):
        read_table(other)
    other.write_text(table.read_text().replace("HC", "MS"))
    with pytest.raises(NormsError, match="no healthy person"):
        read_table(other)
