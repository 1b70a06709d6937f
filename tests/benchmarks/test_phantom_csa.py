"""Known accuracy: tubes whose area is known, through the benchmark that draws them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "accuracy" / "phantom_csa.py"
    spec = importlib.util.spec_from_file_location("phantom_csa", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("tube", ["straight", "tilted", "curved"])
@pytest.mark.parametrize(("in_plane", "thickness"), [(0.5, 5.0), (0.8, 2.5), (1.0, 5.0)])
def test_areas_are_those_of_the_tube(
    benchmark: ModuleType, tube: str, in_plane: float, thickness: float
) -> None:
    found = benchmark.errors(benchmark.TUBES[tube], in_plane, thickness, repeats=2)
    assert abs(found.mask.mean()) < 3.0
    assert np.abs(found.soft).max() < 1.0


def test_orientation_does_not_change_an_area(benchmark: ModuleType) -> None:
    assert len(set(benchmark.orientations())) == 48
    assert benchmark.worst_over_orientations(benchmark.tilted) < 1e-9
