"""The report as a notebook that reads the kept tables, and running it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sct_deepseg_general.errors import BackendError, required
from sct_deepseg_general.files import write_whole

__all__ = ["NAME", "cells", "write_notebook"]

NAME = "results_analysis.ipynb"

_SCRIPT = """\
# General and specific models

Everything below is made from the tables in this folder.
%%
from pathlib import Path

from IPython.display import HTML, SVG, Image, display

from sct_deepseg_general.study import report
from sct_deepseg_general.study.figures import curves, in_domain, ranking, svg
from sct_deepseg_general.study.results import METRICS, study_results
from sct_deepseg_general.evaluation.tables import read_bias, read_curves
from sct_deepseg_general.datasets.recipe import read
from sct_deepseg_general.evaluation.tables import read_csv

results = study_results(read(Path("recipe.json")), read_csv(Path("evaluation.csv")))
print(results.verdict.sentence)
%%
## Models on test sets

Mean ± SD over people, 95 % bootstrap interval of the mean. Empty and failed cases count.
%%
for metric in METRICS:
    display(HTML(f"<h4>{metric.title}</h4>" + report.metric_table(results, metric)))
%%
## General against specific

Paired by person; Wilcoxon's signed-rank test with Holm's correction.
%%
HTML(report.tests_table(results))
%%
## Every person
%%
for test_set in (*results.unseen_sets, *results.seen_sets):
    display(SVG(svg(lambda: ranking(results, test_set, METRICS[0]))))
if results.seen_sets:
    display(SVG(svg(lambda: in_domain(results, METRICS[0]))))
%%
## CSA over contrasts
%%
HTML(report.bias_table(results, read_bias(Path("contrast_bias.csv"))))
%%
## Median and worst cases
%%
for path in sorted(Path("pictures").glob("*.png")):
    print(path.stem)
    display(Image(path))
%%
## Training
%%
records = read_curves(Path("curves.csv"))
SVG(svg(lambda: curves(records))) if records else print("The trainer kept no curves.")
%%
## The published study
%%
HTML(report.published_tables())
"""


def cells() -> tuple[tuple[str, str], ...]:
    """The notebook's cells: a text and the code below it."""
    parts = [part.strip("\n") for part in _SCRIPT.split("%%\n")]
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def write_notebook(folder: Path) -> Path:
    """The notebook, executed in `folder` beside the tables it reads, written whole.

    Raises
    ------
    BackendError
        Nbclient is not installed, or a cell failed.
    """
    with required("The notebook of a comparison", "train", ", or use -notebook 0"):
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
        from traitlets.config import Config
    notebook = _empty_notebook(nbformat.v4)
    with TemporaryDirectory(prefix="nb") as sockets:
        config = Config({"KernelManager": _connection(Path(sockets))})
        client = NotebookClient(
            notebook,
            timeout=600,
            startup_timeout=300,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            config=config,
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise BackendError(f"The notebook stopped: {error.ename}: {error.evalue}.") from error
        except RuntimeError as error:
            raise BackendError(f"The notebook could not be run: {error}.") from error
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # the library draws them at random
        cell.metadata = {}  # and notes the time
    with write_whole(folder / NAME) as temporary:
        temporary.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")
    return folder / NAME


def _empty_notebook(v4: Any) -> Any:
    listed = []
    for text, code in cells():
        listed += [v4.new_markdown_cell(text), v4.new_code_cell(code)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=listed, metadata={"kernelspec": kernel})


def _connection(sockets: Path) -> dict[str, str]:
    """Files in place of TCP ports, which every user of the machine could listen to."""
    if os.name != "posix":
        return {}
    return {"transport": "ipc", "ip": str(sockets / "kernel")}
