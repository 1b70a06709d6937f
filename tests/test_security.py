"""What a stranger's file could try, and that nothing comes of it. SECURITY.md lists these tests."""

from __future__ import annotations

import ast
import csv
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hostile_images import made, voxels
from index_entries import ENTRY, write_index
from phantoms import Convention, phantom_bids, write_json
from qc_phantoms import row as qc_row
from samples import MODEL_VARIABLE, cord_crop

from sct_deepseg_general.batch import tables as group_table
from sct_deepseg_general.batch.journal import Record
from sct_deepseg_general.batch.naming import places
from sct_deepseg_general.batch.worklist import Item, from_bids, from_list
from sct_deepseg_general.bids.dataset import index
from sct_deepseg_general.cli._click import PROGRAM, printable
from sct_deepseg_general.csa.aggregate import Row, Table
from sct_deepseg_general.csa.table import as_text
from sct_deepseg_general.datasets.recipe import read as read_recipe
from sct_deepseg_general.errors import DatasetError, ImageError, ModelError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.image import nifti
from sct_deepseg_general.image.volume import Volume
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.job.job import run
from sct_deepseg_general.job.outputs import outputs_for
from sct_deepseg_general.job.values import Job, QcPlace, Request
from sct_deepseg_general.qc.folder import PAGE, publish
from sct_deepseg_general.zoo.cache import ModelCache
from sct_deepseg_general.zoo.index import read_index
from sct_deepseg_general.zoo.install import FetchOptions
from sct_deepseg_general.zoo.zoo import Zoo

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sct_deepseg_general"
SCRIPT = "<script>alert(1)</script>"
NAME = "Planted Patient"
MODEL = ["-m", os.environ[MODEL_VARIABLE]] if MODEL_VARIABLE in os.environ else []


def written_tests() -> set[str]:
    trees = (ast.parse(path.read_text("utf-8")) for path in ROOT.glob("tests/**/test_*.py"))
    functions = (node for tree in trees for node in ast.walk(tree))
    return {one.name for one in functions if isinstance(one, ast.FunctionDef)}


