"""Show that a change of the code leaves every output of the sample images as it was.

python benchmarks/accuracy/same_outputs.py make BEFORE [-command PATH]    (with the code as it was)
python benchmarks/accuracy/same_outputs.py make AFTER                     (with the code as it is)
python benchmarks/accuracy/same_outputs.py compare BEFORE AFTER

`make` runs the commands below on copies of the sample images; `compare` lists the files that
differ in anything but versions, times and paths, and ends with exit code 1 if there are any.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
COMMAND = Path(sys.executable).with_name("sct_deepseg_sc_general")

MASK = "data/sct/t2_seg-manual.nii.gz"
LEVELS = "data/sct/t2_seg-manual_labeled.nii.gz"
NO_DISCS = "data/sct/labels.nii.gz"
"""Points in the middle of vertebrae, used as discs here: outputs are compared, not judged."""
CORD = "data/sct/PAM50_small_cord.nii.gz"
PMJ = "data/sct/PAM50_small_t2_pmj_manual.nii.gz"
T2W = "data/sub-sct/anat/sub-sct_T2w.nii.gz"
T2W_LABEL = "data/derivatives/labels/sub-sct/anat/sub-sct_T2w_seg-manual.nii.gz"

COMMANDS = [
    "-i data/sub-sct/anat/*.nii.gz -o segment -qc segment/qc -soft -v 0",
    f"-i {T2W} -o views -uncertainty -plot views/csa.png -v 0",
    f"-i {T2W} -o levels -discfile {NO_DISCS} -perlevel 1 -qc levels/qc -v 0",
    f"csa -i {MASK} -o csa/slices.csv -perslice 1 -plot csa/slices.png -v 0",
    f"csa -i {MASK} -o csa/anat.csv -perslice 1 -anat {T2W} -v 0",
    f"csa -i {MASK} -o csa/levels.csv -perlevel 1 -vertfile {LEVELS} -v 0",
    f"csa -i {MASK} -o csa/discs.csv -vert 2:4 -discfile {NO_DISCS} -perlevel 1 -v 0",
    f"csa -i {MASK} -o csa/pam50.csv -perslice 1 -vertfile {LEVELS} -normalize-PAM50 1 -v 0",
    f"csa -i {MASK} -o csa/nurbs.csv -perslice 1 -centerline-algo nurbs -v 0",
    f"csa -i {MASK} -o csa/normal.csv -normalize sex 0 brain-volume 960606 -v 0",
    f"csa -i {CORD} -pmj {PMJ} -pmj-distance 60 -o csa/pmj.csv -v 0",
    f"qc -i {T2W} -s segment/sub-sct_T2w_seg.nii.gz -s2 {T2W_LABEL} -qc compared -v 0",
    "batch -bids data -o batch -jobs 1 -threads 1 -v 0",
    "evaluate -bids data -m sc-general -o evaluation.csv",
]
"""What is run, in order, in the folder that gets the outputs."""

VARYING = [
    (
        r"\d{4}[-_]\d{2}[-_]\d{2}[T _]\d{2}[:_-]?\d{2}[:_-]?\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})?",
        "TIME",
    ),
    (r"(sct_deepseg_(?:sc_)?general) \d+\.\d+\.\d+[\w.]*", r"\1 VERSION"),
    (r'"([vV]ersion|sctVersion)": ?"[^"]*"', r'"\1": "VERSION"'),
    (r"\t\d+\.\d+\.\d+[\w.]*(?=\t)", r"\tVERSION"),
    (r'"(id|key|report)": ?"[0-9a-f]{16,32}"', r'"\1": "RANDOM"'),
    (r'(?:[\d.]+|null),("[^"]*"),"[0-9a-f]{16}"', r'0,\1,"RANDOM"'),
    (r"\t[\d.]+(?=\tsub-)", ""),
    (r"^([\w-]+@[\d.]+,.*),[\d.]+$", r"\1"),
    (r'"(\w*[Ss]econds\w*|rank|stamp|pid|host|time|mtime|mtime_ns)": ?[\d.]+', r'"\1": 0'),
]
"""Patterns of versions and times, and what stands in their place for the comparison."""

ENTRY = re.compile(r"\d{8}T\d{12}-[0-9a-f]{8}")
"""The name of a QC entry: when it was made, and a random part."""

UNCOMPARED = {"journal.jsonl", "progress.json", "report.id"}
"""Files that hold little but times and random numbers."""


def make(folder: Path, command: Path) -> None:
    """Run all commands in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DATA, folder / "data")
    for name in ("segment", "views", "levels", "csa"):
        (folder / name).mkdir()
    for line in COMMANDS:
        words = [str(command), *expanded(line, folder)]
        print(line)
        subprocess.run(words, cwd=folder, check=True)


def expanded(line: str, folder: Path) -> list[str]:
    """The words of a command line, with patterns replaced by the files they match."""
    words: list[str] = []
    for word in line.split():
        files = sorted(folder.glob(word)) if "*" in word else []
        words += [str(file.relative_to(folder)) for file in files] or [word]
    return words


def contents(folder: Path) -> dict[str, bytes]:
    """The comparable content of every file below a folder, by its path."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    entries = sorted({entry for path in paths for entry in ENTRY.findall(str(path))})
    plain = {entry: f"ENTRY-{number}" for number, entry in enumerate(entries)}
    plain[str(folder)] = "FOLDER"
    return {
        steady(str(path.relative_to(folder)), plain): comparable(path, plain)
        for path in paths
        if path.name not in UNCOMPARED
    }


def comparable(path: Path, plain: dict[str, str]) -> bytes:
    """A file's bytes; in text, versions, times, paths and names of QC entries are replaced."""
    data = path.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    return steady(text, plain).encode()


def steady(text: str, words: dict[str, str]) -> str:
    for word, plain in words.items():
        text = text.replace(word, plain)
    for pattern, plain in VARYING:
        text = re.sub(pattern, plain, text, flags=re.MULTILINE)
    return text


def compare(before: Path, after: Path) -> int:
    """Print the files that differ, and return how many there are."""
    first, second = contents(before), contents(after)
    different = [name for name in sorted(first | second) if first.get(name) != second.get(name)]
    for name in different:
        print(f"differs: {name}")
    print(f"{len(first | second)} files compared, {len(different)} differ.")
    return len(different)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    made = parts.add_parser("make")
    made.add_argument("folder", type=Path)
    made.add_argument("-command", type=Path, default=COMMAND)
    both = parts.add_parser("compare")
    both.add_argument("before", type=Path)
    both.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.part == "make":
        make(options.folder.resolve(), options.command)
        return 0
    return int(compare(options.before.resolve(), options.after.resolve()) > 0)


if __name__ == "__main__":
    sys.exit(main())
