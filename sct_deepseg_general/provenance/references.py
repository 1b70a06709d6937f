"""The works that a paper cites for a result, as text and as BibTeX."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sct_deepseg_general.job.outputs import CODE_URL, PROGRAM

__all__ = ["CSA", "NETWORK", "NORMS", "Reference", "bibtex", "program_reference"]


@dataclass(frozen=True)
class Reference:
    """A work: `key` for BibTeX, `fields` in BibTeX's names."""

    key: str
    kind: str
    fields: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The work in a list of references."""
        named = dict(self.fields)
        authors = named["author"].replace(" and others", " et al.").replace(" and ", "; ")
        authors = authors.strip("{}")
        where = [named.get("journal", ""), named.get("volume", ""), named.get("pages", "")]
        place = ", ".join(part.replace("--", "-") for part in where if part)
        link = f"doi:{named['doi']}" if "doi" in named else named.get("url", "")
        title = named["title"].replace("{", "").replace("}", "")
        return f"{authors} ({named['year']}). {title}. {f'{place}. ' if place else ''}{link}"


NETWORK = Reference(
    "isensee2021nnunet",
    "article",
    (
        ("author", ("Isensee, Fabian and Jaeger, Paul F. and Kohl, Simon A. A. and Petersen, Jens "
                   "and Maier-Hein, Klaus H.")),
        ("title", ("{nnU-Net}: a self-configuring method for deep learning-based biomedical image "
                  "segmentation")),
        ("journal", "Nature Methods"),
        ("year", "2021"),
        ("volume", "18"),
        ("pages", "203--211"),
        ("doi", "10.1038/s41592-020-01008-z"),
    ),
)  # fmt: skip
CSA = Reference(
    "deleener2017sct",
    "article",
    (
        ("author", ("De Leener, Benjamin and Lévy, Simon and Dupont, Sara M. and Fonov, "
                   "Vladimir S. and Stikov, Nikola and Collins, D. Louis and Callot, Virginie and "
                   "Cohen-Adad, Julien")),
        ("title", ("{SCT}: {Spinal Cord Toolbox}, an open-source software for processing spinal "
                  "cord {MRI} data")),
        ("journal", "NeuroImage"),
        ("year", "2017"),
        ("volume", "145"),
        ("pages", "24--43"),
        ("doi", "10.1016/j.neuroimage.2016.10.009"),
    ),
)  # fmt: skip
NORMS = Reference(
    "valosek2024database",
    "article",
    (
        ("author", "Valošek, Jan and Bédard, Sandrine and others"),
        ("title", ("A database of the healthy human spinal cord morphometry in the {PAM50} "
                  "template space")),
        ("journal", "Imaging Neuroscience"),
        ("year", "2024"),
        ("volume", "2"),
        ("pages", "1--15"),
        ("doi", "10.1162/imag_a_00075"),
    ),
)  # fmt: skip


def program_reference(version: str) -> Reference:
    """The program itself, in the version that made a result."""
    fields = (
        ("author", "{sct-deepseg-general developers}"),
        ("title", f"{{{PROGRAM}}}, version {version}"),
        ("year", "2026"),
        ("url", CODE_URL),
    )
    return Reference("sctdeepsegscgeneral", "misc", fields)


def bibtex(references: Iterable[Reference]) -> str:
    """The references as a BibTeX file.

    Parameters
    ----------
    references : iterable of Reference
        The works, in the order of the file.

    Returns
    -------
    str
        One entry for each, in UTF-8.

    Examples
    --------
    >>> print(bibtex([CSA]).splitlines()[0])
    @article{deleener2017sct,
    """
    return "\n".join(map(_entry, references))


def _entry(reference: Reference) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in reference.fields]
    return "\n".join([f"@{reference.kind}{{{reference.key},", *lines, "}", ""])
