"""Area and shape of one axial slice, and the centreline of the cord.

May import: image and what lies below.
Main functions: `morphometrics.measure`, `centreline.fitted`, `soft_area.soft_areas`.
"""
