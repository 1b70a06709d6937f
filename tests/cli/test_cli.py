"""The main command: what it says, how it ends, and that a fault leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from bad_images import BAD
from samples import MODEL_VARIABLE, cord_crop

from sct_deepseg_general import __version__, cli
from sct_deepseg_general.cli._click import PROGRAM
from sct_deepseg_general.image import nifti

COMMAND = Path(sys.executable).with_name(PROGRAM)
MODEL = ["-m", os.environ[MODEL_VARIABLE]] if MODEL_VARIABLE in os.environ else []


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The console script's function, in this process."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", [PROGRAM, *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return Ended(int(end.value.code or 0), out, err)

    yield call
    signal.signal(signal.SIGTERM, before)


def installed(*words: object, before: tuple[str, ...] = ()) -> Ended:
    """The installed console script, in a process of its own; `before` starts it."""
    line = [*before, str(COMMAND), *map(str, words), *MODEL]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=600)
    return Ended(done.returncode, done.stdout, done.stderr)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def one_sentence(text: str) -> bool:
    return text.startswith("Error: ") and text.count("\n") == 1 and "Traceback" not in text


def test_one_image_end_to_end(cord: Path) -> None:
    ended = installed("-i", cord)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert tree(cord.parent) == [
        "t2.nii.gz",
        "t2_seg.json",
        "t2_seg.nii.gz",
        "t2_seg.toml",
        "t2_seg_csa.csv",
    ]
    mask = cord.parent / "t2_seg.nii.gz"
    assert f"fsleyes {cord} -cm greyscale {mask} -cm red -a 70.0 &" in ended.out
    assert "mm²" in ended.out
    assert np.asarray(nib.load(mask).dataobj).sum() > 500
    again = installed("-i", cord)
    assert again.code == 1
    assert one_sentence(again.err)
    assert "-overwrite" in again.err


def test_every_bad_image_is_refused_and_the_good_one_among_them_done(run: Run, cord: Path) -> None:
    folders = {name: cord.parent / f"case {n}" for n, name in enumerate(BAD)}
    for folder in folders.values():
        folder.mkdir()
    paths = {name: make(folders[name]) for name, (make, _) in BAD.items()}
    before = tree(cord.parent)
    ended = run("-i", *paths.values(), cord, *MODEL)
    assert ended.code == 1
    assert "Traceback" not in ended.err
    *lines, last = ended.err.splitlines()
    assert len(lines) == len(BAD)
    for line, path in zip(lines, paths.values(), strict=True):
        assert line.startswith("Error: ")
        assert path.name in line
    assert last.startswith(f"{len(BAD)} of {len(BAD) + 1} images failed: ")
    made = set(tree(cord.parent)) - set(before)
    assert made == {"t2_seg.json", "t2_seg.nii.gz", "t2_seg.toml", "t2_seg_csa.csv"}


ALONE = ["missing", "text", "truncated gzip", "2D", "5D", "constant", "NaN", "singular affine"]


@pytest.mark.parametrize("name", ALONE)
def test_a_bad_image_alone_ends_with_1(name: str, run: Run, tmp_path: Path) -> None:
    path = BAD[name][0](tmp_path)
    before = tree(tmp_path)
    ended = run("-i", path, "-qc", tmp_path / "qc", *MODEL)
    assert (ended.code, ended.out) == (1, "")
    assert one_sentence(ended.err)
    assert tree(tmp_path) == before


def test_the_installed_script_ends_the_same_way(tmp_path: Path) -> None:
    path = BAD["corrupted gzip"][0](tmp_path)
    ended = installed("-i", path)
    assert (ended.code, ended.out) == (1, "")
    assert one_sentence(ended.err)
    assert "copy or export it again" in ended.err
    assert tree(tmp_path) == [path.name]


def test_a_folder_without_permission_is_said(cord: Path) -> None:
    give_up: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv")
        give_up = ("setpriv", "--bounding-set=-dac_override")
    cord.parent.chmod(0o555)
    try:
        ended = installed("-i", cord, before=give_up)
    finally:
        cord.parent.chmod(0o755)
    assert ended.code == 1
    assert one_sentence(ended.err)
    assert "no permission" in ended.err
    assert tree(cord.parent) == ["t2.nii.gz"]


def test_a_full_disk_is_said_and_keeps_nothing(cord: Path) -> None:
    """On a real file system of 16 kB, where the command may mount one."""
    disk = cord.parent / "disk"
    disk.mkdir()
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(disk)]
    if shutil.which("unshare") is None or subprocess.run(probe, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    script = 'mount -t tmpfs -o size=16k none "$0" && "$@"; code=$?; ls -A "$0"; exit $code'
    start = ("unshare", "-rm", "sh", "-c", script, str(disk))
    ended = installed("-i", cord, "-o", disk, "-soft", before=start)
    assert ended.code == 1
    assert one_sentence(ended.err)
    assert "No space left" in ended.err
    assert ended.out == ""  # ls found nothing on the disk


USAGE = {
    "typo": (["-i", "a.nii", "-qcc", "x"], "There is no flag '-qcc'. Did you mean '-qc'?"),
    "glued": (["-i", "a.nii", "-ofoo"], "There is no flag '-ofoo'"),
    "double dash": (["--overwrit", "-i", "a.nii"], "There is no flag '--overwrit'"),
    "positional": (["-v", "1", "a.nii"], "'a.nii' belongs to no flag"),
    "word first": (["spinal"], "There is no subcommand 'spinal'"),
    "mistyped": (["segmnt", "-i", "a.nii"], "no subcommand 'segmnt'. Did you mean 'segment'?"),
    "positional after a switch": (["-i", "a.nii", "-soft", "b"], "'b' belongs to no flag"),
    "two values": (["-i", "a.nii", "-o", "b", "c"], "'c' belongs to no flag"),
    "nothing to segment": (["-soft"], "There is no image: give one"),
    "no value": (["-i", "a.nii", "-o"], "The flag '-o' needs a value"),
    "no image": (["-i", "-soft"], "The flag '-i' needs a value"),
    "engine": (["-i", "a.nii", "-engine", "magic"], "'magic'"),
    "threshold": (["-i", "a.nii", "-thr", "1.5"], "1.5"),
    "no number": (["-i", "a.nii", "-thr", "high"], "'high'"),
    "verbosity": (["-i", "a.nii", "-v", "3"], "3"),
    "one file for two": (["-i", "a.nii", "b.nii", "-o", "c.nii.gz"], "one file for several"),
    "same name twice": (["-i", "x/a.nii", "y/a.nii", "-o", "."], "both be written to"),
    "same image twice": (["-i", "a.nii", "a.nii"], "both be written to"),
    "zipped and not": (["-i", "a.nii", "a.nii.gz"], "both be written to"),
    "onto itself": (["-i", "a.nii", "-o", "a.nii", "-overwrite"], "given with -i"),
    "onto another": (["-i", "a.nii", "a_seg.nii", "-overwrite"], "given with -i"),
}


@pytest.mark.parametrize(("words", "says"), USAGE.values(), ids=USAGE)
def test_wrong_usage_ends_with_2_and_a_hint(
    words: list[str], says: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run(*words)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert one_sentence(ended.err)
    assert tree(tmp_path) == []


def test_several_images_one_call(run: Run, cord: Path) -> None:
    other = cord.with_name("t2 (b).nii")
    nifti.save(cord_crop().reoriented(("L", "A", "S")), other)
    out = cord.parent / "out"
    out.mkdir()
    ended = run("-i", cord, other, "-o", out, "-csa", "0", "-v", "2", *MODEL)
    assert ended.code == 0, ended.err
    assert tree(out) == [
        "t2 (b)_seg.json",
        "t2 (b)_seg.nii",
        "t2_seg.json",
        "t2_seg.nii.gz",
        "t2_seg.toml",
    ]
    assert f"fsleyes '{other}' -cm" in ended.out
    assert "engine openvino on cpu" in ended.out


def test_existing_results_stay_unless_asked(run: Run, cord: Path) -> None:
    mask = cord.with_name("t2_seg.nii.gz")
    mask.write_text("mine")
    refused = run("-i", cord, *MODEL)
    assert refused.code == 1
    assert f"{mask} exists: add -overwrite" in refused.err
    assert mask.read_text() == "mine"
    assert run("-i", cord, "-overwrite", mask.name, "-v", "0", *MODEL) == (0, "", "")
    assert nib.load(mask).shape == cord_crop().data.shape


def test_a_series_is_averaged_and_it_is_said(run: Run, tmp_path: Path) -> None:
    volume = cord_crop()
    series = np.stack([volume.data] * 3, axis=3).astype(np.int16)
    nib.save(nib.Nifti1Image(series, volume.grid.affine), tmp_path / "dwi.nii.gz")
    ended = run("-i", tmp_path / "dwi.nii.gz", *MODEL)
    assert ended.code == 0, ended.err
    assert "series of 3 volumes" in ended.out
    assert nib.load(tmp_path / "dwi_seg.nii.gz").shape == volume.data.shape


def test_strict_ends_with_1_where_the_result_is_not_believable(run: Run, cord: Path) -> None:
    words = ["-i", cord, "-thr", "1", "-overwrite", *MODEL]
    assert run(*words).code == 0
    strict = run(*words, "-strict")
    assert strict.code == 1
    assert "no cord was found" in strict.out


def test_an_output_folder_that_is_missing_is_made(run: Run, cord: Path) -> None:
    assert run("-i", cord, "-o", cord.parent / "new" / "seg.nii.gz", *MODEL).code == 0
    assert (cord.parent / "new" / "seg.nii.gz").exists()
    assert run("-i", cord, "-o", f"{cord.parent}/a/b/", *MODEL).code == 0
    assert (cord.parent / "a" / "b" / "t2_seg.nii.gz").exists()


def test_an_output_folder_that_cannot_be_made_is_said(run: Run, cord: Path) -> None:
    (cord.parent / "file").write_text("mine")
    ended = run("-i", cord, "-o", f"{cord.parent}/file/results/", *MODEL)
    assert ended.code == 1
    assert one_sentence(ended.err)
    assert "is not a folder" in ended.err


def test_an_output_name_too_long_is_said(run: Run, cord: Path) -> None:
    ended = run("-i", cord, "-o", cord.parent / f"{'x' * 250}.nii.gz", *MODEL)
    assert ended.code == 1
    assert one_sentence(ended.err)
    assert "too long" in ended.err
    assert tree(cord.parent) == ["t2.nii.gz"]


@pytest.mark.parametrize("place", ["t2.nii.gz", "t2.nii.gz/qc"])
def test_a_qc_folder_that_cannot_be_is_said_before_the_work(
    place: str, run: Run, cord: Path
) -> None:
    ended = run("-i", cord, "-qc", cord.parent / place, *MODEL)
    assert ended.code == 1
    assert one_sentence(ended.err)
    assert tree(cord.parent) == ["t2.nii.gz"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-m", "no-such-model"], "no model 'no-such-model'"),
        (["-m", "/none/here"], "/none/here"),
        (["-device", "tpu"], "no device 'tpu'"),
        (["-engine", "openvino", "-device", "cuda"], "-device"),
    ],
)
def test_what_cannot_be_had_ends_with_1(words: list[str], says: str, run: Run, cord: Path) -> None:
    ended = run("-i", cord, "-offline", *words, *([] if "-m" in words else MODEL))
    assert ended.code == 1
    assert one_sentence(ended.err)
    assert says in ended.err
    assert tree(cord.parent) == ["t2.nii.gz"]


def test_help_shows_examples_and_the_other_commands(run: Run) -> None:
    ended = run("-h")
    assert ended.code == 0
    assert f"{PROGRAM} -i t2.nii.gz" in ended.out
    names = [name for name in cli.SUBCOMMANDS if name != "segment"]
    assert [name for name in names if f"\n  {name} " not in ended.out] == []
    assert run() == run("help") == run("--help") == ended


@pytest.mark.parametrize("name", [name for name in cli.SUBCOMMANDS if name != "segment"])
def test_every_subcommand_has_help(name: str, run: Run) -> None:
    ended = run(name, "-h")
    assert ended.code == 0, ended.err
    assert f"{PROGRAM} {name}" in ended.out


def test_the_version_is_told(run: Run) -> None:
    assert run("-version") == (0, f"{PROGRAM} {__version__}\n", "")


def test_the_default_command_has_a_name_too(run: Run) -> None:
    assert run("segment", "-version").code == 0
