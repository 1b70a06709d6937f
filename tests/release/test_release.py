"""A release is the same bytes each time, and never worse without a reason."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from faulty_server import faulty_server
from releases import ROWS, image, trained

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the torch extra is not installed")

from sct_deepseg_general.cli.models import command  # noqa: E402
from sct_deepseg_general.errors import ModelError  # noqa: E402
from sct_deepseg_general.evaluation.measurement import Measurement  # noqa: E402
from sct_deepseg_general.files import sha256  # noqa: E402
from sct_deepseg_general.release.release import regressions, release  # noqa: E402
from sct_deepseg_general.zoo.archive import ArchiveLimits, unpack_model  # noqa: E402  # after the skips
from sct_deepseg_general.zoo.cache import ModelCache  # noqa: E402
from sct_deepseg_general.zoo.index import as_json, read_index  # noqa: E402
from sct_deepseg_general.zoo.install import FetchOptions, fetch  # noqa: E402
from sct_deepseg_general.zoo.model import Model  # noqa: E402
from sct_deepseg_general.zoo.pin import embed, entry_of  # noqa: E402
from sct_deepseg_general.zoo.zoo import Zoo  # noqa: E402


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_release_has_all_its_parts(tmp_path: Path) -> None:
    made = release(trained(tmp_path / "new"), "toy@1.0", tmp_path / "out", urls=["https://a.org/b"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("toy@1.0", "toy-1.0.zip", "toy-1.0-sct.zip", "toy-1.0.json", "SHA256SUMS")
    }
    assert made.model.key == "toy@1.0"
    assert (
        unpack_model(made.bundle, tmp_path / "again", ArchiveLimits()).digest == made.model.digest
    )
    assert "## Release toy@1.0" in made.model.path("card.md").read_text()
    assert made.model.path("evaluation.csv").exists()
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=False)
    assert done.returncode == 0
    manifest = subprocess.run(["sha256sum", "-c", "MANIFEST"], cwd=made.model.folder, check=False)
    assert manifest.returncode == 0


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        release(trained(tmp_path / f"trained {name}"), "toy@1.0", tmp_path / name)
    ones = sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(ones) == 4 + 13
    for path in ones:
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        assert path.read_bytes() == other.read_bytes(), path


def test_what_is_released_can_be_fetched(tmp_path: Path) -> None:
    with faulty_server() as server:
        made = release(trained(tmp_path / "new"), "toy@1.0", tmp_path / "out", urls=[server.url])
        server.content = made.bundle.read_bytes()
        entry = json.loads(made.entry.read_text())
        index = {"format": 1, "default": "toy@1.0", "models": [entry]}
        (tmp_path / "index.json").write_text(json.dumps(index))
        (known,) = read_index(tmp_path / "index.json").entries
        cache = ModelCache(tmp_path / "package", (tmp_path / "models",))
        found = fetch(known, cache, FetchOptions())
    assert found.digest == made.model.digest == known.digest
    assert known.sha256 == sha256(made.bundle)
    assert not known.embedded


def test_one_command_releases_embeds_and_pins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    old = release(trained(tmp_path / "old"), "toy@0.9", tmp_path / "before").model
    package.mkdir()
    index = {"format": 1, "default": "toy@0.9", "models": [json.loads(as_json(entry_of(old)))]}
    (package / "index.json").write_text(json.dumps(index))
    embed(old, package)
    cache = ModelCache(package, (tmp_path / "models",))
    monkeypatch.setattr("sct_deepseg_general.zoo.zoo.standard_cache", lambda: cache)
    monkeypatch.delenv("SCT_DEEPSEG_GENERAL_INDEX", raising=False)
    words = ["release", "-from", str(trained(tmp_path / "new", seed=1)), "-id", "toy@1.0"]
    words += ["-o", str(tmp_path / "out"), "-embed", "-json"]
    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = Zoo(read_index(package / "index.json"), cache).here()
    assert (found.key, found.replaces) == ("toy@1.0", "toy@0.9")
    assert found.digest == json.loads(result.stdout)["digest"] != old.digest
    entry = read_index(package / "index.json").find("toy@1.0")
    assert entry is not None
    assert entry.digest == found.digest


def test_sct_layout_is_in_the_second_archive(tmp_path: Path) -> None:
    made = release(trained(tmp_path / "new"), "toy@1.0", tmp_path / "out")
    with zipfile.ZipFile(made.sct) as archive:
        names = archive.namelist()
    top = "toy-1.0/nnUNetTrainer__nnUNetPlans__3d_fullres"
    assert names == [
        f"{top}/dataset.json", f"{top}/fold_0/checkpoint_final.pth", f"{top}/plans.json"
    ]  # fmt: skip


def previous(folder: Path, rows: Sequence[Measurement] = ROWS) -> Model:
    return release(trained(folder / "old", rows), "toy@0.9", folder / "before").model


def changed(**changes: float) -> list[Measurement]:
    """The T2w images measured otherwise."""
    return [replace(one, **changes) if one.contrast == "T2w" else one for one in ROWS]


@pytest.mark.parametrize(
    ("changes", "worse"),
    [
        ({"dice": 0.8901}, ""),
        ({"dice": 0.8899}, "Dice"),
        ({"dice": 0.99}, ""),
        ({"csa": 75.74}, ""),
        ({"csa": 75.76}, "CSA bias in %"),
        ({"csa": 74.24}, "CSA bias in %"),
    ],
)
def test_a_setback_beyond_the_limit_is_found(changes: dict[str, float], worse: str) -> None:
    found = regressions(changed(**changes), ROWS)
    assert [one.measure for one in found] == ([worse] if worse else [])
    assert all(one.contrast == "T2w" for one in found)


def test_less_bias_is_no_setback() -> None:
    assert regressions(ROWS, changed(csa=80.0)) == ()
    assert regressions(changed(csa=76.0), changed(csa=73.9)) == ()


def test_one_contrast_does_not_make_up_for_another() -> None:
    better = [replace(one, dice=1.0) if one.contrast == "T1w" else one for one in changed(dice=0.8)]
    assert [one.contrast for one in regressions(better, ROWS)] == ["T2w"]


def test_only_images_measured_both_times_count() -> None:
    extra = image("T2w", 9, dice=0.1)
    assert regressions([*ROWS, extra], ROWS) == ()
    with pytest.raises(ModelError, match="none of the T2w images"):
        regressions([one for one in ROWS if one.contrast == "T1w"], ROWS)


def test_a_worse_model_is_not_released_without_a_reason(tmp_path: Path) -> None:
    old, new = previous(tmp_path), trained(tmp_path / "new", changed(dice=0.8), seed=1)
    with pytest.raises(ModelError, match=r"T2w: Dice 0\.900 before, 0\.800 now.*-accept"):
        release(new, "toy@1.0", tmp_path / "out", previous=old)
    with pytest.raises(ModelError, match="must say why"):
        release(new, "toy@1.0", tmp_path / "out", previous=old, accept=" ")
    assert not list(tmp_path.glob("*out*"))
    made = release(
        new, "toy@1.0", tmp_path / "out", previous=old, accept="New definition of the edge."
    )
    card = made.model.path("card.md").read_text()
    assert "T2w: Dice 0.900 before, 0.800 now" in card
    assert "Accepted because: New definition of the edge." in card
    assert made.model.replaces == "toy@0.9"


def test_a_poor_model_is_not_released_even_as_the_first_of_its_name(tmp_path: Path) -> None:
    new = trained(tmp_path / "new", changed(dice=0.16), seed=1)
    with pytest.raises(ModelError, match=r"too poorly.*T2w: mean Dice 0\.160; needed is 0\.7"):
        release(new, "toy@1.0", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    made = release(new, "toy@1.0", tmp_path / "out", accept="A test of the tool chain.")
    assert "T2w: mean Dice 0.160" in made.model.path("card.md").read_text()


def test_an_unneeded_reason_stays_out_of_the_card(tmp_path: Path) -> None:
    old, new = previous(tmp_path), trained(tmp_path / "new", seed=1)
    made = release(new, "toy@1.0", tmp_path / "out", previous=old, accept="Just in case.")
    assert "Just in case" not in made.model.path("card.md").read_text()


def test_a_release_needs_an_evaluation(tmp_path: Path) -> None:
    folder = trained(tmp_path / "new", [])
    with pytest.raises(ModelError, match="measures no image"):
        release(folder, "toy@1.0", tmp_path / "out")
    (folder / "evaluation.csv").unlink()
    with pytest.raises(ModelError, match="evaluate -m"):
        release(folder, "toy@1.0", tmp_path / "out")


def test_names_must_go_forward(tmp_path: Path) -> None:
    old, new = previous(tmp_path), trained(tmp_path / "new")
    for key, message in [
        ("toy", "needs a version"),
        ("toy@0.9", "not newer"),
        ("toy@0.8.5", "not newer"),
        ("other@1.0", "another model"),
        ("../toy@1", "not a model's name"),
    ]:
        with pytest.raises(ModelError, match=message):
            release(new, key, tmp_path / "out", previous=old)
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelError, match="exists already"):
        release(new, "toy@1.0", tmp_path / "out")


def test_a_damaged_model_is_not_released(tmp_path: Path) -> None:
    folder = trained(tmp_path / "new")
    (folder / "network.bin").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"network\.bin"):
        release(folder, "toy@1.0", tmp_path / "out")


def test_what_a_killed_release_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".out.release" / "toy@1.0").mkdir(parents=True)
    (tmp_path / ".out.release" / "toy@1.0" / "card.md").write_text("half")
    release(trained(tmp_path / "new"), "toy@1.0", tmp_path / "out")
    assert {path.name for path in tmp_path.glob("*out*")} == {"out"}
