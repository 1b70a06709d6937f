"""A mask that was edited is recognised, kept, and measured as it is."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import affine_of

from sct_deepseg_general.csa.table import read
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import sha256
from sct_deepseg_general.job.edited import Overwrite, mask_origin, remeasured
from sct_deepseg_general.job.outputs import PROGRAM, Outputs, Provenance, outputs_for, write_sidecar

SHAPE, SPACING = (60, 60, 12), (0.5, 0.5, 3.0)
OWN, FOREIGN = Overwrite(own=True), {"GeneratedBy": [{"Name": "sct_deepseg"}]}


def write_tube(path: Path, across: float, along: float, slices: slice = slice(None)) -> None:
    """A straight tube; its section is an ellipse of these diameters in mm."""
    x, y = (np.arange(n) - (n - 1) / 2 for n in SHAPE[:2])
    inside = (x[:, None] * 2 * SPACING[0] / across) ** 2 + (y * 2 * SPACING[1] / along) ** 2 <= 1
    data = np.zeros(SHAPE, np.uint8)
    data[..., slices] = inside[..., None]
    nib.save(nib.Nifti1Image(data, affine_of("LAS", SPACING, SHAPE)), path)


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    """A mask of this program with its sidecar."""
    (tmp_path / "t2.nii.gz").write_bytes(b"image")
    made = outputs_for(tmp_path / "t2.nii.gz")
    write_tube(made.segmentation, 10, 10)
    provenance = Provenance(
        tmp_path / "t2.nii.gz", "model", "digest", "openvino", "cpu", "ok", (), 1,
        area={"Mean": 78.5, "Lower": 70.0}, mask_sha256=sha256(made.segmentation),
    )  # fmt: skip
    write_sidecar(provenance, made.sidecar)
    return made


def test_the_origin_of_a_mask(outputs: Outputs) -> None:
    assert mask_origin(outputs) == "own"
    write_tube(outputs.segmentation, 12, 8)
    assert mask_origin(outputs) == "edited"
    outputs.sidecar.write_text(json.dumps(FOREIGN))
    assert mask_origin(outputs) == "foreign"
    outputs.sidecar.unlink()
    assert mask_origin(outputs) == "unknown"
    outputs.segmentation.unlink()
    assert mask_origin(outputs) == "absent"


def test_an_edited_mask_is_measured_as_it_is(outputs: Outputs) -> None:
    """The area of an elliptic tube of 12 x 8 mm is 75.4 mm²."""
    write_tube(outputs.segmentation, 12, 8, slice(2, 10))
    mask = remeasured(outputs, csa=True)
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
    mask = remeasured(outputs, csa=False)
    assert (mask.mean_area, mask.slices) == (None, 0)
    assert json.loads(outputs.sidecar.read_text())["Area"] == {}
    assert not outputs.csa.exists()


@pytest.mark.parametrize("name", ["t2_seg.nii.gz", "path"])
@pytest.mark.parametrize("origin", ["edited", "foreign"])
def test_an_edited_or_foreign_mask_is_replaced_only_by_name(
    origin: str, name: str, outputs: Outputs
) -> None:
    if origin == "edited":
        write_tube(outputs.segmentation, 12, 8)
    else:
        outputs.sidecar.write_text(json.dumps(FOREIGN))
    with pytest.raises(OutputError, match=r"-overwrite t2_seg\.nii\.gz"):
        OWN.check(outputs)
    named = str(outputs.segmentation) if name == "path" else name
    Overwrite.of_words((named,)).check(outputs)
    with pytest.raises(OutputError):
        Overwrite.of_words(("other_seg.nii.gz",)).check(outputs)


def test_own_and_unknown_masks_are_replaced_by_the_bare_flag(outputs: Outputs) -> None:
    OWN.check(outputs)
    outputs.sidecar.unlink()
    OWN.check(outputs)


def test_the_words_of_the_flag() -> None:
    assert Overwrite.of_words(()) == Overwrite()
    assert Overwrite.of_words(("",)) == OWN
    assert Overwrite.of_words(("a_seg.nii", "b")) == Overwrite(True, ("a_seg.nii", "b"))
