"""BIDS datasets converted for training: recipe, split, checks, conversion, manifest.

Needs no torch. May import: image, bids and what lies below.
Main functions: `build.build`, `recipe.read`, `proposal.propose`, `split.split_people`.
"""
