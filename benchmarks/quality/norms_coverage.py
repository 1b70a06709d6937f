"""Do the norms hold for people and scanners they were not fitted to?

For each dataset, the norms are fitted without it and its people (one random session each, drawn
with the seed) are placed among them: the share between the 5th and 95th centile (90 % is
right), and the mean and SD of z (0 and 1 are right). Two methods are compared: the package's
(Box-Cox with spread by age, spread between datasets included) and quantile regression with the
same spline (statsmodels); and the package's without the spread between datasets.

    python -m benchmarks.quality.norms_coverage -table pam50_levels.tsv.gz -figure docs/norms.png
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from sct_deepseg_general.norms.build import fit_cells
from sct_deepseg_general.norms.fit import Fitted, fitted
from sct_deepseg_general.norms.model import Cell, Distribution, Subject, design
from sct_deepseg_general.norms.table import Observations, read_table

QUANTILES = (0.05, 0.5, 0.95)
FEWEST = 20
COLUMNS = (
    "level", "dataset", "people", "with norm", "in 5-95 %", "mean z", "SD z",
    "no dataset spread", "quantile regression", "pinball", "pinball (qr)", "note",
)  # fmt: skip
Bounds = np.ndarray  # a row for each person: 5th, 50th and 95th centile


def one_session(seen: Observations, seed: int) -> Observations:
    """One session of each person, drawn at random."""
    order = np.random.default_rng(seed).permutation(seen.value.size)
    _, first = np.unique(seen.person[order], return_index=True)
    return seen.where(np.sort(order[first]))


def known(cell: Cell, seen: Observations, *, any_age: bool = False) -> list[Distribution | None]:
    """The norm of each session, None where there is none."""
    found = []
    for age, sex, family in zip(seen.age, seen.sex, seen.family, strict=True):
        subject = Subject(float(age), str(sex))
        who = cell.families.get(str(family))
        if any_age and who is not None:
            found.append(cell._distribution(subject, who))
            continue
        norm = cell.distribution(subject, str(family))
        found.append(norm if isinstance(norm, Distribution) else None)
    return found


def box_cox(cell: Cell, seen: Observations) -> tuple[Bounds, np.ndarray]:
    norms = known(cell, seen, any_age=True)
    bounds = np.array([n.value([-1.645, 0, 1.645]) if n else [np.nan] * 3 for n in norms])
    z = np.array(
        [float(n.z_score(v)) if n else np.nan for n, v in zip(norms, seen.value, strict=True)]
    )
    return bounds, z


def quantile_regression(train: Observations, test: Observations, seed: int) -> Bounds:
    """5th, 50th and 95th centile of log value on the same spline, with an offset for T2w."""
    import statsmodels.api as sm

    train = one_session(train, seed)
    families = sorted(set(train.family.tolist()))

    def matrix(seen: Observations) -> np.ndarray:
        shifts = [seen.family == name for name in families[1:]]
        return np.column_stack([design(seen.age, seen.sex), *shifts]).astype(float)

    columns, logs, at = matrix(train), np.log(train.value), matrix(test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.QuantReg(logs, columns)
        bounds = [np.exp(at @ model.fit(q=q, max_iter=5000).params) for q in QUANTILES]
    bounds = np.column_stack(bounds)
    bounds[~np.isin(test.family, families)] = np.nan
    return bounds


def pinball(bounds: Bounds, value: np.ndarray) -> float:
    """Mean pinball loss over the three quantiles, in the value's unit."""
    error = value[:, None] - bounds
    q = np.array(QUANTILES)
    return float(np.nanmean(np.maximum(q * error, (q - 1) * error)))


def inside(bounds: Bounds, value: np.ndarray) -> float:
    known = np.isfinite(bounds[:, 0])
    return 100 * float(np.mean((value >= bounds[:, 0])[known] & (value <= bounds[:, 2])[known]))


