"""The recipe: everything a model is rebuilt from, in one JSON or YAML file without paths.

A recipe names datasets; where they lie is given on the command line (`-data DIR`), so that the
same recipe works on every machine. It holds the choice of images of each dataset, the split
by person once it is made, and how the networks are trained.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from sct_deepseg_general.bids.cases import DatasetSelection
from sct_deepseg_general.bids.names import LABEL_SUFFIXES
from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.schema import as_json, from_json, raising, read_record
from sct_deepseg_general.text_files import read_text

__all__ = [
    "Dataset",
    "Part",
    "Recipe",
    "Shapes",
    "SplitRule",
    "Training",
    "checked",
    "read",
    "write",
]

Part = Literal["train", "test"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_TRAINER = re.compile(r"CordTrainer|nnUNetTrainer\w*")
_FIRST_ID = 101
MIX = (
    "synthetic", "network", "remap", "invert", "bias", "noise", "resolution", "blur", "ghost",
    "distortion", "signal_loss", "field_of_view", "eccentric", "isointense", "beyond_least",
    "beyond_most", "reshaped", "lesion", "faded", "metal", "blank", "thickest",
)  # fmt: skip
"""Names in `Training.mix`: the fields of `augmentation.contrast.ContrastMix`, which needs torch."""
SPACE = ("rotation", "bend", "shift", "anywhere")
"""Names in `Training.space`: the single numbers of `augmentation.sampling.SpatialRange`."""


@dataclass(frozen=True)
class Dataset:
    """One BIDS dataset: which of its images and labels, and what they are for."""

    name: str
    """Letters, digits and hyphens: it begins the name of every case."""
    role: Literal["seen", "unseen"] = "seen"
    """"unseen": all its people are tested on, none is trained on."""
    folder: str = ""
    """The folder below `-data DIR`, where it is not `name`."""
    also: tuple[str, ...] = ()
    """Further folders below `-data DIR` with people of this dataset."""
    contrasts: tuple[str, ...] = ()
    label_suffixes: tuple[str, ...] = LABEL_SUFFIXES
    derivatives: str = "labels"
    datatypes: tuple[str, ...] = ("anat", "func", "dwi")
    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    label: Literal["hard", "soft"] = "hard"
    """"soft": the label's fractions are kept beside the 0/1 label."""
    trust: float = 1.0
    """Weight of the dataset's labels in training."""
    source: str = ""
    """Where anyone can get the dataset."""
    licence: str = ""

    @property
    def folders(self) -> tuple[str, ...]:
        """All its folders below `-data DIR`."""
        return (self.folder or self.name, *self.also)

    @property
    def selection(self) -> DatasetSelection:
        """Which images and labels of the dataset are taken."""
        return DatasetSelection(
            contrasts=self.contrasts,
            label_suffixes=self.label_suffixes,
            derivatives=self.derivatives,
            datatypes=self.datatypes,
            participants=self.participants,
            sessions=self.sessions,
            runs=self.runs,
            exclude=self.exclude,
        )


@dataclass(frozen=True)
class Shapes:
    """People of whom labels are at hand but no images: a cord and its canal, for synthesis."""

    name: str
    """Letters, digits and hyphens; no dataset has it."""
    folder: str = ""
    """The folder below one of `-data DIR`, where it is not `name`."""
    cord: str = "_seg-manual"
    """How the file of the cord ends."""
    canal: str = "_csfseg-manual"
    """How the file of cord and fluid ends, else named like that of the cord."""
    trust: float = 1.0
    """Weight of each person in training, beside the datasets' images."""
    source: str = ""
    """Where anyone can get the labels."""
    licence: str = ""


@dataclass(frozen=True)
class SplitRule:
    """How people are divided, and how they were."""

    test: float = 0.2
    """The share of people that are tested on, in [0, 1)."""
    folds: int = 5
    seed: int = 0
    assigned: Mapping[str, Part] = field(default_factory=dict)
    """Who is where, by `dataset/participant`: what is here is never changed by the hash."""


