"""A coverage-guided fuzz target for atheris: any bytes as an image, plain or zipped.

    pip install atheris
    python tests/fuzz/fuzz_nifti.py -runs=20000 tests/fuzz/corpus

The law is that of `image_law.judged`; an input that breaks it is kept as `crash-*`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

with atheris.instrument_imports(include=["sct_deepseg_general", "nibabel"]):
    from hostile_images import Input
    from image_law import judged

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
GZIP = b"\x1f\x8b"


def tried(content: bytes) -> None:
    judged(Input("in.nii.gz" if content[:2] == GZIP else "in.nii", content), FOLDER)


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-max_len=4096"], tried)
    atheris.Fuzz()
