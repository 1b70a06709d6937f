import json

import pytest

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.made_by import model_of_mask


def test_the_sidecar_names_the_model(tmp_path):
    made = [{"Name": "converter"}, {"Name": "sct", "Model": "sc-general@0.4.0"}]
    (tmp_path / "t2_seg.json").write_text(json.dumps({"GeneratedBy": made}))
    assert model_of_mask(tmp_path / "t2_seg.nii.gz") == "sc-general@0.4.0"


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"GeneratedBy": [{"Name": "x"}]}'])
def test_without_it_the_model_must_be_given(tmp_path, text):
    if text is not None:
        (tmp_path / "t2_seg.json").write_text(text)
    with pytest.raises(NormsError, match="give it with -m"):
        model_of_mask(tmp_path / "t2_seg.nii.gz")
