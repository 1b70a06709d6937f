"""The disc network: what it says of each row of a strip. Run with OpenVINO, on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ModelError
from sct_deepseg_general.inference.openvino import (
    drop_signal_stack,
    import_openvino,
    inferred,
    loading,
)
from sct_deepseg_general.levels.record import DiscModel, embedded_model
from sct_deepseg_general.levels.strip import Strip, channels, in_view

__all__ = ["OUTPUTS", "DiscNetwork", "Responses", "decoded", "embedded_network"]

Floats = NDArray[np.float64]

OUTPUTS = ("disc", "c2c3", "level", "log_spread", "front")
"""The network's channels. A network may have one more, "pmj", the log odds of the
pontomedullary junction."""

LEVEL_UNIT = 10.0
"""The channels "level" and "front" are in tens (of levels, of mm)."""


@dataclass(frozen=True, eq=False)
class Responses:
    """A value for each row of a strip, from the lowest up.

    `disc`, `c2c3` and `pmj` are probabilities that a disc, the disc C2/C3 and the pontomedullary
    junction lie there (`pmj` is None where the network does not know it); `level` the number that
    is read there, whole at discs, with its `spread`; `front` how many mm before the centreline
    the discs' posterior tips lie; `visible` whether the vertebral bodies are in view.
    """

    disc: Floats
    c2c3: Floats
    level: Floats
    spread: Floats
    front: Floats
    visible: NDArray[np.bool_]
    pmj: Floats | None = None


class DiscNetwork:
    """The network of a model's record, loaded once; one thread, float32."""

    def __init__(self, model: DiscModel) -> None:
        self.model = model
        self._request = _compiled(model.network).create_infer_request()

    def __del__(self) -> None:
        self.__dict__.pop("_request", None)
        if drop_signal_stack is not None:  # None where Python itself is ending
            drop_signal_stack()

    def responses(self, strip: Strip) -> Responses:
        """What the network says of a strip.

        Raises:
            ModelError: the values are not what the record names.
        """
        seen = channels(strip.data)
        values = inferred(self._request, np.ascontiguousarray(seen[None])).astype(np.float64)
        expected = (1, len(self.model.outputs), seen.shape[1])
        if values.shape != expected or not np.isfinite(values).all():
            raise ModelError(
                f"The disc network gave {values.shape} values, or values that are no numbers, "
                f"where {expected} are expected: install the program again."
            )
        return decoded(dict(zip(self.model.outputs, values[0], strict=True)), in_view(seen[2] > 0))


@lru_cache(maxsize=1)
def embedded_network() -> DiscNetwork:
    """The network that comes with the program, loaded once a process.

    Raises:
        ModelError: its files are missing or damaged.
    """
    return DiscNetwork(embedded_model())


def decoded(values: dict[str, Floats], visible: NDArray[np.bool_]) -> Responses:
    """The network's output channels, each of shape (rows,), as responses: probabilities 0 to 1, and
    levels with their spread. `visible`, shape (rows,), says which rows are in view.
    """
    return Responses(
        disc=_probability(values["disc"]),
        c2c3=_probability(values["c2c3"]),
        level=values["level"] * LEVEL_UNIT,
        spread=np.exp(np.clip(values["log_spread"], -4, 3)),
        front=values["front"] * LEVEL_UNIT,
        visible=visible,
        pmj=_probability(values["pmj"]) if "pmj" in values else None,
    )


def _probability(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -60, 60))))


def _compiled(network: Path) -> Any:
    ov: Any = import_openvino()
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_NUM_THREADS": 1,
    }
    with loading(network):
        core = ov.Core()
        return core.compile_model(core.read_model(network), "CPU", settings)
