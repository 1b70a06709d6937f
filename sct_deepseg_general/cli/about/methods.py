"""`methods`: the text for a paper's methods, from the sidecars of its results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click

from sct_deepseg_general.cli._click import PATH, PROGRAM, SctCommand, flag, option

__all__ = ["command"]

_EPILOG = f"""\
Examples:
  {PROGRAM} methods -i t2_seg.json
  {PROGRAM} methods -i derivatives/cord -bibtex references.bib

The text says what the sidecars say: read it, and add the images and the people yourself.
"""


@click.command(cls=SctCommand, epilog=_EPILOG)
@option(
    "-i", to="sources", type=PATH, multiple=True, required=True, show_default=False,
    help="Sidecars or masks of results, or folders with them.",
)  # fmt: skip
@option("-bibtex", type=PATH, help="Also write the references as a BibTeX file (.bib).")
@flag("-overwrite", help="Replace the BibTeX file.")
@flag("-json", "--json", to="as_json", help="Print one line of JSON: text and references.")
def command(sources: tuple[Path, ...], bibtex: Path | None, overwrite: bool, as_json: bool) -> int:
    """Print the text for a paper's methods, with its references."""
    from sct_deepseg_general.files import write_whole
    from sct_deepseg_general.job.outputs import check_writable, read_sidecar
    from sct_deepseg_general.provenance.methods import methods_text
    from sct_deepseg_general.provenance.references import bibtex as as_bibtex

    if bibtex is not None:
        check_writable((bibtex,), overwrite=overwrite)
    paths = [path for source in sources for path in _sidecars(source)]
    made = methods_text({str(path): read_sidecar(path) for path in paths})
    if bibtex is not None:
        with write_whole(bibtex) as temporary:
            temporary.write_text(as_bibtex(made.references), encoding="utf-8")
    if as_json:
        references = [{"Key": one.key, **dict(one.fields)} for one in made.references]
        print(json.dumps({"Text": made.text, "References": references}, ensure_ascii=False))
    else:
        print(made.page, end="")
    return 0


def _sidecars(source: Path) -> Iterator[Path]:
    """The sidecar that a path names: itself, that of a mask, or those below a folder."""
    from sct_deepseg_general.errors import ImageError
    from sct_deepseg_general.files import stem_of
    from sct_deepseg_general.job.outputs import MASK_HASH, read_sidecar

    if not source.exists():
        raise ImageError(f"{source} does not exist.")
    if source.is_dir():
        yield from (one for one in sorted(source.rglob("*.json")) if MASK_HASH in read_sidecar(one))
    elif source.name.endswith((".nii", ".nii.gz")):
        yield source.with_name(f"{stem_of(source)}.json")
    else:
        yield source
