"""Tries many hostile images, and says what came of each class of them.

    python benchmarks/quality/fuzz_inputs.py 20000          # reading, preparing, writing, measuring
    python benchmarks/quality/fuzz_inputs.py 300 --command  # the whole command

An input that breaks the law is kept as `broken-CLASS.nii`, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import NonInteractiveExampleWarning

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from hostile_images import CLASSES, Input
from image_law import LONGEST, MOST_MEMORY, judged, peak_memory

Outcomes = Counter[str]
Trial = Callable[[Input, Path], str]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("count", type=int, help="how many inputs")
    asked.add_argument("--command", action="store_true", help="the whole command on each")
    words = asked.parse_args()
    limit = 4 * MOST_MEMORY  # of addresses; what is held is looked at after each input
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("ignore", NonInteractiveExampleWarning)
    trial = commanded() if words.command else judged
    started, found, lawful = time.monotonic(), {}, True
    with tempfile.TemporaryDirectory() as folder:
        for name in CLASSES:
            found[name], broken = tried(name, -(-words.count // len(CLASSES)), trial, Path(folder))
            print(line(name, found[name]), broken, flush=True)
            lawful = lawful and not broken
    total: Outcomes = sum(found.values(), Counter())
    print(line("all", total))
    print(f"{time.monotonic() - started:.0f} s, peak memory {peak_memory() / 2**20:.0f} MB")
    sys.exit(not lawful)


def tried(name: str, count: int, trial: Trial, folder: Path) -> tuple[Outcomes, str]:
    """What came of `count` inputs of a class, and what broke the law, or ""."""
    outcomes: Outcomes = Counter()
    place = Path(f"broken-{name.replace(' ', '-')}.nii")

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(CLASSES[name])
    def one_more(one: Input) -> None:
        try:
            outcomes[trial(one, folder)] += 1
        except BaseException:
            place.write_bytes(one.content)
            raise

    while outcomes.total() < count:
        before = outcomes.total()
        try:
            one_more()
        except Exception as error:  # noqa: BLE001 - every one of them is a finding
            return outcomes, f"{type(error).__name__}: {error}"[:300]
        if outcomes.total() - before < count // 2:  # the class is exhausted
            break
    return outcomes, ""


def line(name: str, outcomes: Outcomes) -> str:
    cells = [outcomes.total(), *(outcomes[word] for word in ("measured", "read", "refused"))]
    return f"| {name} | " + " | ".join(map(str, cells)) + " |"


def commanded() -> Trial:
    """A trial by the main command, in this process so that the model is loaded once."""
    from sct_deepseg_general import cli
    from sct_deepseg_general.cli import segment
    from sct_deepseg_general.inference.predictor import load_predictor
    from sct_deepseg_general.zoo.zoo import resolve

    predictor = load_predictor(resolve(None, offline=True), "openvino", "cpu")
    segment._predictor = lambda _model, _rest: predictor

    def trial(one: Input, folder: Path) -> str:
        path = folder / one.name
        path.write_bytes(one.content)
        started, out, err = time.process_time(), io.StringIO(), io.StringIO()
        sys.argv = ["command", "-i", str(path), "-overwrite", "-qc", str(folder / "qc")]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = ended(cli.main)
        path.unlink()
        made = sorted(one.name for one in folder.glob("in*"))
        for name in made:
            (folder / name).unlink()
        check(time.process_time() - started < LONGEST, "it took long")
        said = err.getvalue()
        if code == 0:
            check(len(made) == 3, f"it made {made}")
            return "measured"
        check(code == 1 and made == [], f"it ended with {code} and left {made}")
        check(said.startswith("Error: ") and said.count("\n") == 1, f"it said {said}")
        return "refused"

    return trial


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def ended(call: Callable[[], None]) -> int:
    try:
        call()
    except SystemExit as end:
        return int(end.code or 0)
    raise AssertionError("the command did not end")


if __name__ == "__main__":
    main()
