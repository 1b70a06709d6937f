from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
import toy_study
from click.testing import CliRunner
from phantoms import phantom_bids

from sct_deepseg_general.cli.compare import command
from sct_deepseg_general.datasets.recipe import Recipe
from sct_deepseg_general.errors import BackendError
from sct_deepseg_general.evaluation.tables import read_csv
from sct_deepseg_general.files import sha256
from sct_deepseg_general.study.compare import compare, report
from sct_deepseg_general.study.results import METRICS, StudyResults
from sct_deepseg_general.study.stages import Study

TABLES = ("evaluation.csv", "tests.csv", "contrast_bias.csv", "curves.csv", "recipe.json")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_study.make_data(tmp_path_factory.mktemp("toy") / "data")


@pytest.fixture(scope="module")
def folder(data: Path) -> Path:
    toy_study.run(data, data.parent / "whole", notebook=True)
    return data.parent / "whole"


@pytest.fixture(scope="module")
def found(folder: Path) -> StudyResults:
    return report(folder, with_notebook=False)


def made(folder: Path) -> dict[str, str]:
    """The hash of everything a reader looks at."""
    paths = [folder / name for name in (*TABLES, "report.html")]
    return {path.name: sha256(path) for path in (*paths, *(folder / "pictures").iterdir())}


def test_every_model_is_tested_on_every_set(folder: Path) -> None:
    rows = read_csv(folder / "evaluation.csv")
    pairs = {(row.model, row.test_set) for row in rows}
    models, sets = ("general", "bright", "dark"), ("bright", "dark", "far")
    assert pairs == {(model, one) for model in models for one in sets}
    assert len(rows) == 3 * (2 + 2 + 6)
    in_domain = [row for row in rows if row.test_set in sets[:2]]
    assert {row.person.split("/")[1] for row in in_domain} == {"sub-03", "sub-04"}


def test_the_general_model_knows_both_contrasts_and_the_specific_ones_one(
    found: StudyResults,
) -> None:
    pairs = product(found.models, found.test_sets)
    dice = {pair: found.cell(*pair, METRICS[0]).mean for pair in pairs}
    assert dice["general", "bright"] > 0.9
    assert dice["general", "dark"] > 0.9
    assert dice["bright", "dark"] < 0.5
    assert dice["general", "far"] > max(dice["bright", "far"], dice["dark", "far"]) + 0.2
    assert found.verdict.better_on_unseen
    assert found.verdict.close_in_domain
    assert "holds here" in found.verdict.sentence