def missing(page: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", page)) - written_tests()


def test_every_test_named_here_exists() -> None:
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    assert missing(page) == set()
    assert missing(page + "`test_that_nobody_wrote`") == {"test_that_nobody_wrote"}
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert all("`test_" in line for line in rows[1:])
    assert len(rows) > 20


def test_a_gzip_bomb_behind_the_voxels_is_refused(tmp_path: Path) -> None:
    content = made(voxels((4, 5, 6)))
    for padding, fits in ((1 << 20, True), (80 << 20, False)):
        path = tmp_path / f"{padding}.nii.gz"
        path.write_bytes(gzip.compress(content + bytes(padding), 1))
        if fits:
            assert nifti.load(path).grid.shape == (4, 5, 6)
            continue
        with pytest.raises(ImageError, match="more than its header"):
            nifti.load(path)


def test_a_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    name = "a\x1b[2J\nError: forged\rb\x07\u202e脊髄.nii"
    assert printable(name) == "a?[2J?Error: forged?b??脊髄.nii"
    words = [Path(sys.executable).with_name(PROGRAM), "-i", tmp_path / name, *MODEL]
    done = subprocess.run(words, capture_output=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert set(done.stderr.decode()) & set("\x1b\r\x07\u202e") == set()


FORMULAS = ["=1+1", "=HYPERLINK(1)", "+1+1", "-1+1", "@SUM(A1)", "'quoted"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str, tmp_path: Path) -> None:
    table = as_text(Table((), (Row((1,), (), None, ()),)), f"{text}.nii.gz", "1")
    _, cells = csv.reader(table.splitlines())
    assert cells[2][0] not in "=+-@"
    assert Path(cells[2]) == Path(f"{text}.nii.gz")
    item = Item(f"{text}.nii.gz", tmp_path / "x.nii.gz", text, text, text)
    line = group_table.ImageResult(item, RECORD)
    group_table.write_images(tmp_path / "part.tsv", [line])
    _, shown = (tmp_path / "part.tsv").read_text().splitlines()
    assert not [cell for cell in shown.split("\t") if cell[0] in "=+-@"]
    rows = group_table.joined(tmp_path / "all.tsv", [tmp_path / "part.tsv"], {item.key: 0})
    assert rows == 1
    assert (tmp_path / "all.tsv").read_bytes() == (tmp_path / "part.tsv").read_bytes()


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_shell_and_nothing_that_runs_text() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for call in calls(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(call.func)
            if any(keyword.arg == "shell" for keyword in call.keywords) or name in FORBIDDEN:
                found.append(f"{path.name}:{call.lineno} {name}")
    assert found == []


FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "pickle.load",
    "pickle.loads", "marshal.loads", "tempfile.mktemp", "extractall", "np.fromregex",
}  # fmt: skip


@pytest.mark.parametrize("url", ["http://example.org/toy.zip", "http://127.0.0.1@example.org/a"])
def test_an_index_without_https_fetches_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("socket.create_connection", lambda *words, **_: asked.append(words))
    monkeypatch.setattr("socket.getaddrinfo", lambda *words, **_: asked.append(words))
    pinned = {**ENTRY, "urls": [url]}
    zoo = Zoo(
        read_index(write_index(tmp_path / "index.json", pinned)),
        ModelCache(tmp_path / "package", (tmp_path / "models",)),
    )
    with pytest.raises(ModelError, match="https"):
        zoo.obtain("toy", FetchOptions())
    assert asked == []


@pytest.mark.parametrize(
    "dataset",
    [
        {"name": "../one"},
        {"name": "one", "folder": "../one"},
        {"name": "one", "folder": "/etc"},
        {"name": "one", "also": ["x/../../y"]},
        {"name": "one", "derivatives": "../../labels"},
        {"name": "one", "derivatives": "/labels"},
    ],
)
def test_a_recipe_cannot_leave_its_folders(dataset: dict[str, object], tmp_path: Path) -> None:
    path = write_json(tmp_path / "recipe.json", {"name": "study", "datasets": [dataset]})
    with pytest.raises(DatasetError):
        read_recipe(path)


def test_links_in_a_dataset_end_and_harm_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_text("a secret\n")
    root = phantom_bids(tmp_path / "ds", Convention(people=("01",)))
    (root / "sub-01" / "sub-01").symlink_to(root / "sub-01")
    (root / "sub-02").symlink_to(root)
    (root / "sub-03" / "anat").mkdir(parents=True)
    (root / "sub-03" / "anat" / "sub-03_T2w.nii.gz").symlink_to(outside)
    (root / "sub-04").symlink_to(root / "sub-04")
    found = {case.image.name: case.image for case in index(root).cases}
    assert set(found) == {"sub-01_T2w.nii.gz", "sub-03_T2w.nii.gz"}
    with pytest.raises(ImageError, match="not a readable NIfTI") as caught:
        nifti.load(found["sub-03_T2w.nii.gz"])
    assert "a secret" not in str(caught.value)
    assert outside.read_text() == "a secret\n"


@pytest.mark.parametrize("naming", ["bids", "sct"])
def test_results_stay_below_the_output_folder(naming: str, tmp_path: Path) -> None:
    root = phantom_bids(tmp_path / "ds", Convention(people=("01",)))
    anat = root / "sub-01" / "anat"
    (anat / "sub-01_acq-..%2f..%2fx_T2w.nii.gz").write_bytes(b"")
    out = tmp_path / "out"
    try:
        found = places(from_bids(root).items, out, naming)  # type: ignore[arg-type]
    except DatasetError as error:
        assert "no BIDS name" in str(error)  # noqa: PT017 - one of the two laws
    else:
        for outputs in found.values():
            assert outputs.segmentation.resolve().is_relative_to(out)
    with pytest.raises(DatasetError, match="not below"):
        from_list([anat / ".." / ".." / ".." / "x.nii"], root=root)


def test_a_link_in_the_place_of_a_result_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "t2_seg.json").symlink_to(victim)
    with write_whole(tmp_path / "t2_seg.json") as temporary:
        temporary.write_text("a result")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "t2_seg.json").is_symlink()