def leave_out(
    everything: Observations, key: tuple[str, str], seed: int, between: float
) -> list[list[str]]:
    rows = []
    level = key[1]
    pooled: dict[str, list[np.ndarray]] = {}
    for dataset in sorted(set(everything.dataset.tolist())):
        test = one_session(everything.where(everything.dataset == dataset), seed)
        train = everything.where(everything.dataset != dataset)
        fit = fitted(train, *key) or fitted(train, *key, between)
        held = np.array([n is not None for n in known(fit.cell, test)])
        if held.sum() < FEWEST:
            rows.append([level, dataset, str(len(held)), str(held.sum()), "no norm without it"])
            continue
        test = test.where(held)
        bounds, z = box_cox(fit.cell, test)
        narrow, _ = box_cox(replace(fit.cell, between=0.0), test)
        other = quantile_regression(train, test, seed)
        share = inside(bounds, test.value)
        rows.append(
            [level, dataset, str(len(held)), str(held.sum()), f"{share:.1f}",
             f"{np.nanmean(z):+.2f}", f"{np.nanstd(z):.2f}",
             f"{inside(narrow, test.value):.1f}", f"{inside(other, test.value):.1f}",
             f"{pinball(bounds, test.value):.3f}", f"{pinball(other, test.value):.3f}",
             "" if 88 <= share <= 92 else "outside 88-92"]
        )  # fmt: skip
        for name, one in (("bc", bounds), ("narrow", narrow), ("qr", other)):
            pooled.setdefault(name, []).append(np.column_stack([one, test.value]))
    if pooled:
        rows.append(_average(level, pooled))
    return rows


def _average(level: str, pooled: dict[str, list[np.ndarray]]) -> list[str]:
    """The mean over datasets, each counting once."""

    def mean(name: str, of: Callable[[Bounds, np.ndarray], float]) -> float:
        return float(np.mean([of(one[:, :3], one[:, 3]) for one in pooled[name]]))

    return [
        level, "mean of datasets", "", str(sum(len(o) for o in pooled["bc"])),
        f"{mean('bc', inside):.1f}", "", "", f"{mean('narrow', inside):.1f}",
        f"{mean('qr', inside):.1f}", f"{mean('bc', pinball):.3f}", f"{mean('qr', pinball):.3f}", "",
    ]  # fmt: skip


def people_left_out(
    everything: Observations, key: tuple[str, str], seed: int, between: float
) -> str:
    """Five folds by person: coverage of people of scanners that the norms know."""
    people = np.unique(everything.person)
    fold = dict(zip(people, np.random.default_rng(seed).permutation(people.size) % 5, strict=True))
    of = np.array([fold[p] for p in everything.person])
    counts = []
    for k in range(5):
        train = everything.where(of != k)
        fit = fitted(train, *key) or fitted(train, *key, between)
        test = one_session(everything.where(of == k), seed)
        _, z = box_cox(fit.cell, test)
        counts.append(z[np.isfinite(z)])
    z = np.concatenate(counts)
    tails = 100 * np.mean(z < -1.645), 100 * np.mean(z > 1.645)
    return (f"{key[1]}: {z.size} people, {100 * np.mean(np.abs(z) <= 1.645):.1f} % within 5-95, "
            f"{tails[0]:.1f} % below, {tails[1]:.1f} % above")  # fmt: skip


def ageing(everything: Observations, fit: Fitted, seed: int) -> list[str]:
    """Change of the area at C2-C3 with age, % a year, by the norms and within persons."""

    def slope(cell: Cell, a: float, b: float, sex: str) -> float:
        medians = [cell.distribution(Subject(x, sex), "T1w").median for x in (a, b)]
        return 100 * np.log(medians[1] / medians[0]) / (b - a)

    rows = []
    rng = np.random.default_rng(seed)
    people = np.unique(everything.person)
    again = []
    for _ in range(20):
        drawn = rng.choice(people, people.size)
        index = np.concatenate([np.flatnonzero(everything.person == p) for p in drawn])
        again.append(fitted(everything.where(index), "area", "C2-C3").cell)
    for a, b in ((25, 45), (45, 65), (65, 85), (50, 85)):
        spread = np.std([slope(c, a, b, "F") for c in again])
        change = slope(fit.cell, a, b, "F")
        rows.append(f"norms, women, {a} to {b} years: {change:+.2f} ± {spread:.2f} %/year")
    return rows + mixed_model(everything) + within_persons(everything)


