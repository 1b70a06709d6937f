"""What a disc network is trained on, and how: a recipe, read from a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sct_deepseg_general.errors import DatasetError
from sct_deepseg_general.level_training.crops import Mix

__all__ = ["LevelRecipe", "Source", "read_recipe"]

KIND = "levels"


@dataclass(frozen=True)
class Source:
    """Images of the disc table whose path matches `images` (shell pattern).

    `share` is how often one of them is drawn against others. Discs are `exact` where they were
    drawn on the image itself; those of images that are not may be off by a few mm.
    """

    images: str
    share: float = 1.0
    exact: bool = True
    up: float = 0.0
    """mm by which discs are moved up: those of another image of the person, who moved since."""


@dataclass(frozen=True)
class LevelRecipe:
    """Everything that decides the weights, but for the data themselves."""

    id: str
    version: str
    title: str
    table: str
    """The disc table's path below one of the data folders."""
    sources: tuple[Source, ...]
    centrelines: str = ""
    """The file of the cords' centrelines, beside the recipe (`centrelines.read_curves`); without
    it, the embedded model finds the cords."""
    leave: tuple[str, ...] = ()
    """People ("sub-01") that are left out."""
    iterations: int = 1300
    batch: int = 8
    rate: float = 3e-3
    decay: float = 1e-2
    seed: int = 0
    mix: Mix = field(default_factory=Mix)
    limits: Mapping[str, float] = field(default_factory=dict)
    """When numbers are withheld; for the model's record."""
    certainty: Mapping[str, float] = field(default_factory=dict)
    """The weights of the probability that numbers are right (`certainty.fitted`)."""
    contrasts: tuple[str, ...] = ()
    licence: str = "MIT"

    def source_of(self, image: str) -> Source | None:
        """The first source that an image of the table belongs to, unless its person is left."""
        if Path(image).name.split("_")[0] in self.leave:
            return None
        return next((one for one in self.sources if fnmatchcase(image, one.images)), None)

    def as_dict(self) -> dict[str, Any]:
        """The recipe as it is written to JSON."""
        return {"kind": KIND, **asdict(self)}


def read_recipe(path: Path) -> LevelRecipe:
    """The recipe of a JSON file.

    Raises:
        DatasetError: the file cannot be read, or is no recipe of a disc network.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("kind") != KIND:
            raise ValueError(f"its kind is not '{KIND}'")
        sources = tuple(Source(**one) for one in content.pop("sources"))
        mix = Mix.from_dict(content.pop("mix", {}))
        for name in ("leave", "contrasts"):
            content[name] = tuple(content.get(name, ()))
        return LevelRecipe(sources=sources, mix=mix, **content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DatasetError(f"{path} is no recipe of a disc network ({error}).") from error
