"""A small published table made of a known distribution."""

from __future__ import annotations

from pathlib import Path

import numpy as np

COLUMNS = (
    "structure", "dataset", "contrast", "participant", "session", "sex", "age", "pathology",
    "level", "slices", "area_mm2", "diameter_AP_mm", "diameter_RL_mm", "eccentricity", "solidity",
)  # fmt: skip

MEDIAN, SLOPE, SPREAD, SEX, BETWEEN = 68.0, -0.003, 0.10, 0.05, 0.03


def write_table(path: Path, people: int = 150, datasets: int = 8, seed: int = 0) -> Path:
    """People of 20 to 80 years in several datasets; log area is linear in age, normal."""
    rng = np.random.default_rng(seed)
    lines = ["\t".join(COLUMNS)]
    for d in range(datasets):
        shift = BETWEEN * rng.standard_normal()
        for p in range(people):
            age, sex = rng.uniform(20, 80), "FM"[p % 2]
            log = np.log(MEDIAN) + SLOPE * (age - 50) + SEX * (sex == "M") + shift
            own = SPREAD * rng.standard_normal()
            for session in range(1 + p % 2):
                for level in (2, 3):
                    area = np.exp(log + own + 0.01 * rng.standard_normal())
                    lines.append(_line(d, p, session, sex, age, level, area))
    path.write_text("\n".join(lines) + "\n")
    return path


def _line(d: int, p: int, session: int, sex: str, age: float, level: int, area: float) -> str:
    slices = {2: 31, 3: 37}[level]
    values = ("spinal_cord", f"data{d}", "T1w", f"sub-{p:03d}", f"ses-{session}", sex,
              f"{age + session:.2f}", "HC", level, slices, f"{area:.3f}",
              f"{np.sqrt(area):.3f}", f"{1.4 * np.sqrt(area):.3f}", "0.7", "0.97")  # fmt: skip
    return "\t".join(str(value) for value in values)
