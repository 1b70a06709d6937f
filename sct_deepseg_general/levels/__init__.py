"""Vertebral levels: discs found in the image and numbered, discs given, and the slices' levels.

May import: inference (the door to OpenVINO), morphometry, image and what lies below.
Main functions: `detect.find_levels`, `slices.from_discs`.
"""
