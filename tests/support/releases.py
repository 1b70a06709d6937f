"""Model folders as training leaves them, ready for a release."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from measurements import row
from toy_models import RECORD, plans, write_parts

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("nnunetv2", reason="the torch extra is not installed")

from sct_deepseg_general.evaluation.measurement import Measurement  # noqa: E402
from sct_deepseg_general.evaluation.tables import write_csv  # noqa: E402
from sct_deepseg_general.inference.nnunet import build_network  # noqa: E402
from sct_deepseg_general.release.export import save_weights  # noqa: E402
from sct_deepseg_general.zoo.archive import seal  # noqa: E402


def image(contrast: str, number: int, dice: float = 0.9, csa: float = 75.0) -> Measurement:
    return row(
        contrast=contrast,
        person=str(number),
        image_sha256=f"{contrast}{number}",
        dice=dice,
        csa=csa,
        reference_csa=75.0,
    )


ROWS = [image(contrast, number) for contrast in ("T1w", "T2w") for number in range(3)]


def trained(folder: Path, rows: Sequence[Measurement] = ROWS, seed: int = 0) -> Path:
    """A model folder as training leaves it, with an evaluation."""
    write_parts(folder)
    (folder / "plans.json").write_text(json.dumps(plans((2, 4))))
    torch.manual_seed(seed)
    network = build_network(folder / "plans.json", folder / "dataset.json")
    save_weights(network, folder / "fold_0.safetensors")
    (folder / "evaluation.csv").unlink()
    seal(folder, {**RECORD, "version": "0", "id": "trained"})
    write_csv(rows, folder / "evaluation.csv")
    return folder
