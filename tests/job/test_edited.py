"""A mask that was edited is measured as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from edited_masks import own_mask, write_tube

from sct_deepseg_general.csa.table import read
from sct_deepseg_general.job.edited import remeasured
from sct_deepseg_general.job.outputs import PROGRAM, Outputs
from sct_deepseg_general.job.overwrite import mask_origin

IMAGE = Path("not read")


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return own_mask(tmp_path)


def test_an_edited_mask_is_measured_as_it_is(outputs: Outputs) -> None:
    """The area of an elliptic tube of 12 x 8 mm is 75.4 mm²."""
    write_tube(outputs.segmentation, 12, 8, slice(2, 10))
    mask = remeasured(IMAGE, outputs)
    assert mask.slices == 8
    assert mask.mean_area == pytest.approx(np.pi * 12 * 8 / 4, rel=0.01)
    sidecar = json.loads(outputs.sidecar.read_text())
    assert sidecar["Status"] == "edited"
    assert sidecar["Area"] == {"Mean": pytest.approx(75.4, rel=0.01)}
    assert sidecar["GeneratedBy"][0]["Name"] == PROGRAM
    table = read(outputs.csa)
    areas = [row.values[table.columns.index("MEAN(area)")] for row in table.rows]
    assert [area for area in areas if area] == pytest.approx([75.4] * 8, rel=0.01)
    assert '"edited"' in outputs.csa.read_text().splitlines()[4]
    assert mask_origin(outputs) == "edited", "the sidecar keeps the hash of what was written"


def test_an_edited_mask_without_cord_has_no_area(outputs: Outputs) -> None:
    write_tube(outputs.segmentation, 12, 8, slice(0, 0))
    mask = remeasured(IMAGE, outputs, csa=False)
    assert (mask.mean_area, mask.slices) == (None, 0)
    assert json.loads(outputs.sidecar.read_text())["Area"] == {}
    assert not outputs.csa.exists()
