"""BIDS datasets converted for training: recipe, split, conversion, manifest, harmonised labels.

Needs no torch. May import: image, bids and what lies below.
Main functions: `build.build`, `recipe.read`, `split.split_people`.
"""
