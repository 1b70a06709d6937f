"""Recipes proposed for datasets and checked before a training: doubts, time, memory, disk.

Needs no torch. May import: datasets and what lies below.
Main functions: `proposal.propose`, `checks.check_training`.
"""