@dataclass(frozen=True)
class Training:
    """How the networks are trained; the trainer reads what it needs."""

    trainer: str = "CordTrainer"
    """This package's, or one of nnU-Net's: "nnUNetTrainer", "nnUNetTrainer_250epochs", ..."""
    folds: tuple[int, ...] = (0,)
    seed: int = 0
    spacing: tuple[float, float, float] | None = None
    """Working voxel size in mm, along x, y, z of `orientation` RAS; left out, nnU-Net plans it."""
    patch: tuple[int, int, int] | None = None
    """Voxels of a training patch, along x, y, z; left out, nnU-Net plans it."""
    features: tuple[int, ...] = ()
    """Channels of each stage of the network; empty, nnU-Net plans them."""
    epochs: int = 1000
    iterations: int = 250
    """Batches in an epoch."""
    minutes: float | None = None
    """A time budget for each model; what ends first, it or the epochs."""
    batch: int = 2
    learning_rate: float = 0.01
    weight_decay: float = 3e-5
    gpus: int = 1
    """More than one with nnU-Net's own trainers only, whose multi-GPU training gets it."""
    mix: Mapping[str, float] = field(default_factory=dict)
    """How often each change of contrast is made (`augmentation.contrast.ContrastMix`)."""
    space: Mapping[str, float] = field(default_factory=dict)
    """How far patches are turned, bent and moved (`augmentation.sampling.SpatialRange`)."""
    cross_entropy: float = 2.0
    """Weight of the cross-entropy beside the Dice loss."""
    positive: float = 1.0
    """Weight of cord beside background in the cross-entropy; above 1 where cord is rare."""
    sharpness: float = 1.0
    """What the trained network's logits are multiplied by, to make its probability true; above 1
    where it is too unsure, as after training on images worse than those it is meant for."""
    shift: float = 0.0
    """What is then added to them for cord; below 0 where the network draws the edge further out
    than the labels, as after training on many images that show it poorly."""
    margin: float = 40.0
    """Millimetres around the label that training sees."""
    whole: tuple[str, ...] = ()
    """Datasets whose slices beyond the label are known to hold no cord."""
    averaging: bool = False
    """Images with smaller voxels are averaged over the working voxel (`prepare.averaged`), here and
    when the model is used."""
    empty_outside: bool = False
    """Teach that there is no cord outside the field of view, rather than leave that open: for a
    locator, which sees images with flat air."""


@dataclass(frozen=True)
class Recipe:
    """One study: its datasets, its people and its training."""

    name: str
    datasets: tuple[Dataset, ...]
    same_person: tuple[tuple[str, ...], ...] = ()
    """Groups of `dataset/participant` that are one person under several names."""
    split: SplitRule = SplitRule()
    training: Training = Training()
    shapes: tuple[Shapes, ...] = ()
    """The general model's network sees them too; the locator and the specific models do not."""
    locator: Training | None = None
    """The coarse network that finds the cord; None: the model looks at whole images."""
    format: Literal[1] = 1
    description: str = ""

    @property
    def seen(self) -> tuple[Dataset, ...]:
        """The datasets that are trained on."""
        return tuple(one for one in self.datasets if one.role == "seen")

    @property
    def unseen(self) -> tuple[Dataset, ...]:
        """The datasets that are only tested on."""
        return tuple(one for one in self.datasets if one.role == "unseen")

    @property
    def networks(self) -> tuple[tuple[str, Training], ...]:
        """The settings of each network by the field's name, "training" and, if any, "locator"."""
        both = (("training", self.training), ("locator", self.locator))
        return tuple((name, one) for name, one in both if one is not None)

    @property
    def models(self) -> tuple[str, ...]:
        """The models of the study: the general one, then one for each dataset seen."""
        return ("general", *(one.name for one in self.seen))

    def folder_of(self, model: str) -> str:
        """nnU-Net's folder name of a model's dataset: "Dataset101_general"."""
        return f"Dataset{_FIRST_ID + self.models.index(model)}_{model}"

    def person(self, dataset: str, participant: str) -> str:
        """The one name of a person: the first of the names that `same_person` gives."""
        name = f"{dataset}/{participant}"
        groups = (group for group in self.same_person if name in group)
        return next(groups, (name,))[0]

    def with_split(self, assigned: Mapping[str, Part]) -> Recipe:
        """The recipe with the people's places stored in it."""
        return replace(self, split=replace(self.split, assigned=dict(sorted(assigned.items()))))


def read(path: Path) -> Recipe:
    """Read a recipe from a JSON file, or from YAML if the name ends in .yaml or .yml.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Recipe
        The recipe, whose names, numbers and people have been checked.

    Raises
    ------
    DatasetError
        The file is not readable, a field is unknown, missing or of another type, or a value makes
        no sense; the message names the field.

    Examples
    --------
    >>> from pathlib import Path
    >>> from sct_deepseg_general.datasets.recipe import read
    >>> _ = Path("recipe.yaml").write_text("{name: study, datasets: [{name: ours}]}")
    >>> read(Path("recipe.yaml")).models
    ('general', 'ours')
    """
    with raising(DatasetError):
        if path.suffix.lower() in {".yaml", ".yml"}:
            return checked(from_json(Recipe, _yaml(path), str(path)), str(path))
        return checked(read_record(Recipe, path), str(path))


def _yaml(path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path} cannot be read as YAML: {reason}.") from error


def checked(recipe: Recipe, where: str) -> Recipe:
    """The recipe, if its values make sense; `where` names its origin in the message.

    Raises
    ------
    DatasetError
        A name, a number or a person does not.
    """
    _check_names(recipe, where)
    _check_numbers(recipe, where)
    _check_trainers(recipe, where)
    for name, one in recipe.networks:
        _check_training(one, f"{where}: {name}", recipe.split.folds)
    _check_people(recipe, where)
    return recipe


