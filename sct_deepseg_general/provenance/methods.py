"""The paragraph of a paper's methods that describes results, from their own sidecars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.job.overwrite import is_own
from sct_deepseg_general.provenance.references import (
    CSA,
    NETWORK,
    NORMS,
    Reference,
    program_reference,
)

__all__ = ["MethodsText", "methods_text"]

Sidecar = Mapping[str, Any]

_SAME = ("Version", "Model", "ModelSHA256", "Engine")
_STATUSES = ("ok", "warn", "fail", "edited")
_SOURCES = {
    "border": "the perimeter of the cord and the place where the image has its border",
    "edge": "the edge of the probability",
    "edge and views": "the edge of the probability and six altered copies of each image",
}
"""What the interval of an area was made from, by the sidecar's field "From"."""
_ENGINES = {"openvino": "OpenVINO", "torch": "PyTorch", "nnunet": "nnU-Net's own predictor"}


@dataclass(frozen=True)
class MethodsText:
    """The text, with numbers in brackets for the references in their order."""

    text: str
    references: tuple[Reference, ...]

    @property
    def page(self) -> str:
        """The text and the list of references."""
        listed = [f"[{n}] {one.text}" for n, one in enumerate(self.references, 1)]
        return "\n\n".join([self.text, "\n".join(listed)]) + "\n"


def methods_text(sidecars: Mapping[str, Sidecar]) -> MethodsText:
    """Describe how masks were made and measured, for the methods of a paper.

    Parameters
    ----------
    sidecars : mapping of str to mapping
        The JSON sidecars of the masks, by the names of their files. One text describes all of
        them, so they have to be made in one way.

    Returns
    -------
    MethodsText
        What is to be read, and the works it cites.

    Raises
    ------
    ImageError
        There is no sidecar, one is not of this program, or the masks were made in several ways.

    Examples
    --------
    >>> from sct_deepseg_general import segment
    >>> from sct_deepseg_general.job.outputs import read_sidecar
    >>> sidecar = segment("t2.nii.gz").save("methods")["sidecar"]
    >>> methods_text({sidecar.name: read_sidecar(sidecar)}).text[:62]
    'The spinal cord was segmented with sct_deepseg_sc_general (ver'
    """
    _check(sidecars)
    first = next(iter(sidecars.values()))
    works = [program_reference(_made(first)["Version"]), NETWORK, CSA]
    sentences = [*_segmented(first), *_measured(first), *_levels(sidecars.values())]
    if any("AmongNorms" in one for one in sidecars.values()):
        works.append(NORMS)
        sentences.append(_norms(len(works)))
    sentences.append(_checked(list(sidecars.values())))
    return MethodsText(" ".join(sentences), tuple(works))


def _check(sidecars: Mapping[str, Sidecar]) -> None:
    if not sidecars:
        raise ImageError("There is no sidecar to describe: give the JSON files beside the masks.")
    for name, sidecar in sidecars.items():
        if not is_own(sidecar) or "Parameters" not in sidecar:
            raise ImageError(f"{name} is no sidecar of this program: give the JSON file of a mask.")
    for key in (*_SAME, "Parameters"):
        values = {str(_value(sidecar, key)): name for name, sidecar in sidecars.items()}
        if len(values) > 1:
            (one, first), (other, second), *_ = values.items()
            raise ImageError(
                f"The masks were made in several ways, and one text cannot describe them: {key} "
                f"is {one} in {first} and {other} in {second}."
            )


def _value(sidecar: Sidecar, key: str) -> Any:
    return _made(sidecar).get(key, sidecar.get(key))


def _made(sidecar: Sidecar) -> Mapping[str, Any]:
    made: Mapping[str, Any] = sidecar["GeneratedBy"][0]
    return made


