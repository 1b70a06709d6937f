"""The tables of the twelve images are whole: check.py FOLDER; ends with pytest's counts."""

import csv
import sys
from pathlib import Path

folder = Path(sys.argv[1])
with (folder / "images.tsv").open(newline="") as stream:
    rows = list(csv.DictReader(stream, delimiter="\t"))
checks = {
    "twelve rows": len(rows) == 12,
    "no error": all(row["status"] != "error" for row in rows),
    "twelve masks": len(list(folder.rglob("*_mask.nii.gz"))) == 12,
    "three shards": len(list(folder.glob("batch/*-of-0003/images.tsv"))) == 3,
    "areas": (folder / "csa.tsv").read_text().count("\n") > 12,
    "no leftovers": not list(folder.rglob(".part-*")),
}
for name, holds in checks.items():
    sys.stdout.write(f"{'ok' if holds else 'FAILED':<7}{name}\n")
failed = sum(not holds for holds in checks.values())
sys.stdout.write(f"{len(checks) - failed} passed, {failed} failed\n")
sys.exit(failed > 0)
