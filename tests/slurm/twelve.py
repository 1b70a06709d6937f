"""Twelve images of six people, copied from the sample images: twelve.py SAMPLES DATASET."""

import json
import shutil
import sys
from pathlib import Path

samples, dataset = (Path(word) for word in sys.argv[1:3])
images = sorted(samples.glob("sub-*/anat/*_MTS.nii.gz"))[:2]
for number in range(1, 7):
    folder = dataset / f"sub-{number:02}" / "anat"
    folder.mkdir(parents=True)
    for at, image in enumerate(images, 1):
        shutil.copy(image, folder / f"sub-{number:02}_run-{at}_MTS.nii.gz")
description = {"Name": "twelve", "BIDSVersion": "1.10.0"}
(dataset / "dataset_description.json").write_text(json.dumps(description))
