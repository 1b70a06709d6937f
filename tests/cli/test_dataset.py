from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import Convention, phantom_bids

from sct_deepseg_general.cli._click import run
from sct_deepseg_general.cli.dataset import command
from sct_deepseg_general.datasets.manifest import read_manifest
from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule, read, write

Ended = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str]) -> Ended:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            run(command, "dataset", [str(word) for word in words])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    small = {"people": ("01", "02", "03", "04"), "shape": (12, 12, 3)}
    one = phantom_bids(tmp_path / "lab/one", Convention(**small, contrasts=("T1w", "T2w")))
    two = phantom_bids(tmp_path / "two", Convention(**small, label_suffix="_label-SC_seg"))
    far = phantom_bids(tmp_path / "lab/far", Convention(**small, unlabelled=("03",)))
    return one, two, far


def test_bids_datasets_become_nnunet_datasets(
    ended: Ended, places: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    one, two, far = places
    words = ("-bids", one, two, "-unseen", far, "-o", tmp_path / "out", "-test", 0.3, "-jobs", 1)
    code, out, _ = ended(*words)
    assert code == 0
    assert "15 converted, 0 were up to date" in out
    assert "left out of far: 1, no label" in out
    entries = read_manifest(tmp_path / "out/cases.tsv")
    assert {one.dataset for one in entries if one.part == "unseen"} == {"far"}
    raw = tmp_path / "out/nnUNet_raw"
    assert sorted(p.name for p in raw.iterdir()) == [
        "Dataset101_general", "Dataset102_one", "Dataset103_two",
    ]  # fmt: skip
    code, out, _ = ended(*words)
    assert "0 converted, 15 were up to date" in out


def test_a_label_that_cannot_be_used_is_not_counted_as_converted(
    ended: Ended, tmp_path: Path
) -> None:
    root = phantom_bids(tmp_path / "one", Convention(people=("01", "02"), shape=(12, 12, 3)))
    first = min((root / "derivatives").rglob("*.nii.gz"))
    nib.save(nib.Nifti1Image(np.full((12, 12, 3), np.nan, np.float32), np.eye(4)), first)
    code, out, _ = ended("-bids", root, "-o", tmp_path / "out", "-test", 0, "-jobs", 1)
    assert code == 0
    assert "1 converted, 0 were up to date" in out
    assert "left out of one: 1, label holds 432 NaN or infinite values" in out


def test_where_nobody_is_left_the_reasons_are_told(ended: Ended, tmp_path: Path) -> None:
    root = phantom_bids(tmp_path / "one", Convention(people=("01", "02"), shape=(12, 12, 3)))
    (root / "derivatives").rename(root / "deriv")
    code, _, error = ended("-bids", root, "-o", tmp_path / "out", "-jobs", 1)
    assert code == 1
    assert "0 labelled people; left out: 2 x no label): check the folder of the labels" in error
    assert not (tmp_path / "out").exists()


def test_flags_choose_contrasts_suffixes_and_people(
    ended: Ended, places: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    one, _, _ = places
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": ["sub-01", "sub-02"], "test": ["sub-03"]}))
    out = tmp_path / "out"
    words = ("-contrast", "T2w", "-exclude", "sub-04*", "-split", split, "-suffix", "_seg-manual")
    assert ended("-bids", one, "-o", out, "-jobs", 1, *words)[0] == 0
    parts = {one.name: one.part for one in read_manifest(out / "cases.tsv")}
    assert parts == {
        "one_sub-01_T2w": "train", "one_sub-02_T2w": "train", "one_sub-03_T2w": "test",
    }  # fmt: skip
    assert read(out / "recipe.json").split.assigned["one/sub-03"] == "test"


def test_a_recipe_does_the_same(
    ended: Ended, places: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    recipe = Recipe("r", (Dataset("one", folder="lab/one"),), split=SplitRule(test=0.0))
    (tmp_path / "recipes").mkdir()
    write(recipe, tmp_path / "recipes/recipe.json")
    words = ("-recipe", tmp_path / "recipes/recipe.json", "-o", tmp_path / "out", "-jobs", 1)
    code, _, err = ended(*words)
    assert (code, "Say with -data" in err) == (1, True)
    code, out, _ = ended(*words, "-data", tmp_path)
    assert (code, "train: 8 images of 4 people" in out) == (0, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "either -bids or -recipe"),
        (("-bids", "nowhere"), 1, "nowhere"),
        (("-recipe", "none.json", "-data", "."), 1, "none.json"),
        (("-bids", "a", "-test", "1"), 2, "-test"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    ended: Ended, tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    ending, _, err = ended(*words, "-o", tmp_path / "out")
    assert ending == code
    assert message in err
    assert "Traceback" not in err


def test_two_datasets_of_one_name_are_refused(ended: Ended, tmp_path: Path) -> None:
    roots = [phantom_bids(tmp_path / place / "one") for place in ("a", "b")]
    code, _, err = ended("-bids", *roots, "-o", tmp_path / "out")
    assert (code, "named twice" in err) == (1, True)
