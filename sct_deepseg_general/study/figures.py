"""The figures of a comparison, as SVG text for the page and as figures for the notebook."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from sct_deepseg_general.evaluation.statistics import by_person
from sct_deepseg_general.study.results import GENERAL, Metric, StudyResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Curve", "curves", "in_domain", "ranking", "svg"]

Curve = Mapping[str, Sequence[float]]
"""Columns of a model's training record: "epoch" and what was measured at each."""
_GENERAL, _SPECIFIC = "#c0392b", "#34607f"


def ranking(results: StudyResults, test_set: str, metric: Metric) -> Figure:
    """Models ordered by their mean on one test set, with every person as a point."""
    values = {one: _people(results, one, test_set, metric) for one in results.models}
    order = sorted(values, key=lambda one: values[one].mean(), reverse=not metric.largest_is_best)
    figure, axes = _figure(6.4, 0.45 * len(order) + 1.1)
    rng = np.random.default_rng(0)
    for place, model in enumerate(order):
        color = _GENERAL if model == GENERAL else _SPECIFIC
        scatter = place + rng.uniform(-0.14, 0.14, values[model].size)
        axes.plot(values[model], scatter, "o", color=color, alpha=0.55, markersize=5, mew=0)
        axes.plot([values[model].mean()] * 2, [place - 0.3, place + 0.3], color=color, lw=2.5)
    axes.set_yticks(range(len(order)), order)
    axes.set_xlabel(metric.title)
    axes.set_title(f"{test_set} (unseen)" if test_set in results.unseen_sets else test_set)
    return figure


def in_domain(results: StudyResults, metric: Metric) -> Figure:
    """Every test person: the specific model of their dataset against the general one."""
    figure, axes = _figure(4.6, 4.4)
    points: list[float] = []
    for number, name in enumerate(results.seen_sets):
        ours = by_person(results.of(GENERAL, name), metric.name)
        own = by_person(results.of(name, name), metric.name)
        pairs = [(own[one], ours[one]) for one in ours]
        axes.plot(*zip(*pairs, strict=True), "o", color=f"C{number}", alpha=0.75, label=name)
        points += [value for pair in pairs for value in pair]
    if points:
        margin = 0.05 * (max(points) - min(points)) + 1e-3
        limits = min(points) - margin, max(points) + margin
        axes.plot(limits, limits, color="0.6", lw=1, zorder=0)
        axes.set(xlim=limits, ylim=limits)
        axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel(f"{metric.title}, specific model")
    axes.set_ylabel(f"{metric.title}, general model")
    return figure


def curves(records: Mapping[str, Curve]) -> Figure:
    """Loss and validation Dice of each model over its training."""
    columns = ("loss", "dice")
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    for axes, column in zip(figure.subplots(1, 2), columns, strict=True):
        _tidy(axes)
        for model, record in records.items():
            if column in record:
                axes.plot(record["epoch"], record[column], lw=1.3, label=model)
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss" if column == "loss" else "validation Dice")
    if records:
        figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


def svg(make: Callable[[], Figure]) -> str:
    """A figure as SVG text to put into a page: the same figure gives the same text."""
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "comparison", "svg.fonttype": "none"}):
        FigureCanvasSVG(make()).print_svg(out, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _people(results: StudyResults, model: str, test_set: str, metric: Metric) -> np.ndarray:
    return np.array(list(by_person(results.of(model, test_set), metric.name).values()))


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    # margins in inches: room for the names of datasets; a layout engine takes ten times longer
    left, bottom = 1.3, 0.55
    axes = figure.add_axes(
        (left / width, bottom / height, 1 - (left + 0.15) / width, 1 - (bottom + 0.35) / height)
    )
    _tidy(axes)
    return figure, axes


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.25, lw=0.6)
    axes.title.set_fontsize(10)
