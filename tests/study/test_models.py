"""The whole study with nnU-Net underneath, on phantoms, with networks of a few weights."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import toy_study

from sct_deepseg_general.cli._click import run
from sct_deepseg_general.cli.compare import command
from sct_deepseg_general.datasets.recipe import SplitRule, Training, write
from sct_deepseg_general.evaluation.cases import training_data_of
from sct_deepseg_general.evaluation.tables import read_csv

pytest.importorskip("nnunetv2", reason="training needs the [train] extra")

TINY = Training(
    spacing=(1.0, 1.0, 2.0), patch=(16, 16, 8), features=(4, 8), epochs=2, iterations=2, batch=1
)
DATASETS = tuple(one for one in toy_study.RECIPE.datasets if one.name != "bright")
"""One to train on, and the unseen one: each network more takes half a minute of one core."""
ASSIGNED = {who: part for who, part in toy_study.ASSIGNED.items() if who.startswith("dark")}
RECIPE = replace(
    toy_study.RECIPE, datasets=DATASETS, training=TINY, split=SplitRule(assigned=ASSIGNED)
)


def test_from_bids_to_report_with_one_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, folder = toy_study.make_data(tmp_path / "data"), tmp_path / "study"
    write(RECIPE, tmp_path / "recipe.json")
    words = ["-recipe", tmp_path / "recipe.json", "-data", data, "-o", folder, "-notebook", 0]
    assert ended(*words, "-jobs", 1) == 0
    out, err = capsys.readouterr()
    assert "There is no verdict, because models failed" in out  # after two short epochs
    assert "testing: 16 of 16" in err
    assert "general, network: preparing images:" in err
    rows = read_csv(folder / "evaluation.csv")
    assert len(rows) == 2 * (2 + 6)
    assert {row.status for row in rows} <= {"ok", "empty"}
    with (folder / "curves.csv").open() as stream:
        curves = list(csv.DictReader(stream))
    assert [(r["model"], r["epoch"]) for r in curves][:2] == [("general", "1"), ("general", "2")]
    assert len(curves) == 2 * 2
    (model,) = (folder / "models/dark").glob("*/model")
    assert training_data_of(model).people == {"dark/sub-01", "dark/sub-02"}
    before = {p: p.stat().st_mtime_ns for p in (folder / "models").rglob("*")}
    assert ended("-o", folder, "-report", "-notebook", 0) == 0
    assert ended(*words, "-jobs", 1) == 0
    assert before == {p: p.stat().st_mtime_ns for p in (folder / "models").rglob("*")}


def test_a_study_needs_a_recipe_and_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended("-o", tmp_path / "study") == 2
    assert "Give -recipe" in capsys.readouterr().err
    assert ended("-o", tmp_path / "study", "-report") == 1
    assert "evaluation.csv" in capsys.readouterr().err


def test_pools_forked_below_the_command_end_when_told() -> None:
    """nnU-Net's pools end their workers by SIGTERM, which the command handles itself."""
    code = (
        "import sys; from multiprocessing import get_context\n"
        "from sct_deepseg_general.cli import main\n"
        "sys.argv[1:] = ['-version']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "for _ in range(60):\n"
        "    with get_context('fork').Pool(8) as pool: pool.map(abs, range(4))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def ended(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        run(command, "compare", [str(word) for word in words])
    return int(end.value.code or 0)
