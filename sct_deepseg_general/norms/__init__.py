"""Norms of the cord's area and diameters by age and sex, and where a person lies among them.

`model.embedded()` gives the norms that come with the package; `centile.centile_of` places a
measured value among them; `fit` and `build` make new norms from a published table. May import
csa, morphometry and what lies below; evaluation needs numpy alone, fitting scipy.
"""
