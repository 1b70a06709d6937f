"""Models for Python programs: found by name, loaded once and kept."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Literal

from sct_deepseg_general.api.typed import typed
from sct_deepseg_general.api.words import python_words
from sct_deepseg_general.errors import ArgumentError
from sct_deepseg_general.inference.predictor import Predictor, load_predictor
from sct_deepseg_general.zoo.install import FetchOptions
from sct_deepseg_general.zoo.model import Model
from sct_deepseg_general.zoo.zoo import resolve, task_key

__all__ = ["LoadedModel", "load"]

_MOST_KEPT = 4


class LoadedModel:
    """A model that is ready to segment; `load` makes it."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @property
    def name(self) -> str:
        """The model's name and version, such as "name@1.0"."""
        return self._predictor.model.key

    @property
    def device(self) -> str:
        """Where the network runs: "cpu", "cuda", "cuda:N" or "mps"."""
        return self._predictor.engine.device

    @property
    def engine(self) -> str:
        """What runs the network: "openvino", "torch" or "nnunet"."""
        return self._predictor.engine.name

    @property
    def threshold(self) -> float:
        """The probability, from 0 to 1, above which a voxel is cord unless another is given."""
        return self._predictor.model.threshold

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels that the model segments."""
        return self._predictor.model.scheme.names

    @property
    def predictor(self) -> Predictor:
        """The value that the other functions of this package take."""
        return self._predictor

    def __repr__(self) -> str:
        return f"<Model {self.name}, {self.engine} on {self.device}>"


@typed(model="a name, name@version, folder or https address")
def load(
    model: str | os.PathLike[str] | None = None,
    *,
    task: str | None = None,
    device: str = "auto",
    engine: str = "auto",
    precision: Literal["f32", "bf16", "int8"] = "f32",
    offline: bool = False,
    trust: bool = False,
) -> LoadedModel:
    """Load a model. It is kept, so that a second call with the same arguments takes no time.

    Parameters
    ----------
    model : str or path, optional
        A model's name, name@version, folder or https address; by default the embedded model.
    task : str, optional
        SCT's name of a task, such as "lesion_ms", in place of `model`.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps"; "auto" takes a GPU if torch can use one.
    engine : str
        "auto" (OpenVINO on a CPU, torch on a GPU), "openvino", "torch" or "nnunet".
    precision : {"f32", "bf16", "int8"}
        How OpenVINO computes a model that was published elsewhere.
    offline : bool
        Never use the network. Otherwise a model that is listed but not installed is fetched.
    trust : bool
        Accept a model without a published checksum.

    Returns
    -------
    LoadedModel
        The model, for the argument `model` of `segment`.

    Raises
    ------
    ModelError
        There is no such model, or it cannot be had or trusted.
    BackendError
        The engine is not installed, or there is no such device.

    Examples
    --------
    >>> from sct_deepseg_general import load
    >>> model = load(device="cpu")
    >>> model.engine, model.labels
    ('openvino', ('sc',))
    >>> load(device="cpu").predictor is model.predictor
    True
    """
    if model is not None and task is not None:
        raise ArgumentError("model and task name two models: give one of them.")
    with python_words():
        name = os.fspath(model) if model is not None else None
        name = name if task is None else task_key(task)
        found = resolve(name, offline=offline, options=FetchOptions(offline=offline, trust=trust))
        return LoadedModel(_kept(found, engine, device, precision))


@lru_cache(maxsize=_MOST_KEPT)
def _kept(model: Model, engine: str, device: str, precision: str) -> Predictor:
    return load_predictor(model, engine, device, precision)
