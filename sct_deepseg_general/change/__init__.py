"""Change of the area of the cord between two images of one person.

Both images are straightened along their own cord, brought to the space half-way between them,
segmented there with the same model, and compared slice by slice.

May import: levels, inference, morphometry and what lies below.
Main functions: `measure.compared`.
"""
