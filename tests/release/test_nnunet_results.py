"""Networks of nnU-Net go in and out with the same labels; nothing hidden in a checkpoint runs."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from emulated_releases import nnunet_labels
from nnunet_results import (  # noqa: F401
    ENTRY,
    PATCH,
    TRAINER,
    home,
    nnunet_folders,
    noise,
    small_plans,
    trained,
)
from toy_models import dataset_json

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the torch extra is not installed")

from sct_deepseg_general.errors import ModelError  # noqa: E402
from sct_deepseg_general.image.volume import Grid, Volume, from_sct_letters  # noqa: E402
from sct_deepseg_general.inference.nnunet import build_network  # noqa: E402
from sct_deepseg_general.inference.pipeline import Options, segment  # noqa: E402
from sct_deepseg_general.inference.predictor import load_predictor  # noqa: E402
from sct_deepseg_general.release.checkpoint import read_checkpoint  # noqa: E402
from sct_deepseg_general.release.nnunet_results import (  # noqa: E402
    ImportOptions,
    import_results,
    pack_for_sct,
)
from sct_deepseg_general.zoo.model import Model  # noqa: E402


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    """A trained network as nnU-Net keeps it, and the model imported from there."""
    folder = tmp_path_factory.mktemp("real")
    pack_for_sct(samples.model(), folder / "trained.zip")
    with zipfile.ZipFile(folder / "trained.zip") as archive:
        archive.extractall(folder / "trained")
    (results,) = folder.glob("trained/*/nnUNetTrainer*")
    return results, import_results((results,), folder / "model", ENTRY)


@pytest.mark.filterwarnings("ignore")  # nnU-Net's own
@pytest.mark.parametrize(
    ("sample", "engine"),
    [
        ("T2w", "openvino"),
        ("acq-crop_T2star", "openvino"),
        pytest.param("T2w", "torch", marks=pytest.mark.slow),
        pytest.param("T2w", "nnunet", marks=pytest.mark.slow),
    ],
)
def test_a_trained_network_gives_nnunets_labels_of_real_images(
    real: tuple[Path, Model], sample: str, engine: str
) -> None:
    """With nnU-Net's own interpolation, from slices of 7.5 mm too."""
    results, model = real
    image = samples.image(sample)
    turned = image.reoriented(from_sct_letters(model.orientation))
    array = np.asarray(turned.data, np.float32).transpose(2, 1, 0)
    theirs = nnunet_labels(results, [array], turned.grid.spacing[::-1]).transpose(2, 1, 0) > 0
    options = Options(exact=True, largest=False)
    found = segment(image, load_predictor(model, engine, "cpu"), options)
    ours = found.segmentation.reoriented(turned.grid.axcodes).data > 0
    assert theirs.any()
    assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) >= 0.9995
    assert ((found.probability.data > 0.5) == (found.segmentation.data > 0)).mean() > 0.9999


@pytest.mark.filterwarnings("ignore")
def test_reordered_axes_go_into_the_orientation(tmp_path: Path) -> None:
    """A plan that looks at (x, z, y) instead of (z, y, x); see `test_emulated_releases` too."""
    plan = small_plans(transpose_forward=[2, 0, 1], transpose_backward=[1, 2, 0])
    results = trained(tmp_path / "results", plan)
    model = import_results((results,), tmp_path / "model", ENTRY)
    assert model.orientation == "PIL"  # of LPI: x is y, y is z, z is x
    assert model.spacing == (0.8, 0.8, 1.5)
    other = ImportOptions(orientation="RPI")
    assert import_results((results,), tmp_path / "b", ENTRY, other).orientation == "PIR"