def test_contrast_bias_is_kept_for_people_with_several_contrasts(folder: Path) -> None:
    lines = (folder / "contrast_bias.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 3 * 2
    assert {line.split(",")[3] for line in lines[1:]} == {"T1w", "T2w"}


class Page(HTMLParser):
    """What a page refers to outside itself, and whether its tags are balanced."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        links = (value for key, value in attrs if key in {"src", "href", "xlink:href"})
        self.outside += [one for one in links if one and not one.startswith(("data:", "#"))]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_is_whole_and_needs_nothing_beside_it(folder: Path, found: StudyResults) -> None:
    page = Page((folder / "report.html").read_text())
    assert page.outside == []
    assert page.open == []
    assert found.verdict.sentence in page.words
    for text in ("0.850 ± 0.074", "far median", "far worst", "unseen, 3 people, 6 images"):
        assert text in page.words
    assert "<script" not in (folder / "report.html").read_text()


def test_every_person_is_a_point_of_the_ranking(folder: Path) -> None:
    """Trap: only means were shown, and a signed mean made the worst model look best."""
    page = (folder / "report.html").read_text()
    (ranking,) = re.findall(r"<figure><svg.*?far \(unseen\).*?</svg>", page, re.DOTALL)[:1]
    ranking = ranking[ranking.rindex("<svg") :]
    assert len(re.findall(r"<use [^>]*style=\"fill: #(?:c0392b|34607f)", ranking)) >= 3 * 3


def test_the_notebook_was_executed_and_says_the_same(folder: Path, found: StudyResults) -> None:
    notebook = json.loads((folder / "results_analysis.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] and cell["execution_count"] for cell in code)
    assert found.verdict.sentence in "".join(code[0]["outputs"][0]["text"])
    assert not any(o["output_type"] == "error" for cell in code for o in cell["outputs"])


def test_there_is_a_picture_of_the_median_and_the_worst_of_each_set(folder: Path) -> None:
    names = [path.stem.split()[:2] for path in sorted((folder / "pictures").iterdir())]
    sets = ("bright", "dark", "far")
    assert names == [[one, kind] for one in sets for kind in ("median", "worst")]


KILLS = [
    ("train", 1),
    ("evaluate", 4),
    ("report", 1),
    pytest.param(("dataset", 5), marks=pytest.mark.slow),
    pytest.param(("train", 3), marks=pytest.mark.slow),
    pytest.param(("evaluate", 17), marks=pytest.mark.slow),
    pytest.param(("report", 2), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: "-".join(map(str, kill)))
def test_killed_at_any_stage_and_started_again_it_ends_the_same(
    data: Path, folder: Path, tmp_path: Path, kill: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "killed"
    command = [sys.executable, toy_study.__file__, str(data), str(output), *map(str, kill)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not (output / "report.html").exists()
    trained: list[str] = []
    original = toy_study.train

    def train(recipe: Recipe, raw: Path, place: Path) -> Path:
        trained.append(raw.name)
        return original(recipe, raw, place)

    monkeypatch.setattr(toy_study, "train", train)
    toy_study.run(data, output)
    stage, number = kill
    assert len(trained) == {"dataset": 3, "train": 3 - number}.get(stage, 0)
    assert made(output) == made(folder)


def test_a_finished_study_is_not_done_again(data: Path, folder: Path) -> None:
    before = made(folder)

    def never(*_: object) -> Path:
        raise AssertionError("trained or opened again")

    compare(Study(toy_study.RECIPE, (data,), folder, notebook=False), never, never)
    assert made(folder) == before


def test_another_training_option_trains_all_and_a_new_person_only_what_sees_them(
    tmp_path: Path,
) -> None:
    data = toy_study.make_data(tmp_path / "data")
    toy_study.run(data, tmp_path / "out")
    trained: list[str] = []

    def train(recipe: Recipe, raw: Path, output: Path) -> Path:
        trained.append(raw.name)
        return toy_study.train(recipe, raw, output)

    phantom_bids(data / "dark", replace(toy_study.CONVENTIONS["dark"], people=("09",)))
    recipe = toy_study.RECIPE.with_split({**toy_study.ASSIGNED, "dark/sub-09": "train"})
    compare(Study(recipe, (data,), tmp_path / "out", notebook=False), train, toy_study.load_model)
    assert trained == ["Dataset101_general", "Dataset103_dark"]
    trained.clear()
    faster = replace(recipe, training=replace(recipe.training, epochs=5))
    coarse = replace(recipe.training, spacing=(3.0, 3.0, 3.0), patch=(16, 16, 16))
    located = replace(faster, locator=coarse)
    for number, other in enumerate((faster, located, located)):
        study = Study(other, (data,), tmp_path / "out", notebook=False)
        compare(study, train, toy_study.load_model)
        assert len(trained) == (3, 6, 6)[number]


def test_a_trainer_that_leaves_no_model_is_named(data: Path, tmp_path: Path) -> None:
    study = Study(toy_study.RECIPE, (data,), tmp_path)
    with pytest.raises(BackendError, match="no model of 'general'"):
        compare(study, lambda recipe, raw, output: output / "none", toy_study.load_model)


def test_a_missing_nbclient_is_said_after_the_page_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nbclient", None)
    with pytest.raises(BackendError, match="pip install"):
        report(folder)


def test_the_command_makes_the_report_again_from_the_tables(
    folder: Path, found: StudyResults
) -> None:
    (folder / "report.html").unlink()
    words = ["-o", str(folder), "-report", "-notebook", "0"]
    ended = CliRunner().invoke(command, words, catch_exceptions=False)
    assert ended.exit_code == 0
    assert ended.stdout == f"{found.verdict.sentence}\n{folder / 'report.html'}\n"
    assert (folder / "report.html").exists()
