"""How far the table of areas is from SCT's own outputs (tests/data/sct), reference by reference.

Prints the largest relative difference (absolute below 1) of area, angle and length, and of the
shape metrics.

    python benchmarks/accuracy/reference_csa.py
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from sct_reference import EXACT, mask, reference
from test_csa import cases

from sct_deepseg_general.csa.aggregate import Table
from sct_deepseg_general.csa.measure import measured

LIMITS = (1e-6, 1e-3)


def main() -> int:
    print("| reference | rows | area, angle, length | shape |\n|---|---|---|---|")
    worst = [0.0, 0.0]
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, asked) in cases().items():
            theirs = reference(name, Path(folder))
            ours = measured(mask(source), asked).table
            found = [largest(ours, theirs, exact=exact) for exact in (True, False)]
            worst = [max(pair) for pair in zip(worst, found, strict=True)]
            print(f"| {name} | {len(theirs.rows)} | {found[0]:.1e} | {found[1]:.1e} |")
    print(f"| largest | | {worst[0]:.1e} | {worst[1]:.1e} |")
    return int(any(value > limit for value, limit in zip(worst, LIMITS, strict=True)))


def largest(ours: Table, theirs: Table, *, exact: bool) -> float:
    """The largest difference over the columns that are held to 1e-6, or over the others."""
    return max((max(differences(ours, theirs, name)) for name in columns(theirs, exact)), default=0)


def columns(table: Table, exact: bool) -> Iterator[str]:
    return (name for name in table.columns if any(word in name for word in EXACT) == exact)


def differences(ours: Table, theirs: Table, name: str) -> Iterator[float]:
    mine, expected = ours.column(name), theirs.column(name)
    yield float(np.inf) if (np.isnan(mine) != np.isnan(expected)).any() else 0.0
    both = np.isfinite(expected)
    if both.any():
        scale = np.maximum(np.abs(expected[both]), 1.0)
        yield float(np.max(np.abs(mine[both] - expected[both]) / scale))


if __name__ == "__main__":
    sys.exit(main())
