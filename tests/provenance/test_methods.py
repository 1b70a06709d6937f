"""The text for a paper says what the sidecars say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from samples import DATA, image_path

from sct_deepseg_general import __version__, cli, segment
from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.provenance.methods import methods_text
from sct_deepseg_general.provenance.references import CSA, NETWORK, NORMS, bibtex

NECK = DATA / "levels" / "neck_T2w.nii.gz"


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = segment(NECK, levels="auto").save(tmp_path_factory.mktemp("neck"))["sidecar"]
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_the_settings_of_the_run_are_in_the_text(sidecar: dict[str, Any]) -> None:
    made = methods_text({"a.json": sidecar})
    assert f"(version {__version__})" in made.text
    assert sidecar["GeneratedBy"][0]["Model"] in made.text
    assert "probability of at least 0.5" in made.text
    assert "discs, which were located in each image automatically." in made.text
    assert [one.key for one in made.references][1:] == [NETWORK.key, CSA.key]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("threshold", 0.3, "probability of at least 0.3"),
        ("exact", True, "the whole image was segmented"),
        ("largest", False, "taken as cord; holes were filled"),
        ("angle_correction", False, "in the axial slice, by"),
        ("centreline", "nurbs", "fitted by nurbs"),
    ],
)
def test_another_setting_is_another_text(
    sidecar: dict[str, Any], name: str, value: object, words: str
) -> None:
    other = {**sidecar, "Parameters": {**sidecar["Parameters"], name: value}}
    assert words in methods_text({"a.json": other}).text
    assert words not in methods_text({"a.json": sidecar}).text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("border", "the place where the image has its border and calibrated"),
        ("edge", "the edge of the probability and calibrated"),
        ("edge and views", "the edge of the probability and six altered copies of each image"),
    ],
)
def test_the_source_of_the_interval_is_that_of_the_sidecar(
    sidecar: dict[str, Any], source: str, words: str
) -> None:
    assert sidecar["Area"]["From"] == "border"
    other = {**sidecar, "Area": {**sidecar["Area"], "From": source}}
    assert words in methods_text({"a.json": other}).text


def test_masks_made_in_two_ways_have_no_common_text(sidecar: dict[str, Any]) -> None:
    other = {**sidecar, "Parameters": {**sidecar["Parameters"], "threshold": 0.3}}
    with pytest.raises(ImageError, match=r"a\.json and .* in b\.json"):
        methods_text({"a.json": sidecar, "b.json": other})


def test_several_masks_are_counted_by_status(sidecar: dict[str, Any]) -> None:
    withheld = {**sidecar["Levels"], "Status": "withheld"}
    other = {**sidecar, "Status": "warn", "Levels": withheld}
    text = methods_text({"a": sidecar, "b": other, "c": sidecar}).text
    assert "check of the 3 masks gave: 2 ok, 1 warn." in text
    assert "they were known in 2 of 3 images" in text


def test_levels_from_files_are_not_said_to_be_located(sidecar: dict[str, Any]) -> None:
    by_hand = {**sidecar, "Levels": {**sidecar["Levels"], "Source": "file"}}
    text = methods_text({"a": by_hand}).text
    assert "levels were taken from discs or levels that were marked by hand." in text
    assert "automatically." not in text.split("Vertebral levels")[1].split("The CSA")[0]
    both = methods_text({"a": sidecar, "b": by_hand}).text
    assert "automatically (in 1 of 2 images with discs or levels marked by hand)." in both


def test_norms_are_cited_where_they_were_used(sidecar: dict[str, Any]) -> None:
    made = methods_text({"a": {**sidecar, "AmongNorms": {}}})
    assert made.references[3] is NORMS
    assert "database [4]" in made.text
    assert NORMS not in methods_text({"a": sidecar}).references


def test_every_reference_is_cited_and_every_citation_is_listed(sidecar: dict[str, Any]) -> None:
    made = methods_text({"a": {**sidecar, "AmongNorms": {}}})
    cited = sorted({int(number) for number in re.findall(r"\[(\d)\]", made.text)})
    assert cited == list(range(1, len(made.references) + 1))
    assert all(f"[{n}] " in made.page.split("\n\n")[1] for n in cited)


def test_labels_of_another_model_are_named(sidecar: dict[str, Any]) -> None:
    lesion = {**sidecar, "Labels": {"lesion": {}}, "Area": {}}
    del lesion["Levels"]
    text = methods_text({"a": lesion}).text
    assert text.startswith("The label lesion was segmented with")
    assert "cross-sectional" not in text


@pytest.mark.parametrize("wrong", [{}, {"a": {}}, {"a": {"GeneratedBy": [{"Name": "other"}]}}])
def test_what_is_no_sidecar_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ImageError, match="no sidecar"):
        methods_text(wrong)


def test_a_mask_that_does_not_exist_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "t2_seg.nii.gz"
    monkeypatch.setattr("sys.argv", ["x", "methods", "-i", str(missing)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == f"Error: {missing} does not exist.\n"


def test_bibtex_has_balanced_braces_and_unique_keys() -> None:
    text = bibtex([NETWORK, CSA, NORMS])
    assert text.count("{") == text.count("}")
    assert len(set(re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE))) == 3


def test_the_command_reads_sidecars_masks_and_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = segment(image_path("T2w")).save(tmp_path / "one")
    texts = []
    for source in (files["sidecar"], files["mask"], tmp_path):
        words = ["x", "methods", "-i", str(source), "-bibtex", str(tmp_path / "r.bib")]
        monkeypatch.setattr("sys.argv", [*words, "-overwrite"])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 0
        texts.append(capsys.readouterr().out)
    assert len(set(texts)) == 1
    assert "[3] De Leener" in texts[0]
    assert (tmp_path / "r.bib").read_text(encoding="utf-8").count("@") == 3
