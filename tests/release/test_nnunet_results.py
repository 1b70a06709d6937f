"""Networks of nnU-Net go in and out with the same labels; nothing hidden in a checkpoint runs."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import stat
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import samples
from nnunet_results import (  # noqa: F401
    ENTRY,
    PATCH,
    TRAINER,
    balanced,
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
from sct_deepseg_general.inference import pipeline  # noqa: E402  # after the skips
from sct_deepseg_general.inference.nnunet import build_network  # noqa: E402
from sct_deepseg_general.inference.predictor import load_predictor  # noqa: E402
from sct_deepseg_general.inference.preprocess import prepared  # noqa: E402
from sct_deepseg_general.release.checkpoint import read_checkpoint  # noqa: E402
from sct_deepseg_general.release.nnunet_results import import_results, pack_for_sct  # noqa: E402
from sct_deepseg_general.zoo.model import Model  # noqa: E402


def nnunet_labels(
    results: Path, image: np.ndarray, plan_spacing: list[float], folds: list[int] | None = None
) -> np.ndarray:
    """What nnU-Net's own predictor makes of an image (z, y, x) from a results folder."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"),
        allow_tqdm=False,
    )  # fmt: skip
    folds = folds or sorted(int(path.name[5:]) for path in results.glob("fold_*"))
    predictor.initialize_from_trained_model_folder(str(results), folds, "checkpoint_final.pth")
    properties = {"spacing": plan_spacing}
    return np.asarray(predictor.predict_single_npy_array(image[None], properties))