def mixed_model(everything: Observations) -> list[str]:
    """Slope of log area on age, between and within persons together: a linear mixed model with
    sex, dataset and an intercept for each person, of people of 50 years and above."""
    import statsmodels.api as sm

    seen = everything.where((everything.family == "T1w") & (everything.age >= 50))
    datasets = sorted(set(seen.dataset.tolist()))
    shifts = [seen.dataset == name for name in datasets[1:]]
    columns = np.column_stack([np.ones(seen.age.size), seen.age - 65, seen.sex == "M", *shifts])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # residual variance 0.001 counts as near its boundary
        found = sm.MixedLM(np.log(seen.value), columns.astype(float), groups=seen.person).fit()
    people = np.unique(seen.person).size
    slope, error = 100 * found.params[1], 100 * found.bse[1]
    who = f"{people} people of {len(datasets)} datasets, 50 years and above"
    return [f"mixed model, {who}: {slope:+.2f} ± {error:.2f} %/year"]


def within_persons(everything: Observations) -> list[str]:
    """Slope of log area on age with an intercept for each person, of people of 50 and above with
    sessions at least two years apart."""
    rows = []
    for dataset in ("BLSA", "DLBS"):
        seen = everything.where((everything.dataset == dataset) & (everything.age >= 50))
        _, person = np.unique(seen.person, return_inverse=True)
        span = np.array([np.ptp(seen.age[person == k]) for k in range(person.max() + 1)])
        seen = seen.where(span[person] >= 2)
        _, person = np.unique(seen.person, return_inverse=True)
        count = np.bincount(person)
        age = seen.age - (np.bincount(person, seen.age) / count)[person]
        logs = np.log(seen.value) - (np.bincount(person, np.log(seen.value)) / count)[person]
        slope = (age @ logs) / (age @ age)
        by_person = np.bincount(person, age * (logs - slope * age))
        error = np.sqrt(np.sum(by_person**2)) / (age @ age)
        rows.append(f"within {count.size} persons of {dataset}, 50 years and above: "
                    f"{100 * slope:+.2f} ± {100 * error:.2f} %/year")  # fmt: skip
    return rows


def figure(path: Path, everything: Observations, fit: Fitted) -> None:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(9, 3.6), layout="constrained")
    panels = drawn.subplots(1, 2, sharey=True)
    for axes, sex, name in zip(panels, "FM", ("women", "men"), strict=True):
        for family, colour in (("T1w", "#1f6fb2"), ("T2w", "#d1495b")):
            seen = everything.where((everything.sex == sex) & (everything.family == family))
            axes.plot(seen.age, seen.value, ".", ms=2, alpha=0.25, color=colour, mew=0)
            for low, high in fit.cell.families[family].ages[sex]:
                ages = np.linspace(low, high, 80)
                norms = [fit.cell.distribution(Subject(a, sex), family) for a in ages]
                bounds = np.array([n.value([-1.645, 0, 1.645]) for n in norms])
                axes.fill_between(ages, bounds[:, 0], bounds[:, 2], color=colour, alpha=0.15, lw=0)
                axes.plot(ages, bounds[:, 1], color=colour, lw=1.8,
                          label=family if low > 15 else None)  # fmt: skip
        axes.set_title(f"{name}: area at C2-C3, median and 5th to 95th centile", fontsize=9)
        axes.set_xlabel("age (years)")
        axes.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel("area (mm²)")
    panels[0].set_ylim(35, 105)
    drawn.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-table", type=Path, required=True)
    parser.add_argument("-measure", default="area")
    parser.add_argument(
        "-levels", nargs="+", default=["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C2-C3"]
    )
    parser.add_argument("-seed", type=int, default=0)
    parser.add_argument("-figure", type=Path)
    given = parser.parse_args()
    table = read_table(given.table)
    cells = fit_cells(table)
    print("\t".join(COLUMNS))
    for level in given.levels:
        key = (given.measure, level)
        for row in leave_out(table[key], key, given.seed, cells[key].cell.between):
            print("\t".join(row), flush=True)
    print("\nPeople left out (five folds):")
    for level in given.levels:
        key = (given.measure, level)
        print(people_left_out(table[key], key, given.seed, cells[key].cell.between), flush=True)
    key = ("area", "C2-C3")
    print("\nAgeing at C2-C3 (± one standard error):")
    print("\n".join(ageing(table[key], cells[key], given.seed)))
    if given.figure:
        figure(given.figure, table[key], cells[key])


if __name__ == "__main__":
    main()