def test_a_subject_called_script_stays_text(tmp_path: Path) -> None:
    publish(tmp_path, qc_row(subject=SCRIPT, dataset=SCRIPT, input=SCRIPT, reasons=(SCRIPT,)), ())
    own = [p for p in tmp_path.rglob("*") if p.is_file() and "assets" not in p.parts]
    assert any("script>alert" in path.read_text("utf-8") for path in own)
    pages = [path for path in own if path.suffix == ".html"]
    assert pages
    assert not [path for path in pages if "alert(1)" in path.read_text("utf-8")]
    for path in (PACKAGE / "assets" / "qc").glob("*.js"):
        sinks = re.findall(
            r"\.(?:inner|outer)HTML\s*=|document\.write\(|\beval\(", path.read_text()
        )
        assert sinks == [], path.name


def test_the_qc_page_carries_a_policy(tmp_path: Path) -> None:
    publish(tmp_path, qc_row(), ())
    page = (tmp_path / PAGE).read_text("utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules["default-src"] == rules["connect-src"] == rules["object-src"] == "'none'"
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", page)
    assert page.index("Content-Security-Policy") < page.index("<script")


def planted(folder: Path) -> Path:
    """An image whose header names a patient wherever a header has room for words."""
    volume = cord_crop()
    image = nib.Nifti1Image(volume.data.astype(np.int16), volume.grid.affine)
    for field in ("descrip", "db_name", "aux_file", "intent_name", "data_type"):
        image.header[field] = NAME.encode()[: image.header[field].dtype.itemsize]
    for code in (2, 4, 6):
        image.header.extensions.append(nib.nifti1.Nifti1Extension(code, NAME.encode() * 3))
    nib.save(image, folder / "t2.nii.gz")
    return folder / "t2.nii.gz"


def holders(folder: Path, words: tuple[bytes, ...]) -> list[str]:
    """The files below a folder that hold one of the words, zipped or not."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        if any(word in content for word in words):
            found.append(path.name)
    return found


def test_no_output_holds_what_the_header_says_of_the_patient(
    tmp_path: Path, predictor: Predictor
) -> None:
    for name in ("in", "out", "qc"):
        (tmp_path / name).mkdir()
    image = planted(tmp_path / "in")
    words = tuple(NAME.encode().split())
    assert holders(tmp_path, words) == ["t2.nii.gz"]
    job = Job(image, outputs_for(image, tmp_path / "out"))
    run(job, predictor, Request(soft=True, qc=QcPlace(tmp_path / "qc"), command="the command"))
    assert len(list((tmp_path / "out").iterdir())) == 4
    assert list((tmp_path / "qc" / "entries").iterdir())
    assert holders(tmp_path / "out", words) == []
    assert holders(tmp_path / "qc", words) == []


NO_SOCKETS = """
import socket, sys
def refuse(*words, **more):
    sys.stderr.write("A SOCKET WAS ASKED FOR\\n")
    raise OSError("no network here")
def refuse_internet(event, words):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request"):
        refuse()
sys.addaudithook(refuse_internet)
"""


def test_the_command_needs_no_network(cord: Path, tmp_path: Path) -> None:
    """With every connection forbidden from the start of Python on, and seen if it is tried."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(NO_SOCKETS)
    environment = {**os.environ, "PYTHONPATH": str(hook), "HOME": str(tmp_path / "home")}
    probe = "import socket; socket.create_connection(('127.0.0.1', 9))"
    stopped = subprocess.run(
        [sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=False
    )
    assert "A SOCKET WAS ASKED FOR" in stopped.stderr
    words = [Path(sys.executable).with_name(PROGRAM), "-i", cord, "-qc", tmp_path / "qc", *MODEL]
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert cord.with_name("t2_seg.nii.gz").exists()


def test_free_text_would_be_found(tmp_path: Path) -> None:
    nifti.save(Volume(cord_crop().data, cord_crop().grid), tmp_path / "clean.nii.gz")
    planted(tmp_path)
    assert holders(tmp_path, (b"Planted",)) == ["t2.nii.gz"]


RECORD = Record("done", "=x", status="ok", reasons=("=cmd|' /C calc'!A0", "+x"))