def _segmented(sidecar: Sidecar) -> Iterator[str]:
    made, settings = _made(sidecar), sidecar["Parameters"]
    device = str(sidecar["Device"])
    where = "a CPU" if device == "cpu" else f"a GPU ({device})"
    engine = _ENGINES.get(str(sidecar["Engine"]), str(sidecar["Engine"]))
    yield (
        f"{_what(sidecar)} segmented with {made['Name']} (version {made['Version']}) [1] and its "
        f"model {made['Model']} (SHA-256 {str(made['ModelSHA256'])[:12]}), a convolutional network "
        f"of the nnU-Net family [2], run with {engine} on {where}."
    )
    crop = "the whole image was segmented" if settings["exact"] else (
        "the network saw a crop of the image around the cord, which a coarser network had found"
    )  # fmt: skip
    cleaned = [
        words
        for name, words in (
            ("largest", "only the largest object was kept"),
            ("fill_holes", "holes were filled"),
        )
        if settings[name]
    ]
    kept = f"; {' and '.join(cleaned)}" if cleaned else ""
    yield (
        f"Voxels with a probability of at least {settings['threshold']:g} were taken as "
        f"cord{kept}; {crop}."
    )


def _what(sidecar: Sidecar) -> str:
    """What was segmented, with its verb."""
    labels = list(sidecar.get("Labels", {}))
    if not labels:
        return "The spinal cord was"
    if len(labels) == 1:
        return f"The label {labels[0]} was"
    return f"The labels {', '.join(labels)} were"


def _measured(sidecar: Sidecar) -> Iterator[str]:
    if not sidecar.get("Area"):
        return
    settings, area = sidecar["Parameters"], sidecar.get("Area", {})
    corrected = settings.get("angle_correction", True)
    how = "perpendicular to the centreline of the cord" if corrected else "in the axial slice"
    fit = settings.get("centreline", "bspline")
    curve = f" (fitted by {fit})" if corrected else ""
    yield (
        f"The cross-sectional area (CSA) of the cord was measured in each axial slice {how}"
        f"{curve}, by the method of the Spinal Cord Toolbox [3]."
    )
    if area.get("Calibrated"):
        yield (
            f"Each area has an interval meant to hold the reference area {area['Level']:.0%} of "
            f"the time; it was made from {_SOURCES[area['From']]} and calibrated on labelled "
            "images."
        )


def _levels(sidecars: Any) -> Iterator[str]:
    sidecars = list(sidecars)
    asked = [one for one in sidecars if "Levels" in one]
    if not asked:
        return
    found = sum(one["Levels"]["Status"] == "ok" for one in asked)
    given = sum(_by_hand(one["Levels"]) for one in asked)
    files = sum(one["Levels"].get("Source") == "file" for one in asked)
    source = "from the intervertebral discs, which were located in each image automatically"
    if files == len(asked):
        source = "from discs or levels that were marked by hand"
    elif given:
        source += f" (in {given} of {len(asked)} images with discs or levels marked by hand)"
    known = f"; they were known in {found} of {len(asked)} images and withheld in the others"
    yield f"Vertebral levels were taken {source}{known if found < len(asked) else ''}."
    if any("C2C3" in one for one in sidecars):
        yield "The CSA of C2-C3 is the mean over the slices of the vertebral levels C2 and C3."


def _by_hand(levels: Any) -> bool:
    """Whether a user gave discs or levels, as a file or one known disc."""
    return levels.get("Source") == "file" or any(
        disc["Origin"] == "given" for disc in levels["Discs"]
    )


def _norms(number: int) -> str:
    return (
        "Areas and diameters were placed among those of healthy people of the same age, sex and "
        f"contrast, by norms fitted to a published database [{number}]."
    )


def _checked(sidecars: Sequence[Sidecar]) -> str:
    counts = Counter(str(one["Status"]) for one in sidecars)
    if len(sidecars) == 1:
        return f'The automatic quality check of the mask gave the status "{sidecars[0]["Status"]}".'
    told = [f"{counts[name]} {name}" for name in _STATUSES if counts[name]]
    return f"The automatic quality check of the {len(sidecars)} masks gave: {', '.join(told)}."
