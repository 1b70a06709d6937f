"""Change of the cord's area between two images of one person.

Both images are straightened along their own cord and brought to the space half-way between them
(`halfway`), segmented there with the same model, and compared slice by slice (`measure`), by the
difference of areas and by the boundary shift integral (`boundary_shift`). Imports `inference`,
`morphometry` and what lies below them.
"""
