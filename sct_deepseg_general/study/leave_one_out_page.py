"""The page of a study that leaves one dataset out: verdict, tables, and every image as a point."""

from __future__ import annotations

from html import escape
from math import isnan

import numpy as np
from matplotlib.figure import Figure

from sct_deepseg_general.study.figures import svg
from sct_deepseg_general.study.leave_one_out_results import METRICS, LeaveOneOutResults
from sct_deepseg_general.study.report import html_page, p_value, table
from sct_deepseg_general.study.results import GENERAL

__all__ = ["dice_table", "differences", "effects_table", "page"]

_DICE_NOTE = (
    "Mean Dice over the images of the dataset that was left out. The general model of a column was "
    "trained on all other datasets, a specific model on one. The best of a column is bold."
)
_EFFECTS_NOTE = (
    "General minus specific over all images that both were tested on; above 0 the general model is "
    "better. The mean is over people, the interval (95 %) from a bootstrap over people. p: "
    "Wilcoxon's signed-rank sum over images, with the signs of all images of a person turned "
    "together; Holm's correction over the specific models of a metric."
)
_TITLES = {"dice": ("Dice", 3), "csa_error_abs": ("Absolute CSA error (mm²)", 2)}


def page(results: LeaveOneOutResults) -> str:
    """The report as one HTML page that needs no other file."""
    name = results.recipe.name
    body = [
        f"<h1>{escape(name)}: leaving one dataset out</h1>",
        f"<p>{escape(results.recipe.description)}</p>",
        f'<p class="verdict">{escape(results.sentence)}</p>',
        f"<h2>Dice on the dataset left out</h2><p>{_DICE_NOTE}</p>{dice_table(results)}",
        f"<h2>General against each specific model</h2><p>{_EFFECTS_NOTE}</p>",
        effects_table(results),
        "<h2>Every image</h2>",
        *(f"<figure>{svg(lambda: differences(results, one))}</figure>" for one in METRICS),  # noqa: B023
    ]
    return html_page(name, body)


def dice_table(results: LeaveOneOutResults) -> str:
    """Models by datasets left out, mean Dice over images."""
    rows = []
    best = {one: _best(results, one) for one in results.sets}
    for model in (GENERAL, *results.sets):
        values = [results.dice(model, one) for one in results.sets]
        cells = [_cell(value, best[one]) for value, one in zip(values, results.sets, strict=True)]
        mean = float(np.nanmean(values))
        rows.append([escape(model), *cells, f"{mean:.3f}"])
    return table(["trained on", *map(escape, results.sets), "mean"], rows)


def effects_table(results: LeaveOneOutResults) -> str:
    """Every paired comparison with its interval and p-values."""
    rows = []
    for one in results.effects:
        title, digits = _TITLES[one.metric]
        effect = one.effect
        interval = f"{effect.low:+.{digits}f} to {effect.high:+.{digits}f}"
        rows.append([
            escape(one.other), title, str(effect.people), str(effect.images),
            f"{effect.difference:+.{digits}f}", interval, f"{effect.wins:.0%}",
            p_value(effect.p), p_value(one.p_holm),
        ])  # fmt: skip
    heads = ["against", "metric", "people", "images", "difference", "95 % interval", "images won"]
    return table([*heads, "p", "p (Holm)"], rows)


def differences(results: LeaveOneOutResults, metric: str) -> Figure:
    """The difference of every image between the general and each specific model."""
    title, sign = _TITLES[metric][0], METRICS[metric]
    figure = Figure(figsize=(8.0, 0.55 * len(results.sets) + 1.4), layout="constrained")
    axes = figure.subplots()
    rng = np.random.default_rng(0)
    ours = {(r.test_set, r.name): r for r in results.rows if r.model == GENERAL}
    for place, other in enumerate(results.sets):
        for number, test_set in enumerate(results.sets):
            values = [
                sign * (getattr(ours[row.test_set, row.name], metric) - getattr(row, metric))
                for row in results.rows
                if row.model == other and row.test_set == test_set
            ]
            scatter = place + rng.uniform(-0.2, 0.2, len(values))
            label = test_set if place == (number == 0) else None
            axes.plot(values, scatter, "o", color=f"C{number}", ms=4, alpha=0.7, mew=0, label=label)
    for effect in (one for one in results.effects if one.metric == metric):
        place = results.sets.index(effect.other)
        axes.plot([effect.effect.low, effect.effect.high], [place, place], color="k", lw=2)
        axes.plot(effect.effect.difference, place, "k|", ms=12, mew=2)
    axes.axvline(0, color="0.5", lw=1)
    axes.set_yticks(range(len(results.sets)), results.sets)
    axes.set_xlabel(f"{title}: general minus specific (above 0: the general model is better)")
    axes.legend(title="dataset left out", frameon=False, fontsize=8, loc="upper left",
                bbox_to_anchor=(1, 1))  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _best(results: LeaveOneOutResults, test_set: str) -> float:
    values = [results.dice(model, test_set) for model in (GENERAL, *results.sets)]
    return round(float(np.nanmax(values)), 3)


def _cell(value: float, best: float) -> str:
    if isnan(value):
        return "–"
    return f'<span class="best">{value:.3f}</span>' if round(value, 3) == best else f"{value:.3f}"
