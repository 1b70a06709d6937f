"""A mask that was edited, or that another program made, is recognised and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from edited_masks import FOREIGN, own_mask, write_tube

from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.job.outputs import Outputs
from sct_deepseg_general.job.overwrite import Overwrite, mask_origin

OWN = Overwrite(own=True)


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return own_mask(tmp_path)


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


@pytest.mark.parametrize("name", ["t2_seg.nii.gz", "path"])
@pytest.mark.parametrize("origin", ["edited", "foreign", "unknown"])
def test_an_edited_or_foreign_mask_is_replaced_only_by_name(
    origin: str, name: str, outputs: Outputs
) -> None:
    if origin == "edited":
        write_tube(outputs.segmentation, 12, 8)
    elif origin == "unknown":
        outputs.sidecar.unlink()
    else:
        outputs.sidecar.write_text(json.dumps(FOREIGN))
    with pytest.raises(OutputError, match=r"-overwrite t2_seg\.nii\.gz"):
        OWN.check(outputs)
    named = str(outputs.segmentation) if name == "path" else name
    Overwrite.of_words((named,)).check(outputs)
    with pytest.raises(OutputError):
        Overwrite.of_words(("other_seg.nii.gz",)).check(outputs)


def test_own_masks_are_replaced_by_the_bare_flag(outputs: Outputs) -> None:
    OWN.check(outputs)
    sidecar = json.loads(outputs.sidecar.read_text())
    del sidecar["MaskSHA256"]
    outputs.sidecar.write_text(json.dumps(sidecar))
    OWN.check(outputs)


def test_the_words_of_the_flag() -> None:
    assert Overwrite.of_words(()) == Overwrite()
    assert Overwrite.of_words(("",)) == OWN
    assert Overwrite.of_words(("a_seg.nii", "b")) == Overwrite(True, ("a_seg.nii", "b"))
