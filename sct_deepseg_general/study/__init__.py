"""One general against N specific models: the whole study with its report.

May import: release, training, evaluation and what lies below.
Main functions: `compare.compare`, `report.page`.
"""
