"""The report of a comparison: one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isnan
from operator import attrgetter

from sct_deepseg_general.evaluation.statistics import (
    ContrastBias,
    Summary,
    mean_over_people,
    pooled_sd,
)
from sct_deepseg_general.study import published
from sct_deepseg_general.study.figures import Curve, curves, in_domain, ranking, svg
from sct_deepseg_general.study.results import METRICS, Metric, StudyResults
from sct_deepseg_general.words import counted

__all__ = [
    "ComparisonPicture",
    "bias_table",
    "html_page",
    "metric_table",
    "p_value",
    "page",
    "published_tables",
    "table",
    "tests_table",
]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #1d2a33; background: #fff }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d8dee3 }
table { border-collapse: collapse; margin: .8rem 0; font-size: 13px }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #e4e9ed; text-align: right }
th:first-child, td:first-child { text-align: left } thead th { border-bottom: 2px solid #9fb0bc }
.best { font-weight: 700 } small { color: #5d6f7b; display: block } .verdict { font-size: 1.1rem }
.wide { overflow-x: auto } svg, img { max-width: 100%; height: auto } figure { margin: 1rem 0 }
"""

_SPREAD_NOTE = (
    "Mean ± SD over people, the 95 % bootstrap interval of the mean below; empty and failed "
    "segmentations count. The best mean of a test set is bold; signed errors have no best."
)
_TESTS_NOTE = (
    "Paired by person: on unseen sets against the specific model that is best there, on the "
    "others against the set's own. Wilcoxon's signed-rank test, Holm's correction over the whole "
    "table; with fewer than two people there is no test."
)
_ANCHOR_NOTE = (
    "other and more people and larger networks. Its numbers are the anchor to read those above "
    "by, not their target."
)


@dataclass(frozen=True)
class ComparisonPicture:
    """A qualitative row: PNG bytes and what they show."""

    title: str
    png: bytes


def page(
    results: StudyResults,
    biases: Sequence[ContrastBias],
    pictures: Iterable[ComparisonPicture],
    records: Mapping[str, Curve],
) -> str:
    """Write the report of a comparison as one HTML page that needs no other file.

    Parameters
    ----------
    results : StudyResults
        Measurements, tests and verdict.
    biases : sequence of ContrastBias
        CSA of each contrast minus the mean over a person's contrasts, in mm².
    pictures : iterable of ComparisonPicture
        Qualitative rows, as PNG.
    records : mapping of str to Curve
        Training curves of the models that have them.

    Returns
    -------
    str
        The page.

    Examples
    --------
    >>> from sct_deepseg_general.study.report import published_tables
    >>> "Spine Generic" in published_tables()
    True
    """
    parts = [
        f"<h1>{escape(results.recipe.name)}: general and specific models</h1>",
        f"<p>{escape(results.recipe.description)}</p>",
        _verdict(results),
        f"<h2>Models on test sets</h2><p>{_SPREAD_NOTE}</p>",
        *(f"<h3>{escape(one.title)}</h3>{metric_table(results, one)}" for one in METRICS),
        f"<h2>General against specific</h2><p>{_TESTS_NOTE}</p>{tests_table(results)}",
        "<h2>Every person</h2>",
        *_figures(results),
        f"<h2>CSA over contrasts</h2>{bias_table(results, biases)}",
        "<h2>Median and worst cases</h2>",
        *map(_picture, pictures),
        "<h2>Training</h2>",
        svg(lambda: curves(records)) if records else "<p>The trainer kept no curves.</p>",
        f"<h2>The published study</h2><p>{escape(published.TITLE)}: {_ANCHOR_NOTE}</p>",
        published_tables(),
    ]
    return html_page(results.recipe.name, parts)