@pytest.mark.filterwarnings("ignore")
def test_a_region_keeps_its_channel_and_its_probability(tmp_path: Path) -> None:
    regions = {"background": 0, "lesion": 2, "sc": [1, 2]}
    dataset = {**dataset_json(), "labels": regions, "regions_class_order": [2, 1]}
    results = trained(tmp_path / "results", dataset=dataset)
    model = import_results((results,), tmp_path / "model", ENTRY)
    assert model.labels == {"background": 0, "lesion": 2, "sc": (1, 2)}
    assert model.scheme.names == ("lesion", "sc")
    assert model.cord_label == "sc"
    network = build_network(results / "plans.json", results / "dataset.json")
    weights = read_checkpoint(results / "fold_0" / "checkpoint_final.pth").weights
    network.load_state_dict(weights)
    image = (noise() - noise().mean()) / noise().std()
    with torch.no_grad():
        expected = torch.sigmoid(network.eval()(torch.from_numpy(image)[None, None])[0, 1])
    grid = Grid(PATCH[::-1], np.diag([*model.spacing, 1.0]))
    grid = Grid(grid.shape, grid.reoriented(from_sct_letters(model.orientation)).affine)
    volume = Volume(np.ascontiguousarray(noise().T), grid)
    options = Options(exact=True)
    found = segment(volume, load_predictor(model, "openvino", "cpu"), options)
    middle = tuple(slice(n // 4, n - n // 4) for n in PATCH)  # in the corners, weights round to 0
    ours = found.probability.data.T[middle]
    np.testing.assert_allclose(ours, expected.numpy()[middle], atol=2e-3)
    assert "overlapping regions" in model.path("card.md").read_text()
    lesion = import_results((results,), tmp_path / "b", ENTRY, ImportOptions(cord="lesion"))
    assert lesion.cord_label == "lesion"
    with pytest.raises(ModelError, match="no label 'gm'; its labels are lesion, sc"):
        import_results((results,), tmp_path / "c", ENTRY, ImportOptions(cord="gm"))


def test_a_list_of_one_value_is_a_class_and_not_a_region(tmp_path: Path) -> None:
    """As in nnU-Net: taken for a region, the background would be segmented."""
    dataset = {**dataset_json(), "labels": {"background": 0, "sc": [1]}}
    results = trained(tmp_path / "results", dataset=dataset)
    model = import_results((results,), tmp_path / "model", ENTRY)
    assert model.scheme.painted is None
    assert model.scheme.channel("sc") == 1


def _zipped(folder: Path, archive: Path, *extra: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(archive, "w") as bundle:
        for path in folder.rglob("*"):
            if path.is_file():
                bundle.write(path, f"release/{path.relative_to(folder)}")
        for name, content in extra:
            bundle.writestr(name, content)
    return archive


@pytest.mark.slow
def test_a_zip_gives_what_the_folder_gives(tmp_path: Path) -> None:
    results = trained(tmp_path / "results").parent
    archive = _zipped(
        results,
        tmp_path / "release.zip",
        ("release/trainer_class.py", b"import os; os.abort()"),
        ("__MACOSX/release/._plans.json", b"x"),
        ("release/.DS_Store", b"x"),
        ("release/notes (1).txt", b"x"),
    )
    one = import_results((results,), tmp_path / "one", ENTRY)
    two = import_results((archive,), tmp_path / "two", ENTRY)
    for name in ("fold_0.safetensors", "network-fold_0.bin", "plans.json"):
        assert one.files[name] == two.files[name]
    assert set(two.sources) == {*one.sources, "release.zip"}
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        *("MANIFEST", "card.md", "dataset.json", "fold_0.safetensors"),
        *("model.json", "network-fold_0.bin", "network-fold_0.xml", "plans.json"),
    }
    assert not list(tmp_path.glob(".*two*"))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    archive = _zipped(trained(tmp_path / "results").parent, tmp_path / "release.zip")
    link = zipfile.ZipInfo("release/link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as bundle:
        bundle.writestr(link, "/etc/passwd")
    with pytest.raises(ModelError, match="link or a device"):
        import_results((archive,), tmp_path / "model", ENTRY)


class _Evil:
    """Pickled, this is a call of a function of the pickler's choice."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("where", ["network_weights", "logging", "whole"])
def test_a_pickle_that_calls_is_not_run(tmp_path: Path, where: str) -> None:
    results = trained(tmp_path / "results")
    checkpoint = results / "fold_0" / "checkpoint_final.pth"
    evil = _Evil(tmp_path / "proof")
    content = {"network_weights": {}, "logging": {}, where: evil} if where != "whole" else evil
    torch.save(content, checkpoint)
    with pytest.raises(ModelError, match="may be opened"):
        import_results((results,), tmp_path / "model", ENTRY)
    assert not (tmp_path / "proof").exists()
    torch.load(checkpoint, weights_only=False)  # the check can fail: read freely, it runs
    assert (tmp_path / "proof").exists()


def test_a_plain_pickle_is_not_run(tmp_path: Path) -> None:
    results = trained(tmp_path / "results")
    evil = pickle.dumps(_Evil(tmp_path / "proof"))
    (results / "fold_0" / "checkpoint_final.pth").write_bytes(evil)
    with pytest.raises(ModelError, match="may be opened"):
        import_results((results,), tmp_path / "model", ENTRY)
    assert not (tmp_path / "proof").exists()


def test_an_old_torch_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = trained(tmp_path / "results")
    monkeypatch.setattr(torch, "__version__", "2.9.1")
    with pytest.raises(ModelError, match=r"torch 2\.9\.1 can be made to run code"):
        import_results((results,), tmp_path / "model", ENTRY)


def _without(folder: Path, name: str) -> None:
    for path in folder.rglob(name):
        path.unlink()


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    results = trained(tmp_path / "results")
    for number, (change, message) in enumerate(
        [
            (lambda f: _without(f, "plans.json"), "found none"),
            (lambda f: _without(f, "checkpoint_final.pth"), "holds no fold with weights: fold_0"),
            (_cut, "is cut or damaged: copy it, or download it, again"),
            (_other_network, "found 2 with different plans"),
            (lambda f: shutil.copytree(f / TRAINER, f / "again"), "holds fold_0 twice"),
            (lambda f: _without(f, "dataset.json"), r"holds no dataset\.json"),
            (lambda f: (f / TRAINER / "fold_1").mkdir(), "lacks the weights of fold_1"),
            (lambda f: _changed(f, "dataset.json", labels={"background": 0, "gm": 3}), "gaps"),
            (lambda f: _changed(f, "dataset.json", labels={"background": 0, "a": "x"}), "number"),
            (
                lambda f: _changed(f, "dataset.json", labels={"background": 0, "sc": 1, "gm": 2}),
                r"do not fit the plan's network: .*seg_layers",
            ),
            (lambda f: _changed(f, "dataset.json", channel_names={"0": "a", "1": "b"}), "channel"),
            (lambda f: _changed(f, "dataset.json", image_orientation="up"), "orientation"),
            (lambda f: _changed(f, "plans.json", transpose_forward=[0, 0, 1]), "axes"),
            (lambda f: _configured(f, normalization_schemes=["CTNormalization"]), "CT images"),
            (lambda f: _configured(f, resampling_fn_data="resample_by_magic"), "interpolates"),
            (lambda f: _configured(f, patch_size=[16, 32]), "not an nnU-Net plan"),
            (lambda f: _configured(f, inherits_from="3d_fullres"), "inherits from itself"),
            (lambda f: (f / "crop_metadata.json").write_text('{"pad_left": 1}'), "superior"),
        ]
    ):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(results.parent, copy)
        change(copy)
        with pytest.raises(ModelError, match=message):
            import_results((copy,), tmp_path / f"model{number}", ENTRY)


def _cut(folder: Path) -> None:
    for path in folder.rglob("checkpoint_final.pth"):
        path.write_bytes(path.read_bytes()[:-2000])


def _other_network(folder: Path) -> None:
    shutil.copytree(folder / TRAINER, folder / "again")
    path = folder / "again" / "plans.json"
    path.write_text(path.read_text().replace("Dataset001", "Dataset002"))


def _changed(folder: Path, name: str, **changes: Any) -> None:
    path = folder / TRAINER / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _configured(folder: Path, **changes: Any) -> None:
    path = folder / TRAINER / "plans.json"
    plan = json.loads(path.read_text())
    plan["configurations"]["3d_fullres"].update(changes)
    path.write_text(json.dumps(plan))


@pytest.mark.filterwarnings("ignore")
def test_a_release_for_sct_is_read_by_nnunets_predictor(tmp_path: Path) -> None:
    results = trained(tmp_path / "results")
    model = import_results((results,), tmp_path / "model", ENTRY)
    pack_for_sct(model, tmp_path / "sct.zip")
    with zipfile.ZipFile(tmp_path / "sct.zip") as archive:
        archive.extractall(tmp_path / "sct")
    (inside,) = (tmp_path / "sct").iterdir()  # one folder: SCT strips it
    (released,) = inside.iterdir()
    assert released.name.startswith("nnUNetTrainer")
    dataset = json.loads((released / "dataset.json").read_text())
    assert dataset["image_orientation"] == model.orientation
    assert dataset["labels"] == {"background": 0, "sc": 1}
    spacing = [1.5, 0.8, 0.8]
    np.testing.assert_array_equal(
        nnunet_labels(released, [noise()], spacing), nnunet_labels(results, [noise()], spacing)
    )
    pack_for_sct(model, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "sct.zip").read_bytes()
    again = import_results((tmp_path / "sct.zip",), tmp_path / "back", ENTRY)
    names = ("fold_0.safetensors", "network-fold_0.xml", "network-fold_0.bin")
    for name in names:
        assert again.path(name).read_bytes() == model.path(name).read_bytes()
