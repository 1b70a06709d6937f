"""Conversion of N BIDS datasets to nnU-Net v2 raw datasets: one of all, and one of each.

`build` writes into its folder::

    recipe.json      the recipe with the split stored in it
    cases.tsv        the manifest: nnU-Net name, BIDS file, SHA-256, person, part, fold
    skipped.tsv      files that were left out, with the reason
    shapes/          label maps of the recipe's shapes
    report.md        counts and reasons as text
    nnUNet_raw/Dataset101_general/, Dataset102_NAME/, ...: imagesTr, labelsTr, imagesTs, labelsTs,
                     softlabelsTr and Ts for soft labels, dataset.json, splits_final.json

The sources are only read. The specific datasets are hard links into the general one. Running
again converts what is new or changed, removes what is no longer in the recipe, and gives the
same files as a run from nothing.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sct_deepseg_general.bids.cases import Case, DatasetIndex
from sct_deepseg_general.datasets import recipe as recipes
from sct_deepseg_general.datasets.conversion import Conversion, ConversionRecord, Subset, convert
from sct_deepseg_general.datasets.manifest import FILE, ManifestRow, write_manifest, write_rows
from sct_deepseg_general.datasets.raw import write_raw
from sct_deepseg_general.datasets.recipe import Dataset, Part, Recipe
from sct_deepseg_general.datasets.shape_labels import FOLDER as SHAPES
from sct_deepseg_general.datasets.shape_labels import write_shapes
from sct_deepseg_general.datasets.sources import index_datasets
from sct_deepseg_general.datasets.split import Split, split_people
from sct_deepseg_general.errors import DatasetError, OutputError
from sct_deepseg_general.files import new_folder, write_whole

__all__ = ["RAW", "RECIPE", "Built", "Exclusion", "build", "check_output", "with_stored_split"]

RAW = "nnUNet_raw"
RECIPE = "recipe.json"
_RECEIPTS = ".receipts"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Exclusion:
    """A source that was left out, and why."""

    dataset: str
    path: str
    reason: str


@dataclass(frozen=True)
class Built:
    """The result: `recipe` has the split stored, `converted` counts the cases written now."""

    folder: Path
    recipe: Recipe
    entries: tuple[ManifestRow, ...]
    excluded: tuple[Exclusion, ...]
    converted: int

    def raw(self, model: str) -> Path:
        """nnU-Net's raw dataset of a model: "general" or a seen dataset's name."""
        return self.folder / RAW / self.recipe.folder_of(model)


def build(
    recipe: Recipe,
    data: Sequence[Path],
    output: Path,
    jobs: int = 1,
    progress: Progress = lambda done, total: None,
) -> Built:
    """Make all raw datasets of a recipe in `output`, or bring them up to date.

    Where nothing was in `output` before and the datasets are refused, nothing is left there.

    Parameters
    ----------
    recipe : Recipe
        Datasets, people and their split; a split that an earlier run stored in `output` is kept.
    data : sequence of Path
        Folders in which the datasets lie.
    output : Path
        Folder to write to.
    jobs : int
        Number of processes.
    progress : callable
        Called after each case with the number of cases done and their total.

    Returns
    -------
    Built
        The recipe with its split, the manifest's rows, and what was left out, with the reason.

    Raises
    ------
    DatasetError
        A dataset is missing, the split is contradictory, or nothing is left to train on.
    OutputError
        `output` cannot be written or lies inside a dataset.

    Examples
    --------
    >>> from pathlib import Path
    >>> from shutil import copyfile
    >>> anat = Path("data/ours/sub-01/anat")
    >>> labels = Path("data/ours/derivatives/labels/sub-01/anat")
    >>> for folder in (anat, labels):
    ...     folder.mkdir(parents=True)
    >>> _ = copyfile("t2.nii.gz", anat / "sub-01_T2w.nii.gz")
    >>> _ = copyfile("t2_seg.nii.gz", labels / "sub-01_T2w_seg-manual.nii.gz")
    >>> from sct_deepseg_general.datasets.build import build
    >>> from sct_deepseg_general.datasets.recipe import Dataset, Recipe, SplitRule
    >>> recipe = Recipe("study", (Dataset("ours"),), split=SplitRule(test=0.0))
    >>> built = build(recipe, [Path("data")], Path("nnunet"))
    >>> [(row.name, row.part, row.spacing) for row in built.entries]
    [('ours_sub-01_T2w', 'train', '1x1x1')]
    >>> built.raw("general").as_posix()
    'nnunet/nnUNet_raw/Dataset101_general'
    """
    found = index_datasets(recipe, data)
    check_output(output, found)
    recipe = with_stored_split(recipe, output)
    split = split_people(recipe, found)
    recipe = recipe.with_split({**recipe.split.assigned, **split.parts})
    todo = _jobs(recipe, split, found, output)
    with new_folder(output), _nothing_left(output):
        _prepare(output, {job.receipt for job, _ in todo})
        receipts = _converted([job for job, _ in todo], jobs, progress)
        entries, left = _entries(recipe, split, found, todo, [one for one, _ in receipts])
        _check_entries(recipe, entries)
        absent = write_shapes(recipe.shapes, data, output / SHAPES)
    left = (*left, *(Exclusion(name, "", reason) for name, reason in absent.items()))
    converted = sum(now and not receipt.reason for receipt, now in receipts)
    built = Built(output, recipe, entries, left, converted)
    for model in recipe.models:
        chosen = [one for one in entries if model in {"general", one.dataset}]
        write_raw(built.raw(model), built.raw("general"), chosen, recipe.split.folds)
    _write_account(built)
    return built


@contextmanager
def _nothing_left(output: Path) -> Iterator[None]:
    """Where the block refuses the datasets, remove what it made, unless something was there before;
    what an interrupted run has converted is kept for the next.
    """
    fresh = not any((output / name).exists() for name in (RAW, _RECEIPTS, SHAPES))
    try:
        yield
    except DatasetError:
        if fresh:
            for name in (RAW, _RECEIPTS, SHAPES):
                shutil.rmtree(output / name, ignore_errors=True)
        raise


def check_output(output: Path, indexes: Iterable[DatasetIndex]) -> None:
    """Check that `output` lies in none of the datasets and holds no other program's dataset.

    Raises
    ------
    OutputError
        It does.
    """
    for one in indexes:
        if output.resolve().is_relative_to(one.root.resolve()):
            raise OutputError(
                f"{output} lies inside the dataset {one.root}: choose another folder."
            )
    foreign = [path for path in (output / RAW).glob("Dataset*") if path.is_dir()]
    if foreign and not (output / RECIPE).is_file() and not (output / _RECEIPTS).is_dir():
        raise OutputError(f"{foreign[0]} was not made by this command: choose another folder.")


def with_stored_split(recipe: Recipe, output: Path) -> Recipe:
    """The recipe with the split that an earlier run stored, unless its rule differs."""
    path = output / RECIPE
    if not path.is_file():
        return recipe
    stored = recipes.read(path).split
    if (stored.seed, stored.test) != (recipe.split.seed, recipe.split.test):
        return recipe
    names = {one.name for one in recipe.datasets}
    stored_parts = {
        who: part for who, part in stored.assigned.items() if who.split("/")[0] in names
    }
    return recipe.with_split({**stored_parts, **recipe.split.assigned})


def _jobs(
    recipe: Recipe, split: Split, found: Iterable[DatasetIndex], output: Path
) -> list[tuple[Conversion, str]]:
    """A job and its part for each labelled case."""
    options = {one.name: one for one in recipe.datasets}
    folder = output / RAW / recipe.folder_of("general")
    todo = []
    for case in (case for one in found for case in one.labelled):
        part = _part(recipe, split, options[case.dataset], case)
        subset: Subset = "Tr" if part == "train" else "Ts"
        soft = options[case.dataset].label == "soft"
        todo.append((Conversion(case, soft, folder, subset, output / _RECEIPTS), part))
    return todo


def _prepare(output: Path, receipts: set[Path]) -> None:
    """Remove unfinished files of a killed run, and the records of cases that no longer exist."""
    (output / _RECEIPTS).mkdir(parents=True, exist_ok=True)
    old = [path for path in (output / _RECEIPTS).iterdir() if path not in receipts]
    for path in {*old, *output.glob(".part-*"), *(output / RAW).glob("**/.part-*")}:
        path.unlink()


def _part(recipe: Recipe, split: Split, dataset: Dataset, case: Case) -> Part | str:
    if dataset.role == "unseen":
        return "unseen"
    return split.parts[recipe.person(case.dataset, case.participant)]


def _converted(
    todo: Sequence[Conversion], jobs: int, progress: Progress
) -> list[tuple[ConversionRecord, bool]]:
    done = []
    for receipt in _mapped(todo, jobs):
        done.append(receipt)
        progress(len(done), len(todo))
    return done


def _mapped(todo: Sequence[Conversion], jobs: int) -> Iterator[tuple[ConversionRecord, bool]]:
    if jobs <= 1 or len(todo) <= 1:
        yield from map(convert, todo)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # forked workers would inherit the threads of torch and of progress bars
    with ProcessPoolExecutor(min(jobs, len(todo)), get_context("spawn")) as pool:
        yield from pool.map(convert, todo)


def _entries(
    recipe: Recipe,
    split: Split,
    found: Iterable[DatasetIndex],
    todo: Iterable[tuple[Conversion, str]],
    receipts: Iterable[ConversionRecord],
) -> tuple[tuple[ManifestRow, ...], tuple[Exclusion, ...]]:
    roots = {one.dataset: one.root for one in found}
    left = [
        Exclusion(one.dataset, item.path.relative_to(one.root).as_posix(), item.reason)
        for one in found
        for item in one.skipped
    ]
    entries = []
    for (job, part), receipt in zip(todo, receipts, strict=True):
        root = roots[job.case.dataset]
        if receipt.reason:
            path = job.case.image.relative_to(root).as_posix()
            left.append(Exclusion(job.case.dataset, path, receipt.reason))
        else:
            entries.append(_entry(recipe, split, job, part, receipt, root))
    return tuple(entries), tuple(left)


def _entry(
    recipe: Recipe, split: Split, job: Conversion, part: str, receipt: ConversionRecord, root: Path
) -> ManifestRow:
    case = job.case
    options = next(one for one in recipe.datasets if one.name == case.dataset)
    person = recipe.person(case.dataset, case.participant)
    assert case.label is not None  # noqa: S101  only labelled cases are converted
    return ManifestRow(
        name=case.name,
        dataset=case.dataset,
        participant=case.participant,
        person=person,
        session=case.session,
        run=case.run,
        contrast=case.contrast,
        part=part,
        fold=split.folds[person] if part == "train" else -1,
        image=case.image.relative_to(root).as_posix(),
        image_sha256=receipt.image_sha256,
        label=case.label.relative_to(root).as_posix(),
        label_sha256=receipt.label_sha256,
        label_kind=options.label,
        trust=options.trust,
        shape=receipt.shape,
        spacing=receipt.spacing,
    )


def _check_entries(recipe: Recipe, entries: Iterable[ManifestRow]) -> None:
    parts: Mapping[str, dict[str, str]] = defaultdict(dict)
    trained = Counter(one.dataset for one in entries if one.part == "train")
    for one in entries:
        parts[one.image_sha256].setdefault("train" if one.part == "train" else "test", one.name)
    for names in parts.values():
        if len(names) == 2:
            raise DatasetError(
                f"{names['train']} and {names['test']} are one image, once to train on and once "
                f"to test on: name the two people in same_person, or exclude one."
            )
    for dataset in recipe.seen:
        if not trained[dataset.name]:
            raise DatasetError(
                f"No usable training case is left of '{dataset.name}': its labels are "
                f"empty, off their images or out of range."
            )


def _write_account(built: Built) -> None:
    write_manifest(built.entries, built.folder / FILE)
    rows = ({"dataset": o.dataset, "path": o.path, "reason": o.reason} for o in built.excluded)
    write_rows(built.folder / "skipped.tsv", ("dataset", "path", "reason"), rows)
    with write_whole(built.folder / "report.md") as temporary:
        temporary.write_text(_report(built), encoding="utf-8")
    recipes.write(built.recipe, built.folder / RECIPE)


def _report(built: Built) -> str:
    counts = Counter((one.dataset, one.contrast, one.part) for one in built.entries)
    people = {(one.dataset, one.contrast, one.part, one.person) for one in built.entries}
    lines = [f"# {built.recipe.name}", "", "| dataset | contrast | part | images | people |"]
    lines.append("|---|---|---|---|---|")
    for key, images in sorted(counts.items()):
        number = sum(one[:3] == key for one in people)
        lines.append(f"| {' | '.join(key)} | {images} | {number} |")
    tested = {one.dataset for one in built.entries if one.part == "test"}
    untested = [one.name for one in built.recipe.seen if one.name not in tested]
    if untested:
        lines += ["", f"Without a person to test on: {', '.join(untested)}."]
    lines += ["", "## Left out", "", "| dataset | reason | files |", "|---|---|---|"]
    reasons = Counter((one.dataset, one.reason) for one in built.excluded)
    lines += [f"| {name} | {reason} | {n} |" for (name, reason), n in sorted(reasons.items())]
    return "\n".join(lines) + "\n"
