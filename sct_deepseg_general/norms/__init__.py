"""Norms of area and diameters by age and sex, and where a person lies among them.

May import: csa, morphometry and what lies below; evaluation needs numpy alone, fitting scipy.
Main functions: `model.embedded`, `centile.place_of`, `build.build_norms`.
"""
