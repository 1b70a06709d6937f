import subprocess
import sys

import published_table as published
import pytest

from sct_deepseg_general.errors import NormsError
from sct_deepseg_general.norms.build import build_norms, write_norms
from sct_deepseg_general.norms.model import Norms


def test_the_same_table_gives_the_same_norms_and_they_are_read_back(tmp_path):
    table = published.write_table(tmp_path / "table.tsv", people=20)
    norms = build_norms(table)
    write_norms(norms, tmp_path / "norms.json")
    again = tmp_path / "again.json"
    write_norms(build_norms(table), again)
    assert again.read_bytes() == (tmp_path / "norms.json").read_bytes()
    assert Norms.load(again).cells.keys() == norms.cells.keys()
    assert ("area", "C2-C3") in norms.cells


def test_too_few_people_give_no_norms(tmp_path):
    with pytest.raises(NormsError, match="too few"):
        build_norms(published.write_table(tmp_path / "table.tsv", people=2))


def test_the_command_shows_norms_and_refuses_impossible_people():
    def show(*words):
        command = [sys.executable, "-c", "from sct_deepseg_general.cli import main; main()"]
        return subprocess.run(
            [*command, "norms", "show", *words], capture_output=True, text=True, check=False
        )

    good = show("-age", "54", "-sex", "f", "-contrast", "T1w")
    assert good.returncode == 0
    assert "area\tC2-C3" in good.stdout
    bad = show("-age", "540", "-sex", "F")
    assert bad.returncode == 1
    assert "540 is not an age in years" in bad.stderr
