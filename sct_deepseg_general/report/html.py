"""The page as one HTML file that needs no other file."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from sct_deepseg_general.files import write_whole
from sct_deepseg_general.report.content import LIMITS, Content
from sct_deepseg_general.report.pdf import curve_figure, picture_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_html"]

_STYLE = """
@page { size: A4; margin: 11mm 14mm }
body { font: 13px/1.45 system-ui, sans-serif; color: #1b2a3a; max-width: 190mm; margin: 12mm auto }
h1 { font-size: 20px; margin: 0 } p { margin: 4px 0 } img { width: 100%; display: block }
table { border-collapse: collapse; width: 100%; margin: 4px 0 }
th, td { text-align: left; padding: 2px 8px 2px 0; border-bottom: 1px solid #e6e9ec }
th { color: #7a8794; font-weight: 500 }
.ok { color: #2e7d32 } .warn { color: #b26a00 } .fail { color: #b3261e }
dl { display: grid; grid-template-columns: 6em 1fr 6em 1fr; gap: 1px 8px; margin: 4px 0 }
footer, dl { color: #7a8794; font-size: 11px } dd { color: #1b2a3a; margin: 0 }
@media print { body { margin: 0; max-width: none; font-size: 11px }
th, td { padding: 1px 6px 1px 0 } img { width: 90%; margin: 0 auto } }
"""


def write_html(path: Path, content: Content) -> None:
    """Write the page as an HTML file.

    Parameters
    ----------
    path
        The file; it appears complete or not at all.
    content
        What `content.content_of` gathered.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with write_whole(path) as temporary:
        temporary.write_text(_page(content), encoding="utf-8")


def _page(content: Content) -> str:
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in content.facts)
    words = [content.norms, *content.reasons, *content.change]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(content.title)}'
        f"</title><style>{_STYLE}</style><h1>Spinal cord: area</h1><p>{escape(content.title)}<br>"
        f'<span class="{content.status}">Quality: {content.status}</span></p><dl>{facts}</dl>'
        f"{_picture(picture_figure(content), 'The image with the contour of the cord')}"
        f"{_picture(curve_figure(content), 'The area along the cord')}{_table(content)}"
        + "".join(f"<p>{escape(line)}</p>" for line in words if line)
        + f"<footer>{escape(LIMITS)}</footer></html>\n"
    )


def _table(content: Content) -> str:
    if not content.rows:
        return "<p>The vertebral levels are not known: no table.</p>"
    heads, cells = content.table
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in cells
    )
    return f"<table><tr>{head}</tr>{body}</table><footer>{escape(content.explained)}</footer>"


def _picture(figure: Figure, words: str) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=130)
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img alt="{words}" src="data:image/png;base64,{data}">'
