"""Areas per slice, per level and per region: selection, tables, plots, SCT's own command.

May import: morphometry, image and what lies below.
Main functions: `measure.measured`, `aggregate.aggregated`, `table.write`.
"""
