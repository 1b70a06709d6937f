from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import Convention, phantom_bids

from sct_deepseg_general.cli._click import run
from sct_deepseg_general.cli.evaluate import command
from sct_deepseg_general.evaluation.cases import training_data_of
from sct_deepseg_general.evaluation.tables import read_csv

REPOSITORY = Path(__file__).parents[2]
SAMPLES = REPOSITORY / "tests" / "data"
Ended = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ended(capsys: pytest.CaptureFixture[str]) -> Ended:
    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            run(command, "evaluate", [str(word) for word in words])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


def test_the_embedded_model_on_real_images(ended: Ended, tmp_path: Path) -> None:
    words = ("-bids", SAMPLES, "-contrast", "MTS", "-offline", "-o", tmp_path / "evaluation.csv")
    code, out, _ = ended(*words)
    assert code == 0
    rows = read_csv(tmp_path / "evaluation.csv")
    assert [row.contrast for row in rows] == ["MToff", "MTon"]
    assert all(row.dice > 0.7 and row.status == "ok" and row.seconds > 0 for row in rows)
    assert "data_sub-sct_acq-MTon_MTS" in out
    assert "all: 2 images, 1 person" in out
    assert "mm² from the mean over contrasts" in out
    code, _, err = ended(*words)
    assert (code, "-overwrite" in err) == (1, True)


def test_people_of_the_training_are_refused_or_left_out(ended: Ended, tmp_path: Path) -> None:
    (person, *_) = sorted(training_data_of(REPOSITORY / "model_zoo" / "sc-general").people)
    dataset, participant = person.split("/sub-")
    root = phantom_bids(tmp_path / dataset, Convention(people=(participant,)))
    code, out, err = ended("-bids", root, "-offline")
    assert (code, out) == (1, "")
    assert f"was trained on {dataset}_sub-{participant}_T2w" in err
    code, _, err = ended("-bids", root, "-offline", "-skip-seen")
    assert code == 1
    assert "1 cases seen in training left out" in err
    assert "No image with a reference is left" in err


def test_a_mask_that_cannot_be_measured_is_named_and_ends_with_1(
    ended: Ended, tmp_path: Path
) -> None:
    root = phantom_bids(tmp_path / "data", Convention(people=("01",)))
    mask = tmp_path / "ours" / "sub-01_T2w_seg.nii.gz"
    mask.parent.mkdir()
    label = nib.load(root / "derivatives/labels/sub-01/anat/sub-01_T2w_seg-manual.nii.gz")
    nib.save(label, mask)
    assert ended("-bids", root, "-masks", mask.parent)[0] == 0
    moved = label.affine.copy()
    moved[2, 3] += 20
    nib.save(nib.Nifti1Image(np.asarray(label.dataobj), moved), mask)
    code, out, err = ended("-bids", root, "-masks", mask.parent)
    assert (code, "(failed)" in out) == (1, True)
    assert "ours failed on data_sub-01_T2w: " in err
    assert "20" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "-bids"),
        (("-bids", "nowhere"), 1, "nowhere"),
        (("-bids", SAMPLES, "-m", "no-such-model", "-offline"), 1, "no-such-model"),
        (("-bids", SAMPLES, "-suffix", "_nothing"), 1, "No image with a reference"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    ended: Ended, words: tuple[object, ...], code: int, message: str
) -> None:
    ending, _, err = ended(*words)
    assert (ending, message in err, "Traceback" in err) == (code, True, False)


def test_mask_folders_of_one_name_have_a_table_each(ended: Ended, tmp_path: Path) -> None:
    root = phantom_bids(tmp_path / "data", Convention(people=("01",)))
    label = nib.load(root / "derivatives/labels/sub-01/anat/sub-01_T2w_seg-manual.nii.gz")
    data = np.asarray(label.dataobj)
    folders = [tmp_path / rater / "labels" for rater in ("a", "b")]
    for folder, mask in zip(folders, (data, np.roll(data, 3, axis=0)), strict=True):
        folder.mkdir(parents=True)
        nib.save(nib.Nifti1Image(mask, label.affine), folder / "sub-01_T2w_seg.nii.gz")
    code, out, _ = ended("-bids", root, "-masks", *folders)
    means = [line.split()[5] for line in out.splitlines() if line.startswith("all: ")]
    assert (code, len(means), means[0]) == (0, 2, "1.000")
    assert float(means[1]) < 1
    assert all(f"labels ({folder})" in out for folder in folders)
    code, _, err = ended("-bids", root, "-masks", folders[0], folders[0])
    assert (code, "is given 2 times" in err) == (1, True)
