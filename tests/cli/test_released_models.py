"""A new user's way with the field's models, from a listing to a QC page, on a local server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import samples
from click.testing import CliRunner, Result
from emulated_releases import BY_TASK, archives, built
from faulty_server import Server, faulty_server
from index_entries import ENTRY

from sct_deepseg_general.cli import models, segment
from sct_deepseg_general.errors import ModelError

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]

UNKNOWN = {"size": None, "sha256": None, "orientation": None, "spacing": None, "labels": None}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("SCT_DEEPSEG_GENERAL_OFFLINE", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("out", "all", "one", "folder", "zip", "url"):
        (tmp_path / name).mkdir()
    nib.save(nib.load(samples.image_path("T2w")), tmp_path / "t2.nii.gz")


@pytest.fixture
def server() -> Iterator[Server]:
    with faulty_server() as one:
        yield one


def published(server: Server, folder: Path, emulated: str, **changes: object) -> dict[str, object]:
    """A release on the server, and its entry."""
    release = BY_TASK[emulated]
    results = built(release, folder / f"built-{emulated}")
    urls = []
    for path in archives(release, results, folder / f"archives-{emulated}"):
        server.files[f"/{path.name}"] = path.read_bytes()
        urls.append(server.url.replace("/model.zip", f"/{path.name}"))
    name = f"sct-{emulated.replace('_', '-')}"
    entry = {**ENTRY, **UNKNOWN, "id": name, "kind": "nnunet", "urls": urls[:1], "task": emulated}
    entry["more"] = [{"urls": [url], "size": None, "sha256": None} for url in urls[1:]]
    return {**entry, "vote": release.vote, **changes}


def listed(folder: Path, monkeypatch: pytest.MonkeyPatch, *entries: dict[str, object]) -> None:
    package = json.loads((Path(models.__file__).parents[2] / "model_zoo/index.json").read_text())
    own = [one for one in package["models"] if one["id"] == "sc-general"]
    content = {**package, "models": [*own, *entries]}
    (folder / "index.json").write_text(json.dumps(content))
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_INDEX", str(folder / "index.json"))


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(segment.command, [str(w) for w in words], catch_exceptions=False)


def manage(*words: str | Path) -> str:
    done = CliRunner().invoke(models.command, [str(w) for w in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_from_a_listing_to_a_qc_page(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path, monkeypatch, published(server, tmp_path, "spinalcord"))
    line = next(one for one in manage("list").splitlines() if "sct-spinalcord" in one)
    assert "available" in line
    assert "not pinned" in line
    with pytest.raises(ModelError, match="-trust"):
        call("-task", "spinalcord", "-i", "t2.nii.gz")
    shown = manage("fetch", "-task", "spinalcord", "-trust")
    for word in ("Licence: MIT", "Please cite: Nobody.", "3d_fullres", "fold_0", "RPI", "SHA-256"):
        assert word in shown
    done = call("-task", "spinalcord", "-i", "t2.nii.gz", "-qc", "qc", "-o", "out")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("t2_seg.nii.gz", "t2_seg.json", "t2_seg.toml", "t2_seg_csa.csv", "t2_seg_volumes.csv")
    }
    assert (tmp_path / "qc" / "index.html").is_file()
    sidecar = json.loads((tmp_path / "out" / "t2_seg.json").read_text())
    assert sidecar["Region"]["Seen"] in {"surroundings of the cord", "whole image"}
    assert sidecar["Labels"]["sc"]["File"] == "t2_seg.nii.gz"
    mask = nib.load(tmp_path / "out" / "t2_seg.nii.gz")
    assert set(np.unique(mask.dataobj)) == {0, 1}
    volume = float(np.prod(mask.header.get_zooms()) * np.asarray(mask.dataobj).sum())
    assert sidecar["Labels"]["sc"]["Volume"] == pytest.approx(volume, abs=0.01)


def test_a_model_of_several_archives_votes(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = published(server, tmp_path, "lesion_ms", segments="lesions")
    listed(tmp_path, monkeypatch, entry)
    done = call("-task", "lesion_ms", "-i", "t2.nii.gz", "-trust", "-v", "1")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "t2_lesion_seg.nii.gz").is_file()
    assert not (tmp_path / "t2_lesion_seg_csa.csv").exists()
    sidecar = json.loads((tmp_path / "t2_lesion_seg.json").read_text())
    assert sidecar["Status"] == "warn"
    assert "not checked" in sidecar["Reasons"][0]
    assert "lesion" in done.stdout
    table = (tmp_path / "t2_lesion_seg_volumes.csv").read_text().splitlines()
    assert table[0] == "label,values,level,voxels,volume_mm3,objects"
    assert table[1].startswith("lesion,1,,")
    assert len(json.loads(manage("info", "-m", "sct-lesion-ms", "-json"))["folds"]) == 3


def test_regions_and_a_chosen_label(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path, monkeypatch, published(server, tmp_path, "lesion_sci_t2"))
    assert call("-task", "lesion_sci_t2", "-i", "t2.nii.gz", "-trust", "-o", "all").exit_code == 0
    cord, lesion = (
        np.asarray(nib.load(tmp_path / "all" / f"t2_{name}_seg.nii.gz").dataobj) > 0
        for name in ("sc", "lesion")
    )
    assert cord.any()
    assert lesion.any()
    assert (tmp_path / "all" / "t2_sc_seg_csa.csv").is_file()
    words = ["-task", "lesion_sci_t2", "-i", "t2.nii.gz", "-label", "lesion", "-o", "one"]
    assert call(*words).exit_code == 0
    alone = np.asarray(nib.load(tmp_path / "one" / "t2_lesion_seg.nii.gz").dataobj) > 0
    assert (alone == lesion).all()
    assert not (tmp_path / "one" / "t2_sc_seg.nii.gz").exists()
    with pytest.raises(ModelError, match="no label 'gm'; its labels are sc, lesion"):
        call("-task", "lesion_sci_t2", "-i", "t2.nii.gz", "-label", "gm")


def test_results_are_named_by_folder_zip_or_address(tmp_path: Path, server: Server) -> None:
    """Converted once: the same results give the same model, and are not converted again."""
    release = BY_TASK["rootlets"]
    results = built(release, tmp_path / "rootlets")
    (archive,) = archives(release, results, tmp_path / "zips")
    first = call("-m", "rootlets", "-i", "t2.nii.gz", "-o", "folder")
    assert "Converting rootlets; the result is kept" in first.stderr
    again = call("-m", "./rootlets", "-i", "t2.nii.gz", "-o", "folder", "-overwrite")
    assert "Converting" not in again.stderr
    assert call("-m", archive, "-i", "t2.nii.gz", "-o", "zip").exit_code == 0
    server.files["/r.zip"] = archive.read_bytes()
    url = server.url.replace("/model.zip", "/r.zip")
    with pytest.raises(ModelError, match="-trust"):
        call("-m", url, "-i", "t2.nii.gz", "-o", "url")
    assert call("-m", url, "-i", "t2.nii.gz", "-o", "url", "-trust").exit_code == 0
    requests = len(server.ranges)
    assert call("-m", url, "-i", "t2.nii.gz", "-o", "url", "-overwrite").exit_code == 0
    assert len(server.ranges) == requests
    maps = [
        np.asarray(nib.load(tmp_path / place / "t2_rootlets.nii.gz").dataobj)
        for place in ("folder", "zip", "url")
    ]
    assert set(np.unique(maps[0])) == set(range(10))
    for one in maps[1:]:
        np.testing.assert_array_equal(one, maps[0])


def test_a_model_of_two_channels_says_what_it_wants(tmp_path: Path) -> None:
    built(BY_TASK["spine"], tmp_path / "two")
    refused = call("-m", "two", "-i", "t2.nii.gz", "-o", "out")
    assert not list((tmp_path / "out").glob("*.nii.gz"))
    assert "2 images together (MRI, noNorm), and one image was" in refused.stderr
    words = ["-m", "two", "-i", "t2.nii.gz", "-channels", "t2.nii.gz", "-o", "out"]
    assert call(*words).exit_code == 0
    names = {path.name for path in (tmp_path / "out").glob("*_seg.nii.gz")}
    assert names == {"t2_cord_seg.nii.gz", "t2_vertebrae_seg.nii.gz", "t2_disc_seg.nii.gz"}


def test_entries_of_ones_own(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path, monkeypatch)
    entry = published(server, tmp_path, "canal", task="mine")
    (tmp_path / "mine.json").write_text(json.dumps(entry))
    assert "Added sct-canal@0.1.0" in manage("add", "-i", tmp_path / "mine.json")
    assert call("-task", "mine", "-i", "t2.nii.gz", "-trust").exit_code == 0
    assert (tmp_path / "t2_canal_seg_seg.nii.gz").is_file()
    with pytest.raises(ModelError, match="no task 'other': known are mine"):
        call("-task", "other", "-i", "t2.nii.gz")


def test_an_index_from_an_address_is_kept_for_use_offline(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path, monkeypatch, published(server, tmp_path, "canal"))
    server.files["/index.json"] = (tmp_path / "index.json").read_bytes()
    url = server.url.replace("/model.zip", "/index.json")
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_INDEX", url)
    assert "sct-canal" in manage("list")
    monkeypatch.setenv("SCT_DEEPSEG_GENERAL_OFFLINE", "1")
    requests = len(server.ranges)
    assert "sct-canal" in manage("list")
    assert len(server.ranges) == requests
