"""Models compared with reference masks: measurements, statistics, tables, drift of areas.

May import: datasets, morphometry, image and what lies below.
Main functions: `evaluate.evaluated`, `statistics.summary`.
"""
