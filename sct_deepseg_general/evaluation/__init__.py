"""Models and masks compared with reference masks: measurements, statistics, tables, drift.

May import: datasets, morphometry, image and what lies below.
Main functions: `evaluate.evaluate_models`, `statistics.summary`.
"""