def write(recipe: Recipe, path: Path) -> None:
    """The recipe as JSON, whole; what equals the default is left out."""
    content = as_json(recipe)
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _check_names(recipe: Recipe, where: str) -> None:
    names = [*(one.name for one in recipe.datasets), *(one.name for one in recipe.shapes)]
    for name in names:
        if not _NAME.fullmatch(name) or name == "general":
            raise DatasetError(
                f"{where}: '{name}' cannot name a dataset: use letters, digits and hyphens, "
                "and not 'general'; where a folder has another name, the recipe of 'recipe init' "
                "names both."
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DatasetError(f"{where}: the dataset '{twice[0]}' is named twice; name it once.")
    places = _places(recipe.seen) & _places(recipe.unseen)
    if places:
        raise DatasetError(f"{where}: '{min(places)}' is both seen and unseen; choose one.")
    if not recipe.seen:
        raise DatasetError(f"{where}: no dataset is 'seen': there is nothing to train on.")


def _places(datasets: Iterable[Dataset]) -> set[str]:
    return {place for one in datasets for place in one.folders}


def _check_numbers(recipe: Recipe, where: str) -> None:
    if not 0 <= recipe.split.test < 1:
        raise DatasetError(f"{where}: split.test is {recipe.split.test}; give a share below 1.")
    if recipe.split.folds < 1:
        raise DatasetError(f"{where}: split.folds is {recipe.split.folds}; give at least 1.")
    for one in recipe.datasets:
        if one.trust < 0 or not all(map(_inside, (*one.folders, one.derivatives))):
            raise DatasetError(
                f"{where}: dataset '{one.name}': trust must be 0 or more, folder and derivatives "
                f"relative and without '..'."
            )

    for shapes in recipe.shapes:
        if shapes.trust < 0 or not _inside(shapes.folder):
            raise DatasetError(
                f"{where}: shapes '{shapes.name}': trust must be 0 or more, folder relative and "
                f"without '..'."
            )


def _check_trainers(recipe: Recipe, where: str) -> None:
    for name, one in recipe.networks:
        if not _TRAINER.fullmatch(one.trainer):
            raise DatasetError(
                f"{where}: {name}.trainer is '{one.trainer}'; give CordTrainer or one of "
                f"nnU-Net's, such as nnUNetTrainer."
            )
        if one.gpus < 1 or (one.gpus > 1 and one.trainer == Training.trainer):
            raise DatasetError(
                f"{where}: {name}.gpus is {one.gpus}; {one.trainer} takes "
                f"{'1' if one.trainer == Training.trainer else 'at least 1'}."
            )
        if one.averaging and (name == "locator" or one.trainer != Training.trainer):
            raise DatasetError(
                f"{where}: {name}.averaging is true, but images are averaged only for the network "
                f"that {Training.trainer} trains; leave it out."
            )
        if name == "locator" and (one.spacing is None or one.patch is None):
            raise DatasetError(f"{where}: locator needs spacing (mm) and patch (voxels); add them.")


def _check_training(training: Training, where: str, folds: int) -> None:
    """The numbers of one network's settings; `where` names them in the message."""
    positive = ("epochs", "iterations", "batch", "learning_rate", "sharpness", "minutes")
    for name in positive:
        value = getattr(training, name)
        if value is not None and value <= 0:
            raise DatasetError(f"{where}.{name} is {value}; give a number above 0.")
    if training.spacing is not None and not all(0 < mm <= 20 for mm in training.spacing):
        raise DatasetError(f"{where}.spacing is {list(training.spacing)}; give mm, up to 20.")
    if training.patch is not None and min(training.patch) < 8:
        raise DatasetError(f"{where}.patch is {list(training.patch)}; give at least 8 voxels each.")
    if min(training.features, default=1) < 1:
        raise DatasetError(f"{where}.features is {list(training.features)}; give channels above 0.")
    numbers = set(range(folds)) if folds > 1 else set(training.folds)
    if not training.folds or min(training.folds) < 0 or not set(training.folds) <= numbers:
        raise DatasetError(
            f"{where}.folds is {list(training.folds)}; with split.folds {folds}, the folds are "
            f"0 to {max(folds, 1) - 1}."
        )
    _check_keys(training.mix, MIX, f"{where}.mix")
    _check_keys(training.space, SPACE, f"{where}.space")


def _check_keys(values: Mapping[str, float], known: Sequence[str], where: str) -> None:
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}."
            raise DatasetError(f"{where} has no '{name}'; {hint}")


def _check_people(recipe: Recipe, where: str) -> None:
    names = {one.name for one in recipe.datasets}
    listed = [name for group in recipe.same_person for name in group]
    for name in (*listed, *recipe.split.assigned):
        dataset, _, participant = name.partition("/")
        if dataset not in names or not participant.startswith("sub-"):
            raise DatasetError(
                f"{where}: '{name}' is no person of this recipe: write dataset/sub-label."
            )
    if len(set(listed)) < len(listed):
        raise DatasetError(f"{where}: a name stands twice in same_person; join its groups.")


def _inside(folder: str) -> bool:
    return not Path(folder).is_absolute() and ".." not in Path(folder).parts
