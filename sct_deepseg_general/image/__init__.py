"""Images on their grids as values, NIfTI files, companions on other grids, and overlap of masks.

May import: errors, files.
Main functions: `nifti.load`, `nifti.save`, `companion.brought_over`, `las.upright`,
`metrics.agreement`.
"""