def assert_agree(probability: np.ndarray, labels: np.ndarray) -> None:
    """The same labels away from the tile's corners.

    nnU-Net weighs tiles in half precision, in which the weights of the corners round to
    nothing and the label to background; of noise, a few voxels hang on the IR's half precision.
    """
    middle = tuple(slice(n // 4, n - n // 4) for n in labels.shape)
    found, expected = (probability > 0.5)[middle], labels[middle]
    assert 0.2 < expected.mean() < 0.8
    assert (found == expected).mean() > 0.995


def our_probability(model: Any, image: np.ndarray, engine: str) -> np.ndarray:
    """Our probability (z, y, x) of the same image, which is on the model's own grid."""
    standard = (image - image.mean()) / max(image.std(), 1e-8)
    affine = np.diag([*model.spacing, 1.0])
    grid = Grid(standard.T.shape, affine).reoriented(from_sct_letters(model.orientation))
    volume = Volume(np.ascontiguousarray(standard.T), Grid(standard.T.shape, grid.affine))
    return load_predictor(model, engine, "cpu").probability(volume).data.T


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
@pytest.mark.parametrize("sample", ["T2w", "acq-crop_T2star"])
def test_imported_results_give_nnunets_labels_of_real_images(
    real: tuple[Path, Model], sample: str
) -> None:
    """On the network's own grid, within 5 voxels of the cord."""
    results, model = real
    image = samples.image(sample).reoriented(from_sct_letters(model.orientation))
    close = prepared(image, image.grid.box, model.spacing)
    theirs = nnunet_labels(results, close.data.T, list(model.spacing[::-1])).T
    ours = load_predictor(model, "openvino", "cpu").probability(close).data > model.threshold
    assert theirs.any()
    assert (ours == theirs)[samples.near(theirs)].mean() >= 0.999


@pytest.mark.filterwarnings("ignore")  # nnU-Net's own
def test_nnunets_own_resampling_moves_the_border_a_little(real: tuple[Path, Model]) -> None:
    """It resamples by cubic splines, this program linearly, as its own models are trained.

    From slices of 7.5 mm to 2 mm that counts: Dice 0.969.
    """
    results, model = real
    image = samples.image("acq-crop_T2star").reoriented(from_sct_letters(model.orientation))
    data = image.data.T.astype(np.float32)
    theirs = nnunet_labels(results, data, list(image.grid.spacing[::-1])).T > 0
    options = pipeline.Options(largest=False, fill_holes=False, exact=True)
    ours = pipeline.segment(image, load_predictor(model, "openvino", "cpu"), options)
    found = ours.segmentation.data > 0
    assert 2 * (found & theirs).sum() / (found.sum() + theirs.sum()) > 0.96
    assert not found[~samples.near(theirs, 2)].any()


@pytest.mark.filterwarnings("ignore")  # nnU-Net's own
@pytest.mark.parametrize(
    "engine",
    [
        "openvino",
        pytest.param("torch", marks=pytest.mark.slow),
        pytest.param("nnunet", marks=pytest.mark.slow),
    ],
)
def test_imported_results_give_the_labels_of_nnunets_predictor(tmp_path: Path, engine: str) -> None:
    results = trained(tmp_path / "results")
    model = import_results((tmp_path / "results",), tmp_path / "model", ENTRY)
    expected = nnunet_labels(results, noise(), [1.5, 0.8, 0.8])
    assert_agree(our_probability(model, noise(), engine), expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_folds_are_averaged(tmp_path: Path) -> None:
    results = trained(tmp_path / "results", folds=(0, 1))
    model = import_results((results,), tmp_path / "model", ENTRY)
    assert model.folds == ("fold_0.safetensors", "fold_1.safetensors")
    expected = nnunet_labels(results, noise(), [1.5, 0.8, 0.8])
    assert_agree(our_probability(model, noise(), "openvino"), expected)
    first = nnunet_labels(results, noise(), [1.5, 0.8, 0.8], folds=[0])
    assert (first == expected).mean() < 0.95  # the second fold does count


@pytest.mark.filterwarnings("ignore")
def test_reordered_axes_go_into_the_orientation(tmp_path: Path) -> None:
    """A plan that looks at (x, z, y) instead of (z, y, x)."""
    plan = small_plans(transpose_forward=[2, 0, 1], transpose_backward=[1, 2, 0])
    results = trained(tmp_path / "results", plan)
    model = import_results((results,), tmp_path / "model", ENTRY)
    assert model.orientation == "PIL"  # of LPI: x is y, y is z, z is x
    assert model.spacing == (0.8, 0.8, 1.5)
    image = noise((32, 32, 16))  # z, y, x as nnU-Net reads it
    expected = nnunet_labels(results, image, [0.8, 0.8, 1.5]).transpose(2, 0, 1)
    seen = np.ascontiguousarray(image.transpose(2, 0, 1))
    for engine in ("nnunet", "openvino"):
        assert_agree(our_probability(model, seen, engine), expected)


@pytest.mark.filterwarnings("ignore")
def test_a_region_becomes_two_classes_of_the_same_probability(tmp_path: Path) -> None:
    regions = {"background": 0, "lesion": 2, "sc": [1, 2]}
    dataset = {**dataset_json(), "labels": regions, "regions_class_order": [2, 1]}
    results = trained(tmp_path / "results", dataset=dataset)
    model = import_results((results,), tmp_path / "model", ENTRY)
    network = build_network(results / "plans.json", results / "dataset.json")
    network.load_state_dict(read_checkpoint(results / "fold_0" / "checkpoint_final.pth").weights)
    image = (noise() - noise().mean()) / noise().std()
    with torch.no_grad():
        expected = torch.sigmoid(network.eval()(torch.from_numpy(image)[None, None])[0, 1])
    found = our_probability(model, noise(), "torch")
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert "overlapping regions" in model.path("card.md").read_text()
    lesion = replace(ENTRY, labels=(("background", 0), ("lesion", 1)))
    other = import_results((results,), tmp_path / "lesion", lesion)
    assert other.labels == (("background", 0), ("lesion", 1))
    assert other.digest != model.digest


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
    assert one.digest == two.digest
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        *("MANIFEST", "card.md", "dataset.json", "fold_0.safetensors"),
        *("model.json", "network.bin", "network.xml", "plans.json"),
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
            (lambda f: _without(f, "plans.json"), "found 0"),
            (lambda f: _without(f, "checkpoint_final.pth"), "holds no fold"),
            (lambda f: shutil.copytree(f / TRAINER, f / "again"), "found 2"),
            (lambda f: _changed(f, "dataset.json", labels={"background": 0, "gm": 1}), "-label"),
            (
                lambda f: _changed(f, "dataset.json", labels={"background": 0, "sc": 1, "gm": 2}),
                "exclude each other",
            ),
            (lambda f: _changed(f, "dataset.json", channel_names={"0": "a", "1": "b"}), "channel"),
            (lambda f: _changed(f, "dataset.json", image_orientation="up"), "orientation"),
            (lambda f: _changed(f, "plans.json", transpose_forward=[0, 0, 1]), "axes"),
            (lambda f: _configured(f, normalization_schemes=["CTNormalization"]), "normalises"),
            (lambda f: _configured(f, use_mask_for_norm=[True]), "inside a mask"),
            (lambda f: _configured(f, patch_size=[16, 32]), "not an nnU-Net plan"),
        ]
    ):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(results.parent, copy)
        change(copy)
        with pytest.raises(ModelError, match=message):
            import_results((copy,), tmp_path / f"model{number}", ENTRY)


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
        nnunet_labels(released, noise(), spacing), nnunet_labels(results, noise(), spacing)
    )
    pack_for_sct(model, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "sct.zip").read_bytes()
    again = import_results((tmp_path / "sct.zip",), tmp_path / "back", ENTRY)
    names = ("fold_0.safetensors", "network.xml", "network.bin")
    for name in names:
        assert again.path(name).read_bytes() == model.path(name).read_bytes()
