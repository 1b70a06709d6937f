"""Norms of the cord's area and diameters by age and sex, and where a person lies among them.

`model.embedded()` gives the norms that come with the package; `centile.centile_of` places a
measured value among them; `fit` and `build` make new norms from a published table. Imports
`files`, `schema` and `errors` only; evaluation needs numpy alone, fitting scipy.
"""