def html_page(title: str, parts: Sequence[str]) -> str:
    """A page of a study with its title and style, from the parts of its body."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def metric_table(results: StudyResults, metric: Metric) -> str:
    """Models by test sets, for one metric."""
    cells = {
        (model, one): results.cell(model, one, metric)
        for model in results.models
        for one in results.test_sets
    }
    best = {
        one: _best([cells[model, one] for model in results.models], metric)
        for one in results.test_sets
    }
    rows = [
        [escape(model), *(_cell(cells[model, one], metric, best[one]) for one in results.test_sets)]
        for model in results.models
    ]
    heads = [_heading(results, cells[results.models[0], one], one) for one in results.test_sets]
    return table(["trained on", *heads], rows)


def tests_table(results: StudyResults) -> str:
    """Every paired comparison, with its corrected p-value."""
    titles = {one.name: one for one in METRICS}
    rows = []
    for one in results.tests:
        metric = titles[one.metric]
        numbers = f"{one.difference:+.{metric.digits}f}", p_value(one.p), p_value(one.p_holm)
        names = (one.test_set, metric.title, one.other, str(one.people))
        rows.append([*map(escape, names), *numbers])
    heads = ["test set", "metric", "against", "people", "general minus other", "p", "p (Holm)"]
    return table(heads, rows)


def bias_table(results: StudyResults, biases: Sequence[ContrastBias]) -> str:
    """Each contrast's mean CSA bias for each model; "" replaced by a sentence if there is none."""
    if not biases:
        return "<p>No test person has several contrasts over the same heights.</p>"
    contrasts = sorted({one.contrast for one in biases})
    rows = []
    for model in results.models:
        mine = [one for one in biases if one.model == model]
        own = ([one for one in mine if one.contrast == name] for name in contrasts)
        means = (mean_over_people(biases, attrgetter("bias")) for biases in own)
        rows.append([escape(model), *(f"{mean:+.2f}" for mean in means), f"{pooled_sd(mine):.2f}"])
    mine = [one for one in biases if one.model == biases[0].model]
    own = ([one for one in mine if one.contrast == name] for name in contrasts)
    means = (mean_over_people(biases, attrgetter("reference")) for biases in own)
    rows.append(["(references)", *(f"{mean:+.2f}" for mean in means), ""])
    note = "<p>CSA minus the mean over the same person's contrasts, mm², averaged over people.</p>"
    return note + table(["model", *map(escape, contrasts), "SD over contrasts"], rows)


def published_tables() -> str:
    """The study's own numbers."""
    unseen = [
        [one.trained_on, _pm(one.mp2rage_dice), _pm(one.mp2rage_volume_error), _pm(one.epi_dice)]
        for one in published.UNSEEN
    ]
    seen = [[one.test_set, _pm(one.specific), _pm(one.aggregate)] for one in published.IN_DOMAIN]
    heads = ["trained on", "MP2RAGE: Dice", "MP2RAGE: volume error, signed (%)", "EPI: Dice"]
    return table(heads, unseen) + table(["test set", "its specific model: Dice", "all: Dice"], seen)


def _verdict(results: StudyResults) -> str:
    items = [
        f"<li>{escape(name)} ({kind}): general {ours:.3f}, {escape(other)} {theirs:.3f}</li>"
        for kind, sets in (("unseen", results.verdict.unseen), ("in-domain", results.verdict.seen))
        for name, ours, theirs, other in sets
    ]
    text = escape(results.verdict.sentence)
    return f'<p class="verdict">{text}</p><p>Mean Dice:</p><ul>{"".join(items)}</ul>'


def _figures(results: StudyResults) -> Iterable[str]:
    dice, volume = METRICS[0], METRICS[6]
    for one in (*results.unseen_sets, *results.seen_sets):
        for metric in (dice, volume):
            yield f"<figure>{svg(lambda: ranking(results, one, metric))}</figure>"  # noqa: B023  used at once
    if results.seen_sets:
        yield f"<figure>{svg(lambda: in_domain(results, dice))}</figure>"


def _picture(picture: ComparisonPicture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    title = escape(picture.title)
    image = f'<img alt="{title}" src="data:image/png;base64,{data}">'
    return f"<figure><figcaption>{title}</figcaption>{image}</figure>"


def _heading(results: StudyResults, cell: Summary, test_set: str) -> str:
    kind = "unseen" if test_set in results.unseen_sets else "in-domain"
    counts = (
        f"{counted(cell.people, 'person', 'people')}, {counted(cell.images, 'image', 'images')}"
    )
    return f"{escape(test_set)}<small>{kind}, {counts}</small>"


def _best(cells: Sequence[Summary], metric: Metric) -> float:
    if "signed" in metric.title:
        return float("nan")
    means = [round(one.mean, metric.digits) for one in cells]
    return max(means) if metric.largest_is_best else min(means)


def _cell(cell: Summary, metric: Metric, best: float) -> str:
    digits = metric.digits
    shown = f"{cell.mean:.{digits}f}"
    if cell.people > 1:
        interval = f"<small>{cell.low:.{digits}f} to {cell.high:.{digits}f}</small>"
        shown = f"{shown} ± {cell.sd:.{digits}f}{interval}"
    return f'<span class="best">{shown}</span>' if round(cell.mean, digits) == best else shown


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; heads and cells are HTML themselves."""
    head = "".join(f"<th>{one}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
    return f'<div class="wide">{whole}</div>'


def p_value(value: float) -> str:
    """A p-value, 0 to 1, as text; a dash where there is none."""
    if isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _pm(value: tuple[float, float]) -> str:
    return f"{value[0]:.3f} ± {value[1]:.3f}"
